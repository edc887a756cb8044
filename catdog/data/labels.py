"""The labels of the photos in one folder: from its subfolders' names, or from the photos' own."""

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from catdog.archives import is_member
from catdog.archives.suffixes import archive_name
from catdog.data.walk import FolderId, Listing, Tree, walk
from catdog.text import Message, extensions, first_few, message, plural, relative_path

_WORD_END = re.compile(r"[._\-\s\d]")


@dataclass(frozen=True)
class Photo:
    """A photo by name or first bytes; whether it is readable shows later."""

    path: Path  # as found below the root, the root included
    label: str | None  # class name; None where unlabelled


@dataclass(frozen=True)
class Labelled:
    """The labelled photos of one folder, and sentences about what was ignored."""

    photos: tuple[Photo, ...]  # sorted by path
    flat: bool  # the labels are in the photos' names
    remarks: tuple[Message, ...]


def class_name(path: Path) -> str:
    """The last part of `path` as text in Unicode NFC, with bytes that are not UTF-8 replaced."""
    printable = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return unicodedata.normalize("NFC", printable)


def folder_name(path: Path) -> str:
    """The name of a folder, as in `class_name`; of an archive without its suffix."""
    name = class_name(path)
    inner = archive_name(name)
    if inner is None or not (os.path.isfile(path) or is_member(path)):
        return name
    return inner


def first_word(photo: Path) -> str | None:
    """The label in a photo's name: the part before the first dot, underscore, dash, space or digit.

    Case-folded, Unicode NFC. None if this part has no letter, as in `1.jpg`.
    """
    word = _WORD_END.split(class_name(photo), maxsplit=1)[0].casefold()
    return word if any(character.isalpha() for character in word) else None


def labelled(folder: Path, found: Listing, *, above: frozenset[FolderId]) -> Labelled:
    """Label the photos below `folder`, whose own entries are `found`.

    Folders in `above` are not entered. Subfolders are the classes. The labels are in the photos' names
    instead if fewer than two subfolders contain photos, and more photos with a label in their name lie beside
    them.
    """
    trees = {subfolder: walk(subfolder, above=above) for subfolder in found.folders}
    full = [subfolder for subfolder, tree in trees.items() if tree.photos]
    named = tuple(Photo(path, first_word(path)) for path in found.photos)
    carrying = tuple(photo for photo in named if photo.label is not None)
    if len(full) < 2 and len(carrying) > sum(len(trees[subfolder].photos) for subfolder in full):
        remarks = _flat_remarks(folder, full, len(named) - len(carrying), found.others)
        return Labelled(carrying, True, tuple(remarks))
    photos = [Photo(path, folder_name(sub)) for sub in full for path in trees[sub].photos]
    remarks = _class_remarks(folder, trees, beside=len(named) if full else 0)
    return Labelled(tuple(sorted(photos, key=lambda photo: photo.path)), False, tuple(remarks))


def _flat_remarks(
    folder: Path, ignored: Sequence[Path], without: int, others: Sequence[Path]
) -> Iterator[Message]:
    for sub in ignored:
        yield message(
            "Ignored the folder {folder}: the labels are in the names of the photos beside it.", folder=sub
        )
    if without:
        yield plural(
            "Ignored {count:,} photo in {folder}: its name does not begin with a label.",
            "Ignored {count:,} photos in {folder}: their names do not begin with a label.",
            without,
            folder=folder,
        )
    yield from _not_photos(folder, others)


def _class_remarks(folder: Path, trees: dict[Path, Tree], *, beside: int) -> Iterator[Message]:
    empty = [sub for sub, tree in trees.items() if not tree.photos and sub not in tree.closed]
    if empty:
        yield plural(
            "The folder {folder} contains no photos.",
            "{count:,} folders contain no photos ({names}).",
            len(empty),
            folder=empty[0],
            names=_names(empty, folder),
        )
    if closed := [path for tree in trees.values() for path in tree.closed]:
        yield plural(
            "Ignored the folder {folder}: it cannot be listed.",
            "Ignored {count:,} folders that cannot be listed ({names}).",
            len(closed),
            folder=closed[0],
            names=_names(closed, folder),
        )
    yield from _not_photos(folder, [path for tree in trees.values() for path in tree.others])
    if beside:
        yield plural(
            "Ignored {count:,} photo beside the class folders in {folder}.",
            "Ignored {count:,} photos beside the class folders in {folder}.",
            beside,
            folder=folder,
        )


def _names(folders: Sequence[Path], root: Path) -> str:
    """The first ten folders below `root`, with its name."""
    return first_few([relative_path(path, root.parent) for path in folders], 10)


def _not_photos(folder: Path, files: Sequence[Path]) -> Iterator[Message]:
    if files:
        yield plural(
            "Ignored {count:,} file in {folder}: not a photo by name or content ({kinds}).",
            "Ignored {count:,} files in {folder}: not photos by name or content ({kinds}).",
            len(files),
            folder=folder,
            kinds=extensions(files),
        )
