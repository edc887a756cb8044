"""What a data set contains: how many photos, how large, in which formats, which are unreadable."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from catdog.config import Decoding
from catdog.data.decode import PhotoHeader, decode_whole
from catdog.data.files import size_at, system_reason
from catdog.data.fingerprint import Skipped, fingerprint
from catdog.data.labels import Photo
from catdog.data.layout import DataSet
from catdog.data.processes import photo_map
from catdog.errors import PhotoError
from catdog.progress import OnProgress, Progress, unreported
from catdog.text import Message
from catdog.workspace import Workspace

# Enough to find damage: training's own function decodes the whole file, a JPEG at an eighth of its size.
_CHEAPEST = Decoding(size=1)


@dataclass(frozen=True)
class SplitFacts:
    """One split of a data set. Sizes are (width, height) in pixels, as stored in the file."""

    counts: dict[str, int]  # photos of each class of the data set, unreadable ones included
    bytes: int  # of all photo files together
    smallest: tuple[int, int] | None  # by area; None where no photo can be read
    median: tuple[int, int] | None  # by area; of an even number, the lower one
    largest: tuple[int, int] | None  # by area
    formats: dict[str, int]  # readable photos of each format, the commonest first
    unreadable: tuple[Skipped, ...]
    digests: dict[Path, str]  # SHA-256 of the content of every file that has one, hex


class _Look(NamedTuple):
    bytes: int
    digest: str | None
    header: PhotoHeader | None
    reason: Message | None


def survey(dataset: DataSet, *, workers: int, report: OnProgress = unreported) -> dict[str, SplitFacts]:
    """Read every photo to its end, `workers` at a time; the facts of each split, by its name.

    Truncated and damaged files are found, not only bad headers. `report` is called in the caller's thread; it
    counts over all splits.
    """
    total = sum(len(photos) for photos in dataset.splits.values())
    everything = [photo.path for photos in dataset.splits.values() for photo in photos]
    looks = enumerate(photo_map(_look, everything, count=total, workers=workers), start=1)
    facts: dict[str, SplitFacts] = {}
    for name, photos in dataset.splits.items():
        of_split: list[tuple[Photo, _Look]] = []
        for photo, (done, look) in zip(photos, looks, strict=False):  # photos first: no look is lost
            of_split.append((photo, look))
            report(Progress("hash", done, total))
        facts[name] = _facts(dataset.classes, of_split)
    return facts


def sizes_and_formats(
    headers: Sequence[PhotoHeader],
) -> tuple[tuple[tuple[int, int], ...] | None, dict[str, int]]:
    """(width, height) of the smallest, median and largest photo; format → photos. See `SplitFacts`."""
    sizes = sorted(((header.width, header.height) for header in headers), key=lambda wh: (wh[0] * wh[1], wh))
    chosen = (sizes[0], sizes[(len(sizes) - 1) // 2], sizes[-1]) if sizes else None
    return chosen, dict(Counter(header.format for header in headers).most_common())


def _look(path: Path) -> _Look:
    try:
        whole = decode_whole(path, _CHEAPEST)
        return _Look(whole.bytes, whole.digest, whole.header, None)
    except PhotoError as error:
        reason = error.message
    found = fingerprint([path], workspace=Workspace())
    if path not in found.digests:
        return _Look(0, None, None, found.skipped[0].reason)
    try:
        return _Look(size_at(path), found.digests[path], None, reason)
    except OSError as error:  # it was deleted meanwhile
        return _Look(0, None, None, system_reason(error))


def _facts(classes: tuple[str, ...], looks: list[tuple[Photo, _Look]]) -> SplitFacts:
    counts = Counter(photo.label for photo, _ in looks)
    sizes, formats = sizes_and_formats([look.header for _, look in looks if look.header is not None])
    return SplitFacts(
        {label: counts[label] for label in classes},
        sum(look.bytes for _, look in looks),
        *(sizes or (None, None, None)),
        formats=formats,
        unreadable=tuple(Skipped(photo.path, look.reason) for photo, look in looks if look.reason),
        digests={photo.path: look.digest for photo, look in looks if look.digest},
    )
