"""The layout of a folder of photos: the label and the split of each photo.

Archives are folders, see `catdog.data.walk`. A file without a photo's extension is opened for its first
bytes; no other file is opened.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catdog.archives.suffixes import archive_name
from catdog.data.labels import Labelled, Photo, folder_name, labelled
from catdog.data.walk import Listing, folder_id, listing, walk
from catdog.errors import DataError
from catdog.text import Message, extensions, first_few, message, numbered, plural, relative_path

Layout = Literal["split folders", "class folders", "flat names", "table"]

SPLITS = ("train", "valid", "test", "all")

_SPLIT_NAMES = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
_KAGGLE_TEST = re.compile(r"test\d+")  # Kaggle's test1 is a folder of photos without labels


@dataclass(frozen=True)
class DataSet:
    """The labelled photos of a folder."""

    root: Path
    layout: Layout
    classes: tuple[str, ...]  # sorted by name; union over splits
    # Keys among "train", "valid" and "test"; or "all", to be split by the caller, and "test". None is empty.
    splits: dict[str, tuple[Photo, ...]]
    remarks: tuple[Message, ...]  # one sentence each: what was ignored, which class a split lacks


def scan(root: Path, *, values: bool = False) -> DataSet:
    """Find the photos below `root`, their labels and their splits.

    Looks for `root/train/<class>/**` with `valid` (or `val`, `validation`) and `test` beside it,
    for `root/<class>/**`, and for labels in the photos' own names, `cat.0.jpg`, in `root` or in its
    split folders. Where there is no validation split, the training photos come as "all", for the caller to
    split. Hidden files, system clutter and test folders without labels are neither photos nor classes. A
    folder with the name of a split is a class if it contains photos itself and if there would be fewer than
    two classes otherwise.

    Args:
        values: the labels are values, so no split lacks one.

    Raises:
        DataError: the folder is missing, is a file, cannot be listed, contains no photos or no labels, or is
            ambiguous.
    """
    top = _with_archives(root, _entries(root))
    folders = _split_folders(top)
    others = [path for path in top.folders if path not in folders.values()]
    if _has_split_folders(root, top, folders, others):
        readings = {split: _read(root, folder) for split, folder in folders.items()}
        not_splits = plural(
            "Ignored the folder {folder}: it is not a split.",
            "Ignored {count:,} folders that are not splits ({names}).",
            len(others),
            folder=others[0] if others else root,
            names=first_few([relative_path(path, root.parent) for path in others], 10),
        )
        remarks = [not_splits] if others else []
        beside = plural(
            "Ignored {count:,} photo beside the split folders.",
            "Ignored {count:,} photos beside the split folders.",
            len(top.photos),
        )
        remarks += [beside] if top.photos else []
        layout: Layout = "split folders"
    else:
        readings, remarks = _read_classes(root, top, folders)
        layout = "class folders"
    for split, reading in readings.items():
        remarks += reading.remarks
        if not reading.photos and split in folders:
            remarks.append(
                message("Ignored the folder {folder}: it contains no labelled photos.", folder=folders[split])
            )
    readings = {split: reading for split, reading in readings.items() if reading.photos}
    if not readings:
        raise _nothing_found(root)
    remarks += _drop_foreign_test(root, readings, folders.get("test"))
    if next(iter(readings.values())).flat:
        layout = "flat names"
    splits = {split: reading.photos for split, reading in readings.items()}
    remarks += [] if values else _missing_classes(splits)
    splits = to_be_split(splits)
    classes = tuple(sorted(set().union(*map(_classes, splits.values()))))
    return DataSet(root, layout, classes, splits, tuple(remarks))


def to_be_split(splits: dict[str, tuple[Photo, ...]]) -> dict[str, tuple[Photo, ...]]:
    """Without validation photos, the training photos are "all", for the caller to split."""
    if "train" in splits and "valid" not in splits:
        return {"all": splits["train"]} | {name: photos for name, photos in splits.items() if name != "train"}
    return splits


def split_named(folder: str) -> str | None:
    """The split that a folder of that name stands for."""
    return _SPLIT_NAMES.get(folder.casefold())


def _entries(folder: Path) -> Listing:
    try:
        return listing(folder)
    except FileNotFoundError:
        raise DataError(
            "expected a folder of photos, found nothing at {folder}. Check the path", folder=folder
        ) from None
    except NotADirectoryError:
        raise DataError(
            "expected a folder of photos, found a file: {folder}. Give the folder that contains it",
            folder=folder,
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise DataError(
            "expected a folder of photos at {folder}, but it cannot be listed ({reason}). Check its "
            "permissions",
            folder=folder,
            reason=error,
        ) from error


def _with_archives(root: Path, top: Listing) -> Listing:
    """The same, with archives as folders where there are no other photos."""
    packed = [path for path in top.others if archive_name(path.name) is not None]
    if not packed or walk(root).photos:
        return top
    others = tuple(path for path in top.others if path not in packed)
    return Listing(tuple(sorted([*top.folders, *packed])), top.photos, others)


def _split_folders(top: Listing) -> dict[str, Path]:
    """The folders with the name of a split; of two for the same split, the one that contains photos."""
    chosen: dict[str, Path] = {}
    for split in ("train", "valid", "test"):
        paths = [path for path in top.folders if split_named(folder_name(path)) == split]
        full = [path for path in paths if walk(path).photos] if len(paths) > 1 else paths
        if len(full) > 1:
            raise DataError(
                "expected one {split} folder, found {folders}. Rename or move the others",
                split=split,
                folders=", ".join(map(str, full)),
            )
        if paths:
            chosen[split] = (full or paths)[0]
    return chosen


def _has_split_folders(root: Path, top: Listing, folders: dict[str, Path], others: list[Path]) -> bool:
    """Whether `folders`, which have the names of splits, are splits, so that `others` are ignored."""
    if "train" not in folders:
        return bool(folders) and not others and not top.photos
    beside = [path for path in others if not _is_kaggle(path)]
    if len(folders) > 1 or not beside:
        return True
    # A class of trains beside one of planes, or a split?
    is_class = _holds_unlabelled(root, folders["train"], known=set())
    return not (is_class and any(_holds_unlabelled(root, path, known=set()) for path in beside))


def _is_kaggle(folder: Path) -> bool:
    return _KAGGLE_TEST.fullmatch(folder_name(folder).casefold()) is not None


def _holds_unlabelled(root: Path, folder: Path, *, known: set[str]) -> bool:
    """Whether the folder itself contains photos, with fewer than two labels in their names, none known."""
    try:
        found = listing(folder)
    except OSError:
        return False
    if not found.photos:
        return False
    reading = _read(root, folder, found)
    labels = _classes(reading.photos)
    return len(labels) < 2 and not labels & known if reading.flat else not labels


def _read(root: Path, folder: Path, found: Listing | None = None) -> Labelled:
    return labelled(folder, found or _entries(folder), above=frozenset({folder_id(root), folder_id(folder)}))


def _read_classes(
    root: Path, top: Listing, folders: dict[str, Path]
) -> tuple[dict[str, Labelled], list[Message]]:
    """Read `root` as the training folder itself, perhaps with a labelled test folder inside."""
    valid, test = folders.get("valid"), folders.get("test")
    if valid is not None and not (found := _read(root, valid)).flat and found.photos:
        raise DataError(
            "expected {train} beside {valid}, found nothing. Move the folders of training classes into it",
            train=root / "train",
            valid=valid,
        )
    if len(top.folders) == 1 and "train" in _split_folders(_entries(top.folders[0])):
        raise DataError(
            "expected train or class folders in {folder}, found only {inner}, which contains train itself. "
            "Give that folder",
            folder=root,
            inner=top.folders[0],
        )
    kaggle = [path for path in top.folders if _is_kaggle(path) and not _read(root, path).photos]
    aside = {*kaggle, *([test] if test else [])}

    def without(left_out: set[Path]) -> Labelled:
        inside = tuple(path for path in top.folders if path not in left_out)
        rest = Listing(inside, top.photos, top.others)
        return labelled(root, rest, above=frozenset({folder_id(root)}))

    reading = without(aside)
    as_classes: list[Path] = []
    classes = _classes(reading.photos)
    if len(classes) < 2 and not reading.flat:
        more = {path for path in aside if _holds_unlabelled(root, path, known=classes)}
        if len(classes) + len(more) >= 2:
            aside -= more
            reading = without(aside)
            as_classes = sorted(more)
    as_classes += [folders["train"]] if "train" in folders else []
    remarks = [
        message(
            "The folder {folder} is used as a class, not as a split: it contains photos without labels.",
            folder=path,
        )
        for path in as_classes
    ]
    for path in kaggle:
        if path in aside:
            remarks.append(message("Ignored the folder {folder}: its photos have no labels.", folder=path))
    readings = {"train": reading} | ({"test": _read(root, test)} if test in aside else {})
    return readings, remarks


def _drop_foreign_test(root: Path, readings: dict[str, Labelled], folder: Path | None) -> Iterator[Message]:
    """Remove flat test photos whose first words are not all classes: those words are not labels."""
    test = readings.get("test")
    rest = [reading.photos for split, reading in readings.items() if split != "test"]
    if test and test.flat and rest and not _classes(test.photos) <= set().union(*map(_classes, rest)):
        del readings["test"]
        yield plural(
            "Ignored {count:,} photo in {folder}: its name does not begin with a class. If the folder is "
            "a class, move all class folders into {train}.",
            "Ignored {count:,} photos in {folder}: not all their names begin with a class. If the folder is "
            "a class, move all class folders into {train}.",
            len(test.photos),
            folder=folder,
            train=root / "train",
        )


def _missing_classes(splits: dict[str, tuple[Photo, ...]]) -> Iterator[Message]:
    """Sentences about classes that only training, or only another split, has."""
    counts = {split: Counter(photo.label or "" for photo in photos) for split, photos in splits.items()}
    trained = counts.pop("train", Counter())
    for split, there in counts.items() if trained else ():
        if lacking := {label: trained[label] for label in trained.keys() - there.keys()}:
            yield message(
                "Classes in train but not in {split}: {classes:,} (training photos: {photos}).",
                split=split,
                classes=len(lacking),
                photos=numbered(lacking),
            )
        if extra := {label: there[label] for label in there.keys() - trained.keys()}:
            yield message(
                "Classes in {split} but not in train: {classes:,} (photos in {split}: {photos}).",
                split=split,
                classes=len(extra),
                photos=numbered(extra),
            )


def _classes(photos: Sequence[Photo]) -> set[str]:
    return {photo.label for photo in photos if photo.label is not None}


def _nothing_found(root: Path) -> DataError:
    tree = walk(root)
    if tree.photos:
        return DataError(
            "expected photos as DATA/train/<class>/*, DATA/<class>/* or DATA/cat.0.jpg, found only photos "
            "without a label in {folder}: {photos:,}, such as {name}. Put the photos of each class into "
            "a folder of its own",
            folder=root,
            photos=len(tree.photos),
            name=tree.photos[0].name,
        )
    if tree.others:
        return DataError(
            "expected photos as DATA/train/<class>/*, DATA/<class>/* or DATA/cat.0.jpg, found only other "
            "files in {folder} ({kinds}). Check the path",
            folder=root,
            kinds=extensions(tree.others),
        )
    return DataError(
        "expected photos as DATA/train/<class>/*, DATA/<class>/* or DATA/cat.0.jpg, found no photos in "
        "{folder}. Check the path",
        folder=root,
    )
