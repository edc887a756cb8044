"""What a data set contains: how many photos, how large, in which formats, which are unreadable."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from catdog.config import Decoding
from catdog.data.decode import PhotoHeader, decode_whole
from catdog.data.files import system_reason
from catdog.data.fingerprint import Skipped, fingerprint
from catdog.data.labels import Photo
from catdog.data.layout import DataSet
from catdog.data.parallel import ordered_map
from catdog.errors import PhotoError
from catdog.progress import Progress
from catdog.text import Message

# One pixel is enough to find damage: training's own function reads and decodes the whole file, a JPEG at an
# eighth of its size.
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


@dataclass(frozen=True)
class _Look:
    bytes: int
    digest: str | None
    header: PhotoHeader | None
    reason: Message | None


def survey(
    dataset: DataSet, *, workers: int, report: Callable[[Progress], None] = lambda _: None
) -> dict[str, SplitFacts]:
    """Read every photo to its end, in `workers` threads; the facts of each split, by its name.

    Truncated and damaged files are found, not only bad headers. `report` is called in the caller's thread; it
    counts over all splits.
    """
    total = sum(len(photos) for photos in dataset.splits.values())
    everything = (photo.path for photos in dataset.splits.values() for photo in photos)
    looks = ordered_map(_look, everything, workers=workers)
    facts: dict[str, SplitFacts] = {}
    done = 0
    for name, photos in dataset.splits.items():
        of_split: list[_Look] = []
        for _, look in zip(photos, looks, strict=False):  # photos first: it takes no look too many
            of_split.append(look)
            done += 1
            report(Progress("hash", done, total))
        facts[name] = _facts(dataset.classes, photos, of_split)
    return facts


def _look(path: Path) -> _Look:
    try:
        whole = decode_whole(path, _CHEAPEST)
        return _Look(whole.bytes, whole.digest, whole.header, None)
    except PhotoError as error:
        reason = error.message
    found = fingerprint([path], workers=1)
    if path not in found.digests:
        return _Look(0, None, None, found.skipped[0].reason)
    try:
        return _Look(path.stat().st_size, found.digests[path], None, reason)
    except OSError as error:  # it was deleted meanwhile
        return _Look(0, None, None, system_reason(error))


def _facts(classes: tuple[str, ...], photos: tuple[Photo, ...], looks: list[_Look]) -> SplitFacts:
    counts = dict.fromkeys(classes, 0)
    for photo in photos:
        if photo.label is not None:
            counts[photo.label] += 1
    headers = [look.header for look in looks if look.header is not None]
    sizes = sorted(
        ((header.width, header.height) for header in headers), key=lambda size: (size[0] * size[1], size)
    )
    return SplitFacts(
        counts=counts,
        bytes=sum(look.bytes for look in looks),
        smallest=sizes[0] if sizes else None,
        median=sizes[(len(sizes) - 1) // 2] if sizes else None,
        largest=sizes[-1] if sizes else None,
        formats=dict(Counter(header.format for header in headers).most_common()),
        unreadable=tuple(
            Skipped(photo.path, look.reason)
            for photo, look in zip(photos, looks, strict=True)
            if look.reason is not None
        ),
        digests={
            photo.path: look.digest
            for photo, look in zip(photos, looks, strict=True)
            if look.digest is not None
        },
    )
