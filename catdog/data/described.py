"""Labels that are in files beside the photos: Hugging Face's metadata, WebDataset shards, parquet files."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from catdog import archives
from catdog.archives.suffixes import PARQUET, PHOTO_SUFFIXES, TAR
from catdog.data.files import open_regular
from catdog.data.labels import Photo
from catdog.data.layout import DataSet, scan, split_named, to_be_split
from catdog.data.table import has_column, read_table
from catdog.data.walk import Listing, listing, walk
from catdog.errors import DataError, PhotoError
from catdog.text import Message, message, plural

LABEL = "label"  # the column with the class, or the key of a JSON object
_METADATA = ("metadata.csv", "metadata.jsonl")
_NAMES = ("classnames.txt", "classes.txt")  # a class in each line
_CLASS = ("cls", "json")  # what a shard has beside a photo, the better first
_WORD = re.compile(r"[^a-z]+")
_DIGITS = 9  # of the number of a class
_LARGEST = 2**20  # bytes of a label, and of all names


def find_described(root: Path, *, values: bool = False) -> DataSet:
    """The photos below `root`, with labels from files that are made for that, or else from names.

    Raises:
        DataError: see `scan`; or a file of labels is wrong.
    """
    try:
        top = listing(root)
    except (OSError, ValueError):
        return scan(root, values=values)  # which says what is wrong
    folders = [folder for folder in top.folders if split_named(folder.name)]
    inside = [top, *map(_listing, folders)]
    tables = [path for found in inside for path in found.others if path.name in _METADATA]
    if tables := [path for path in tables if has_column(path, LABEL)]:
        expected = message("a class")
        return read_table(tables, root, LABEL, class_of, expected, are_classes=not values)
    packed = [path for path in (root, *_beside(top)) if _may_have_labels(path)]
    if packed and not (os.path.isdir(root) and walk(root).photos):  # those are in folders of classes
        shards = {path: _labels_in(path) for path in packed}
        if any(map(_has_labels, shards, shards.values())):
            return _read_shards(root, shards, _class_names(top))
    return scan(root, values=values)


def class_of(cell: str) -> str:
    """The class that a cell of a table names; a ValueError where it is empty."""
    if not cell.strip():
        raise ValueError(cell)
    return cell.strip()


def _listing(folder: Path) -> Listing:
    try:
        return listing(folder)
    except OSError:
        return Listing((), (), ())


def _beside(top: Listing) -> Iterator[Path]:
    """The archives in a folder and in the folders directly in it, unless there are photos in one of them."""
    if top.photos:
        return
    yield from (*top.others, *top.folders)
    for folder in top.folders:
        found = _listing(folder)
        if found.photos:
            return
        yield from (*found.others, *found.folders)


def _may_have_labels(path: Path) -> bool:
    return path.name.lower().endswith((*TAR, PARQUET)) and not os.path.isdir(path)


def _labels_in(path: Path) -> list[tuple[Path, str | None]]:
    """The photos of a parquet or tar file, and their classes."""
    try:
        return list(archives.labels_in(path) if _is_parquet(path) else _labels_beside(path))
    except (OSError, PhotoError) as error:
        raise DataError("the archive {file} cannot be read: {reason}", file=path, reason=error) from error


def _has_labels(path: Path, labels: Sequence[tuple[Path, str | None]]) -> bool:
    """Whether it is no mere archive of photos."""
    return bool(labels) and (_is_parquet(path) or any(label is not None for _, label in labels))


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(PARQUET)


def _class_names(top: Listing) -> list[str]:
    file = next((path for path in top.others if path.name in _NAMES), None)
    if not file:
        return []
    try:
        with open_regular(file) as lines:
            return lines.read(_LARGEST).decode("utf-8-sig").splitlines()
    except (OSError, ValueError, PhotoError) as error:
        raise DataError(
            "{file} cannot be read as names of classes: {reason}", file=file, reason=error
        ) from error


def _read_shards(
    root: Path, shards: dict[Path, list[tuple[Path, str | None]]], names: Sequence[str]
) -> DataSet:
    photos: dict[str, list[Photo]] = {}
    without: list[Path] = []
    for shard in sorted(shards):
        split = _split_of(shard.relative_to(root))
        for path, label in shards[shard]:
            if label is None:
                without.append(path)
                continue
            is_number = label.isdecimal() and len(label) <= _DIGITS and int(label) < len(names)
            name = names[int(label)] if is_number else label
            photos.setdefault(split, []).append(Photo(path, name))
    if not photos:
        raise DataError("expected labels beside the photos in {folder}, found none", folder=root)
    everything = tuple(photo for group in photos.values() for photo in group)
    splits = {"all": everything}
    if "train" in photos and "" not in photos:
        splits = {name: tuple(photos[name]) for name in ("train", "valid", "test") if name in photos}
    classes = tuple(sorted({photo.label or "" for photo in everything}))
    return DataSet(root, "table", classes, to_be_split(splits), tuple(_remarks(without)))


def _remarks(without: Sequence[Path]) -> Iterator[Message]:
    if without:
        yield plural(
            "Ignored {count:,} photo without a label beside it: {photo}.",
            "Ignored {count:,} photos without a label beside them, such as {photo}.",
            len(without),
            photo=without[0],
        )


def _split_of(path: Path) -> str:
    """The split that a word in the name of a shard or of a folder stands for, as in `train-00000.tar`."""
    words = [word for part in reversed(path.parts) for word in _WORD.split(part.casefold())]
    return next(filter(None, map(split_named, words)), "")


def _labels_beside(shard: Path) -> Iterator[tuple[Path, str | None]]:
    """The photos of a WebDataset shard, and their labels: files with the same name up to the first dot."""
    kinds: dict[str, dict[str, str]] = {}
    for name in archives.names_in(shard):
        folder, _, last = name.rpartition("/")
        key, _, kind = last.partition(".")
        kinds.setdefault(f"{folder}/{key}", {})[kind.lower()] = name
    for found in kinds.values():
        photo = next((name for kind, name in found.items() if f".{kind}" in PHOTO_SUFFIXES), None)
        if photo:
            beside = next((found[kind] for kind in _CLASS if kind in found), None)
            yield shard / photo, _label_at(shard / beside) if beside else None


def _label_at(path: Path) -> str | None:
    with archives.opened(path) as file:
        content = file.read(_LARGEST)
    text = content.decode("utf-8", "replace").strip()
    if path.suffix.lower() == ".json":
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        text = found.get(LABEL, found.get("cls")) if isinstance(found, dict) else found
    return str(text) if isinstance(text, str | int) and str(text) else None
