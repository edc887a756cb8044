"""Features of several views of photos, each view cached like a photo of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    """What was extracted of the views 0, 1, ... of the same photos."""

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

    def features(self, paths: Sequence[Path]) -> Features:
        """Of these photos, none of them skipped: first all photos, then all second views, ..."""
        parts = []
        for view in self.found:
            assert view.features is not None  # there are photos
            row_of = {self.paths[photo]: row for row, photo in enumerate(view.photos)}
            parts.append(view.features.select([row_of[path] for path in paths]))
        return Features.joined(parts)


def extract_views(
    paths: Sequence[Path],
    prefix: Prefix,
    decoding: Decoding,
    *,
    views: int,
    workspace: Workspace,
    digests: dict[Path, str],
    report: OnProgress = unreported,
    before: Callable[[tuple[Skipped, ...]], object] = lambda _: None,
) -> Views:
    """The first `views` views of photos; see `extract`. The progress is that over all views."""
    count = len(set(digests.values()))
    return Views(
        paths,
        tuple(
            extract(
                paths,
                prefix,
                replace(decoding, view=view),
                workspace=workspace,
                digests=digests,
                report=part_of(report, view * count, count, views * count),
                before=before,
                done=view * count,
                to_come=(views - view - 1) * count,
            )
            for view in range(views)
        ),
    )
