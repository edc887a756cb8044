"""How a folder of photos is laid out: which photo has which label and belongs to which split.

Of a file whose name is no photo's, the first bytes are looked at; nothing else is opened.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catdog.data.labels import Labelled, Photo, labelled
from catdog.data.walk import Listing, folder_id, listing, walk
from catdog.errors import DataError
from catdog.text import Message, extensions, message, numbered, plural

__all__ = ["DataSet", "Layout", "Photo", "scan"]

Layout = Literal["split folders", "class folders", "flat names"]

SPLITS = ("train", "valid", "test", "all")

_SPLIT_NAMES = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}
_KAGGLE_TEST = re.compile(r"test\d+")  # Kaggle's test1 is a folder of photos without labels
_EXPECTED = "expected photos as DATA/train/<class>/*, DATA/<class>/* or DATA/cat.0.jpg"


@dataclass(frozen=True)
class DataSet:
    """The labelled photos of a folder."""

    root: Path
    layout: Layout
    classes: tuple[str, ...]  # sorted by name; union over splits
    # Keys among "train", "valid" and "test"; or "all", yet to be split, and "test". None is empty.
    splits: dict[str, tuple[Photo, ...]]
    remarks: tuple[Message, ...]  # one sentence each: what was ignored, which class a split lacks


def scan(root: Path) -> DataSet:
    """Find the photos below `root`, their labels and their splits.

    Looks for `root/train/<class>/**` with `valid` (or `val`, `validation`) and `test` beside it,
    for `root/<class>/**`, and for labels in the photos' own names, `cat.0.jpg`, in `root` or in its
    split folders. Where there is no validation split, the photos to train on come as "all", for the
    caller to split. Hidden files, system clutter and test folders without labels are no photos and
    no classes. A folder whose name is that of a split may be a class: one that holds photos itself is, where
    there would be fewer than two classes otherwise.

    Raises:
        DataError: the folder is missing, is a file, cannot be listed, holds no photo, holds no
            label, or leaves open which folder is meant.
    """
    top = _entries(root)
    folders = _split_folders(top)
    others = [path for path in top.folders if path not in folders.values()]
    if _has_split_folders(root, top, folders, others):
        readings = {split: _read(root, folder) for split, folder in folders.items()}
        remarks = [message("Ignored the folder {path}: it is no split.", path=path) for path in others]
        if top.photos:
            remarks.append(
                message(
                    "Ignored {count} beside the split folders.",
                    count=plural("{count:,} photo", "{count:,} photos", len(top.photos)),
                )
            )
        split_layout: Layout = "split folders"
    else:
        readings, remarks = _read_classes(root, top, folders)
        split_layout = "class folders"
    for split, reading in readings.items():
        remarks += reading.remarks
        if not reading.photos and split in folders:
            remarks.append(
                message(
                    "Ignored the folder {folders}: it holds no photo with a label.", folders=folders[split]
                )
            )
    readings = {split: reading for split, reading in readings.items() if reading.photos}
    if not readings:
        raise _nothing_found(root)
    remarks += _drop_foreign_test(root, readings, folders.get("test"))
    is_flat = next(iter(readings.values())).flat
    splits = {split: reading.photos for split, reading in readings.items()}
    remarks += _uneven_classes(splits)
    if "train" in splits and "valid" not in splits:
        splits = {"all": splits.pop("train"), **splits}
    return DataSet(
        root=root,
        layout="flat names" if is_flat else split_layout,
        classes=tuple(sorted(set().union(*map(_classes, splits.values())))),
        splits=splits,
        remarks=tuple(remarks),
    )


def _entries(folder: Path) -> Listing:
    try:
        return listing(folder)
    except FileNotFoundError:
        raise DataError(
            "expected a folder of photos, found nothing at {folder}: check the path", folder=folder
        ) from None
    except NotADirectoryError:
        raise DataError(
            "expected a folder of photos, found a file: {folder}. Give the folder that holds it",
            folder=folder,
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        said = error.strerror if isinstance(error, OSError) else error
        raise DataError(
            "expected a folder of photos at {folder}, but it cannot be listed ({said}): check its "
            "permissions",
            folder=folder,
            said=said,
        ) from error


def _split_folders(top: Listing) -> dict[str, Path]:
    """The folders that are splits by their names; of two for one split, the one with photos."""
    candidates: dict[str, list[Path]] = {"train": [], "valid": [], "test": []}
    for path in top.folders:
        split = _SPLIT_NAMES.get(path.name.casefold())
        if split is not None:
            candidates[split].append(path)
    chosen: dict[str, Path] = {}
    for split, paths in candidates.items():
        full = [path for path in paths if walk(path).photos] if len(paths) > 1 else paths
        if len(full) > 1:
            raise DataError(
                "expected one {split} folder, found {map}: rename or move all but one",
                split=split,
                map=" and ".join(map(str, full)),
            )
        if paths:
            chosen[split] = (full or paths)[0]
    return chosen


def _has_split_folders(root: Path, top: Listing, folders: dict[str, Path], others: list[Path]) -> bool:
    """Whether `folders`, which have the names of splits, are splits, and `others` are none."""
    if "train" not in folders:
        return bool(folders) and not others and not top.photos
    beside = [path for path in others if not _KAGGLE_TEST.fullmatch(path.name.casefold())]
    if len(folders) > 1 or not beside:
        return True
    # Toy trains beside planes, or a split?
    is_class = _holds_unlabelled(root, folders["train"], known=set())
    return not (is_class and any(_holds_unlabelled(root, path, known=set()) for path in beside))


def _holds_unlabelled(root: Path, folder: Path, *, known: set[str]) -> bool:
    """Whether photos lie in the folder itself without labels: no two in their names, no known one."""
    try:
        found = listing(folder)
    except OSError:
        return False
    if not found.photos:
        return False
    reading = labelled(folder, found, above=frozenset({folder_id(root), folder_id(folder)}))
    labels = _classes(reading.photos)
    return len(labels) < 2 and not labels & known if reading.flat else not labels


def _read(root: Path, folder: Path) -> Labelled:
    found = _entries(folder)
    return labelled(folder, found, above=frozenset({folder_id(root), folder_id(folder)}))


def _read_classes(
    root: Path, top: Listing, folders: dict[str, Path]
) -> tuple[dict[str, Labelled], list[Message]]:
    """Read `root` as the training folder itself, perhaps with a labelled test folder inside."""
    valid = folders.get("valid")
    if valid is not None and not (found := _read(root, valid)).flat and found.photos:
        raise DataError(
            "expected {root} beside {valid}, found none: move the folders of the classes to train on into it",
            root=root / "train",
            valid=valid,
        )
    if len(top.folders) == 1 and "train" in _split_folders(_entries(top.folders[0])):
        raise DataError(
            "expected train or class folders in {root}, found only {folders}, which holds train itself: "
            "give that one",
            root=root,
            folders=top.folders[0],
        )
    kaggle = [
        path
        for path in top.folders
        if _KAGGLE_TEST.fullmatch(path.name.casefold()) and not _read(root, path).photos
    ]
    aside = {*kaggle, *(path for split, path in folders.items() if split == "test")}

    def without(left_out: set[Path]) -> Labelled:
        inside = tuple(path for path in top.folders if path not in left_out)
        rest = Listing(inside, top.photos, top.others)
        return labelled(root, rest, above=frozenset({folder_id(root)}))

    reading = without(aside)
    remarks: list[Message] = []
    classes = _classes(reading.photos)
    if len(classes) < 2 and not reading.flat:
        more = {path for path in aside if _holds_unlabelled(root, path, known=classes)}
        if len(classes) + len(more) >= 2:
            aside -= more
            reading = without(aside)
            remarks += [_taken_for_class(path) for path in sorted(more)]
    if "train" in folders:
        remarks.append(_taken_for_class(folders["train"]))
    readings = {"train": reading}
    if "test" in folders and folders["test"] in aside:
        readings["test"] = _read(root, folders["test"])
    remarks += [
        message("Ignored the folder {path}: its photos carry no label.", path=path)
        for path in kaggle
        if path in aside
    ]
    return readings, remarks


def _taken_for_class(folder: Path) -> Message:
    return message(
        "The folder {folder} is taken for a class, not for a split: its photos lie in it without labels.",
        folder=folder,
    )


def _drop_foreign_test(root: Path, readings: dict[str, Labelled], folder: Path | None) -> list[Message]:
    """Take out flat test photos whose first words are no classes: those words are no labels."""
    test = readings.get("test")
    rest = [reading.photos for split, reading in readings.items() if split != "test"]
    if test is None or not test.flat or not rest:
        return []
    if _classes(test.photos) <= set().union(*map(_classes, rest)):
        return []
    del readings["test"]
    return [
        message(
            "Ignored {count} in {folder}: their names carry no known class. If the folder is a class, "
            "move all class folders into {root}.",
            count=plural("{count:,} photo", "{count:,} photos", len(test.photos)),
            folder=folder,
            root=root / "train",
        )
    ]


def _uneven_classes(splits: dict[str, tuple[Photo, ...]]) -> list[Message]:
    remarks: list[Message] = []
    trained = Counter(photo.label or "" for photo in splits.get("train", ()))
    for split, word in (("valid", "validation"), ("test", "test")):
        if trained and split in splits:
            there = Counter(photo.label or "" for photo in splits[split])
            lacking, extra = sorted(trained.keys() - there.keys()), sorted(there.keys() - trained.keys())
            if len(lacking) == 1:
                has = plural("{count:,} photo", "{count:,} photos", trained[lacking[0]])
                remarks.append(
                    message(
                        "The class {lacking!r} has {has} to train on, but no {word} photo.",
                        lacking=lacking[0],
                        has=has,
                        word=word,
                    )
                )
            elif lacking:
                remarks.append(
                    message(
                        "{count} classes have photos to train on, but no {word} photo ({numbered}).",
                        count=len(lacking),
                        word=word,
                        numbered=numbered({label: trained[label] for label in lacking}),
                    )
                )
            if len(extra) == 1:
                has = plural("{count:,} photo", "{count:,} photos", there[extra[0]])
                remarks.append(
                    message(
                        "The class {extra!r} has {has} in {split}, but no photo to train on.",
                        extra=extra[0],
                        has=has,
                        split=split,
                    )
                )
            elif extra:
                remarks.append(
                    message(
                        "{count} classes have {word} photos, but no photo to train on ({numbered}).",
                        count=len(extra),
                        word=word,
                        numbered=numbered({label: there[label] for label in extra}),
                    )
                )
    return remarks


def _classes(photos: Sequence[Photo]) -> set[str]:
    return {photo.label for photo in photos if photo.label is not None}


def _nothing_found(root: Path) -> DataError:
    tree = walk(root)
    if tree.photos:
        return DataError(
            "{expected}, found {count} in {root} without a label, such as {name}: put the photos of each "
            "class into a folder of its own",
            expected=_EXPECTED,
            count=plural("{count:,} photo", "{count:,} photos", len(tree.photos)),
            root=root,
            name=tree.photos[0].name,
        )
    found = message("no photo")
    if tree.others:
        found = message("no photo ({kinds})", kinds=extensions(tree.others))
    return DataError(
        "{expected}, found {found} in {root}: check the path", expected=_EXPECTED, found=found, root=root
    )
