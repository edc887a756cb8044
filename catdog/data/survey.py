"""What a data set holds: how many photos, how large, in which formats, which cannot be read."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from catdog.config import Decoding
from catdog.data.decode import PhotoHeader, decode_whole
from catdog.data.files import system_reason
from catdog.data.fingerprint import Skipped, fingerprint
from catdog.data.layout import DataSet, Photo
from catdog.data.parallel import ordered_map
from catdog.errors import PhotoError
from catdog.text import Message, message

# One pixel is enough to find damage: the whole file is read and decoded, by the function that
# training uses, and a JPEG is decoded at an eighth of its size.
_CHEAPEST = Decoding(size=1)

_UNEVEN = 3  # times as many photos in the largest class as in the smallest: worth a sentence


@dataclass(frozen=True)
class SplitFacts:
    """One split of a data set. Sizes are (width, height) in pixels, as stored in the file."""

    name: str
    counts: dict[str, int]  # photos of each class of the data set, unreadable ones included
    bytes: int  # of all photo files together
    smallest: tuple[int, int] | None  # by area; None where no photo can be read
    median: tuple[int, int] | None  # by area; of an even number, the lower one
    largest: tuple[int, int] | None  # by area
    formats: dict[str, int]  # readable photos of each format, the commonest first
    unreadable: tuple[Skipped, ...]
    digests: dict[Path, str]  # SHA-256 of the content of every file that has one, hex


def imbalance(counts: Mapping[str, int]) -> Message | None:
    """A sentence where the largest class has over three times the photos of the smallest to train on."""
    counts = {label: number for label, number in counts.items() if number}
    if not counts or max(counts.values()) <= _UNEVEN * min(counts.values()):
        return None
    large, small = max(counts, key=lambda one: counts[one]), min(counts, key=lambda one: counts[one])
    return message(
        "uneven classes: {counts:,} photos of {large}, {counts_2:,} of {small}; accuracy says little "
        "then, look at each class's recall",
        counts=counts[large],
        large=large,
        counts_2=counts[small],
        small=small,
    )


@dataclass(frozen=True)
class _Look:
    bytes: int
    digest: str | None
    header: PhotoHeader | None
    reason: Message | None


def survey(
    dataset: DataSet, *, workers: int, on_progress: Callable[[int, int], None] | None = None
) -> dict[str, SplitFacts]:
    """Read every photo to its end, in `workers` threads; the facts of each split, by its name.

    Truncated and damaged files are found, not only bad headers. `on_progress(done, total)` counts
    over all splits and is called in the caller's thread.
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
            if on_progress is not None:
                on_progress(done, total)
        facts[name] = _facts(name, dataset.classes, photos, of_split)
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
    except OSError as error:  # it has gone
        return _Look(0, None, None, system_reason(error))


def _facts(name: str, classes: tuple[str, ...], photos: tuple[Photo, ...], looks: list[_Look]) -> SplitFacts:
    counts = dict.fromkeys(classes, 0)
    for photo in photos:
        if photo.label is not None:
            counts[photo.label] += 1
    headers = [look.header for look in looks if look.header is not None]
    sizes = sorted(
        ((header.width, header.height) for header in headers),
        key=lambda size: (size[0] * size[1], size),
    )
    return SplitFacts(
        name=name,
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
