"""Archives are folders of photos: `photos.zip/cats/1.jpg` is a path like any other. Nothing is unpacked.

An archive in an archive is a folder too. A path leads into an archive where the system says that a part of it
is a file.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BufferedReader
from pathlib import Path

from catdog.archives.archive import Archive, Entry
from catdog.archives.formats import read_archive
from catdog.archives.parquet import Table
from catdog.archives.sources import File, Reader, buffered
from catdog.archives.suffixes import archive_name
from catdog.errors import DataError, PhotoError

_DEEPEST = 3  # archives in each other: a zip file may contain itself

__all__ = ["Archive", "Entry", "Reader", "entries", "is_folder", "is_member", "labels_in", "names_in"]
__all__ += ["on_disk", "opened"]


def on_disk(path: str | Path) -> tuple[str, str]:
    """The part of a path that is there on disk, perhaps nothing, and the rest, with / between names."""
    name = file = os.fspath(path)
    while file and not os.path.lexists(file) and file != os.path.dirname(file):
        file = os.path.dirname(file)
    return file, name[len(file) :].replace(os.sep, "/").strip("/")


def is_folder(path: str | Path) -> bool:
    """Whether it is a folder, an archive, or a folder in an archive.

    Raises:
        DataError: an archive is damaged or refused.
    """
    if os.path.isdir(path):
        return True
    try:
        return entries(path) is not None
    except (OSError, ValueError):
        return False


def is_member(path: str | Path) -> bool:
    """Whether it is a file in an archive.

    Raises:
        DataError: an archive is damaged or refused.
    """
    try:
        archive, inside, _ = _find(path, as_folder=False)
    except (OSError, ValueError):
        return False
    return archive.member(inside) is not None


def entries(folder: str | Path) -> list[Entry]:
    """What an archive contains, or a folder in it.

    Raises:
        NotADirectoryError: it is a file.
        OSError: it is not there, or cannot be read.
        DataError: an archive is damaged or refused.
    """
    archive, inside, _ = _find(folder, as_folder=True)
    if (found := archive.entries(inside)) is not None:
        return found
    code = errno.ENOTDIR if archive.member(inside) else errno.ENOENT
    raise OSError(code, os.strerror(code), os.fspath(folder))


def names_in(path: str | Path) -> list[str]:
    """The paths of all files in an archive, but not of those in archives inside; see `entries` for errors."""
    return list(_find(path, as_folder=True)[0].names())


def labels_in(path: Path) -> Iterator[tuple[Path, str | None]]:
    """The photos of a parquet file and their classes; errors are those of `entries`."""
    archive, _, _ = _find(path, as_folder=True)
    assert isinstance(archive, Table)
    return ((path / name, label) for name, label in archive.labels())


def opened(path: str | Path) -> BufferedReader:
    """Open a file in an archive; `raw` of it is a `Reader`.

    Raises:
        OSError: it is not there, is a folder, or cannot be read.
        DataError: an archive is damaged or refused.
        PhotoError: the file is damaged, or a bomb.
    """
    archive, inside, below = _find(path, as_folder=False)
    if archive.member(inside) is None:
        code = errno.EISDIR if archive.entries(inside) is not None else errno.ENOENT
        raise OSError(code, os.strerror(code), os.fspath(path))
    source, crc = archive.source(inside)
    return buffered(source, below, crc)


def _find(path: str | Path, *, as_folder: bool) -> tuple[Archive | Table, str, str]:
    """The innermost archive that a path leads into, the rest of the path in it, and that in the outermost."""
    name = os.fspath(path)
    file, inside = on_disk(name)
    found = os.stat(file)
    # Opening a pipe without a writer would wait for ever.
    if archive_name(file) is None or not stat.S_ISREG(found.st_mode) or not (inside or as_folder):
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    archive = _outer(file, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns))
    parts, start = inside.split("/") if inside else [], 0
    for end in range(1, len(parts) + as_folder):
        inner = "/".join(parts[start:end])
        if archive_name(parts[end - 1]) is not None and archive.member(inner):
            archive, start = _inner(archive, inner), end
    return archive, "/".join(parts[start:]), inside


@lru_cache(16)
def _outer(file: str, status: tuple[int, ...]) -> Archive | Table:
    with _naming(file):
        return read_archive(file, File(file))


@lru_cache(16)
def _inner(outer: Archive | Table, name: str) -> Archive | Table:
    shown = f"{outer.name}/{name}"
    with _naming(shown):
        if outer.depth >= _DEEPEST:
            raise PhotoError("archives are nested too deeply")
        archive = read_archive(shown, outer.source(name)[0])
    archive.depth = outer.depth + 1
    return archive


@contextmanager
def _naming(archive: str) -> Iterator[None]:
    try:
        yield
    except PhotoError as error:
        raise DataError("the archive {file} cannot be read: {reason}", file=archive, reason=error) from error
