"""Finding photo files below a folder, without hidden files, clutter and endless links.

An archive is a folder, also in an archive that has no photos beside it. In a folder on disk it is a file.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from catdog import archives
from catdog.data.kinds import is_photo

_CLUTTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})  # lower case; what starts with a dot is hidden

FolderId = tuple[int, int, str]  # device, inode, path in an archive: the same folder, by whatever path


@dataclass(frozen=True)
class Listing:
    """What a folder directly contains, sorted by name, without clutter and hidden files."""

    folders: tuple[Path, ...]
    photos: tuple[Path, ...]
    others: tuple[Path, ...]  # files that are not photos by name or content


@dataclass(frozen=True)
class Tree:
    """What a folder and all folders below it contain, sorted by path."""

    photos: tuple[Path, ...]
    others: tuple[Path, ...]
    closed: tuple[Path, ...]  # folders that cannot be listed


def folder_id(folder: Path) -> FolderId:
    """The folder's identity, links followed. Raises OSError."""
    inside = ""
    try:
        found = os.stat(folder)
    except NotADirectoryError:
        file, inside = archives.on_disk(folder)
        found = os.stat(file)
    return found.st_dev, found.st_ino, inside


def listing(folder: Path) -> Listing:
    """List one folder.

    A photo by name or first bytes need not be readable: it may be a broken link. Of an archive that contains
    a single folder, as most do, this is the listing of that folder.

    Raises:
        OSError: the folder is missing, is not a folder, or cannot be listed.
        DataError: it is an archive that is damaged or refused.
    """
    entries, is_on_disk = _entries(folder)
    folders: list[Path] = []
    photos: list[Path] = []
    others: list[Path] = []
    for entry in sorted(entries, key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name.lower() in _CLUTTER:
            continue
        path = folder / entry.name
        if _holds(entry.is_dir):
            folders.append(path)
        elif is_photo(path, is_plain=_holds(entry.is_file)):
            photos.append(path)
        else:
            others.append(path)
    if len(folders) == 1 and not photos and not is_on_disk and archives.archive_name(folder.name):
        return listing(folders[0])
    return Listing(tuple(folders), tuple(photos), tuple(others))


def _entries(folder: Path) -> tuple[Sequence[os.DirEntry[str] | archives.Entry], bool]:
    """What a folder contains, and whether it is on disk."""
    try:
        with os.scandir(folder) as entries:
            return list(entries), True
    except NotADirectoryError:
        return archives.entries(folder), False


def _holds(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # a link to itself
        return False


def walk(folder: Path, *, above: frozenset[FolderId] = frozenset()) -> Tree:
    """All photos below `folder`, in nested folders too. Links to folders are followed.

    Each real folder is entered once, and those in `above` never, so links cannot lead in circles.
    """
    entered = set(above)
    photos: list[Path] = []
    others: list[Path] = []
    closed: list[Path] = []
    waiting = [folder]  # not recursion: folders may be nested deeper than Python's stack
    while waiting:
        current = waiting.pop()
        try:
            if (identity := folder_id(current)) in entered:
                continue
            entered.add(identity)
            found = listing(current)
        except OSError:
            closed.append(current)
            continue
        photos += found.photos
        others += found.others
        waiting += reversed(found.folders)
    return Tree(tuple(sorted(photos)), tuple(sorted(others)), tuple(sorted(closed)))
