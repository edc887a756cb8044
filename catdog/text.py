"""Counts, sizes and lists as people write them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_UNITS = ("B", "kB", "MB", "GB", "TB")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|[kKMGT]B?)?")


def bytes_for_people(count: int) -> str:
    """`512 B`, `1.5 MB`: powers of ten."""
    size, unit = float(count), "B"
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def bytes_from_people(text: str) -> int:
    """Bytes of `20GB`, `1.5 MB`, `800k` or `4096`: powers of ten.

    Raises:
        ValueError: it is no such size.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"expected a size such as 20GB or 500MB, found {text!r}")
    number, unit = match.groups()
    letter = (unit or "B")[0].upper().replace("B", "")
    return int(float(number) * 1000 ** ["", "K", "M", "G", "T"].index(letter))


_FEW = 3  # names that are enough of an example
_CLASSES = 10  # that one sentence names, each with its number


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun, such as `1 photo` or `23,000 photos`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def first_few(names: Sequence[object]) -> str:
    """The first three of many names, such as `cat, dog, eel, ...`; the sentence around them says how many."""
    return _first(names, _FEW)


def numbered(counts: Mapping[str, int]) -> str:
    """Classes with their numbers of photos, such as `'birds' 1, 'fish' 2`: by name, the first ten of many."""
    return _first([f"{label!r} {number}" for label, number in sorted(counts.items())], _CLASSES)


def _first(names: Sequence[object], most: int) -> str:
    shown = ", ".join(map(str, names[:most]))
    return f"{shown}, ..." if len(names) > most else shown


def extension(path: Path) -> str:
    """A file's extension, in lower case, such as `.txt`."""
    return path.suffix.lower() or "no extension"


def kinds(numbers: Counter[str]) -> str:
    """The commonest four, such as `.cr2 400, .txt 2`."""
    return ", ".join(f"{kind} {number}" for kind, number in numbers.most_common(4))


def extensions(paths: Iterable[Path]) -> str:
    """The files by extension, the commonest four."""
    return kinds(Counter(map(extension, paths)))


def not_photos(folder: Path, files: list[Path]) -> list[str]:
    """A sentence about files that do not look like photos; none without such files."""
    if not files:
        return []
    what = count(len(files), "file")
    return [f"Ignored {what} in {folder}: no photo by name or content ({extensions(files)})."]
