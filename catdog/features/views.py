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

    paths: tuple[Sequence[Path], ...]  # of each view
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
        """Of these photos, none of them skipped: of all, then their second views, ..., if there are any."""
        parts = []
        for seen, view in zip(self.paths, self.found, strict=True):
            row_of = {seen[photo]: row for row, photo in enumerate(view.photos)}
            if paths[0] in row_of:
                assert view.features is not None  # there are photos
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
    further: Sequence[Path] | None = None,
) -> Views:
    """Features of photos that are decoded in each of these ways; see `extract`. The progress is over all.

    Args:
        further: the photos that are seen in more than the first way; None is all.
    """
    every = [(paths, decodings)] if further is None else [(paths, decodings[:1]), (further, decodings[1:])]
    # Room is counted over the ways in which the same photos are seen.
    ways = [(seen, same, way) for seen, same in every for way in range(len(same))]
    counts = [len({digests[path] for path in seen}) for seen, *_ in ways]
    return Views(
        tuple(seen for seen, *_ in ways),
        tuple(
            extract(
                seen,
                prefix,
                same[way],
                workspace=workspace,
                digests=digests,
                report=part_of(report, sum(counts[:view]), counts[view], sum(counts)),
                before=before,
                done=same[:way],
                to_come=same[way + 1 :],
            )
            for view, (seen, same, way) in enumerate(ways)
        ),
    )
