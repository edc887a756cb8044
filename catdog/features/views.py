"""Features of photos that are seen in several ways, each cached like a photo of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from catdog.config import Decoding
from catdog.data import Skipped
from catdog.features.extract import Extraction, extract
from catdog.features.features import Features
from catdog.features.prefix import Prefix
from catdog.progress import OnProgress, part_of, unreported
from catdog.workspace import Workspace


@dataclass(frozen=True)
class Views:
    """What was extracted of several views of the same photos: at other sizes, mirrored, cropped, ..."""

    paths: Sequence[Path]
    found: tuple[Extraction, ...]

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The photos of which a view could not be read, each once."""
        return tuple({bad.path: bad for view in self.found for bad in view.skipped}.values())

    @property
    def damaged_shards(self) -> int:
        """Files of the cache that were damaged, and replaced."""
        return sum(view.damaged_shards for view in self.found)

    def features(self, paths: Sequence[Path]) -> list[Features]:
        """Of these photos, none of them skipped: of all photos, of all second views, ..."""
        parts = []
        for view in self.found:
            assert view.features is not None  # there are photos
            row_of = {self.paths[photo]: row for row, photo in enumerate(view.photos)}
            parts.append(view.features.select([row_of[path] for path in paths]))
        return parts


def extract_views(
    paths: Sequence[Path],
    prefix: Prefix,
    decodings: Sequence[Decoding],
    *,
    workspace: Workspace,
    digests: dict[Path, str],
    report: OnProgress = unreported,
    before: Callable[[tuple[Skipped, ...]], object] = lambda _: None,
) -> Views:
    """Features of photos that are decoded in each of these ways; see `extract`. The progress is over all."""
    count, views = len(set(digests.values())), len(decodings)
    return Views(
        paths,
        tuple(
            extract(
                paths,
                prefix,
                decoding,
                workspace=workspace,
                digests=digests,
                report=part_of(report, view * count, count, views * count),
                before=before,
                done=decodings[:view],
                to_come=decodings[view + 1 :],
            )
            for view, decoding in enumerate(decodings)
        ),
    )
