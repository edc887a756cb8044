"""The labels of the photos in one folder: from its subfolders' names, or from the photos' own."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from catdog.data.walk import FolderId, Listing, Tree, walk
from catdog.text import Message, message, not_photos, plural

_WORD_END = re.compile(r"[._\-\s\d]")


@dataclass(frozen=True)
class Photo:
    """A file that looks like a photo; whether it can be read shows when it is."""

    path: Path  # as found below the root, the root included
    label: str | None  # class name; None where unlabelled


@dataclass(frozen=True)
class Labelled:
    """The labelled photos of one folder, and what was left out."""

    photos: tuple[Photo, ...]  # sorted by path
    flat: bool  # the labels are in the photos' names
    remarks: tuple[Message, ...]  # one sentence each


def class_name(path: Path) -> str:
    """The last part of `path` as text that compares as it looks: NFC, stray bytes replaced."""
    printable = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return unicodedata.normalize("NFC", printable)


def first_word(photo: Path) -> str | None:
    """The label in a photo's name: what precedes the first dot, underscore, dash, space or digit.

    Case-folded, Unicode NFC. None where that has no letter, as in `1.jpg`.
    """
    word = _WORD_END.split(class_name(photo), maxsplit=1)[0].casefold()
    return word if any(character.isalpha() for character in word) else None


def labelled(folder: Path, found: Listing, *, above: frozenset[FolderId]) -> Labelled:
    """Label the photos below `folder`, whose own entries are `found`.

    Folders in `above` are not entered. Subfolders are the classes. The photos' names count instead
    where no two subfolders hold photos and more photos with a label in their names lie beside them.
    """
    trees = {subfolder: walk(subfolder, above=above) for subfolder in found.folders}
    full = [subfolder for subfolder, tree in trees.items() if tree.photos]
    named = tuple(Photo(path, first_word(path)) for path in found.photos)
    carrying = tuple(photo for photo in named if photo.label is not None)
    if len(full) < 2 and len(carrying) > sum(len(trees[subfolder].photos) for subfolder in full):
        remarks = [
            message("Ignored the folder {sub}: the photos beside it carry the labels.", sub=sub)
            for sub in full
        ]
        if len(carrying) < len(named):
            unlabelled = plural("{count:,} photo", "{count:,} photos", len(named) - len(carrying))
            remarks.append(
                message(
                    "Ignored {unlabelled} in {folder}: the name begins with no label.",
                    unlabelled=unlabelled,
                    folder=folder,
                )
            )
        return Labelled(carrying, True, (*remarks, *not_photos(folder, list(found.others))))
    photos = [Photo(path, class_name(sub)) for sub in full for path in trees[sub].photos]
    remarks = _class_remarks(folder, trees)
    if full and named:
        remarks.append(
            message(
                "Ignored {count} beside the class folders in {folder}.",
                count=plural("{count:,} photo", "{count:,} photos", len(named)),
                folder=folder,
            )
        )
    return Labelled(tuple(sorted(photos, key=lambda photo: photo.path)), False, tuple(remarks))


def _class_remarks(folder: Path, trees: dict[Path, Tree]) -> list[Message]:
    remarks = [
        message("The folder {sub} holds no photo.", sub=sub)
        for sub, tree in trees.items()
        if not tree.photos and sub not in tree.closed
    ]
    for tree in trees.values():
        remarks += [
            message("Ignored the folder {path}: it cannot be listed.", path=path) for path in tree.closed
        ]
    return remarks + not_photos(folder, [path for tree in trees.values() for path in tree.others])
