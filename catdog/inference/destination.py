"""A folder that photos are written into, under names that are free and that the file system allows.

Free names are `cat.jpg`, `cat-2.jpg`, ...: where the same file is there already, it is not written again. The
limit of a name is in bytes, and a letter may take four.
"""

import errno
import functools
import hashlib
import os
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from catdog.data.files import open_regular, size_at
from catdog.errors import OptionError, PhotoError
from catdog.text import reason

_FOR_ALL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # the disk is full or read-only
_USUAL = 255  # bytes; on Windows UTF-16 units, of which no name has more than bytes
_LEAST = 64  # bytes: a file system that reports less does not report a limit
_LONGEST_SUFFIX = 16  # bytes: what is longer is no suffix
_JOINER = "\u200d"  # between emoji that are drawn as one


@dataclass(frozen=True)
class Newcomer:
    """A file that needs a name."""

    original: Path | None  # a link to it is the same; None where no link is
    content: Path | bytes | None  # a file with these bytes, or those of this file, is the same; or None

    @functools.cached_property
    def real_path(self) -> str | None:
        """What a link that is the same points to."""
        return None if self.original is None else os.path.realpath(self.original)

    @functools.cached_property
    def size(self) -> int | None:
        """Bytes of a file that is the same."""
        if isinstance(self.content, Path):
            return size_at(self.content)
        return None if self.content is None else len(self.content)

    @functools.cached_property
    def digest(self) -> bytes:
        """SHA-256 of the content."""
        return _digest(self.content or b"")


class Destination:
    """Writes photos into a folder, made for the first. Nothing is overwritten, and nothing is written twice.

    For errors, `option` of the command line names the folder.
    """

    def __init__(self, folder: Path, option: str):
        self.folder = folder
        self.written = self.present = 0  # photos that were written, and that were there already
        self._option = option
        self._numbering = Numbering()

    def put(self, name: str, newcomer: Newcomer, write: Callable[[Path], object], *, below: str = "") -> bool:
        """Write a file under its name, or under the next free one, such as `cat-2.jpg`; False if it is there.

        Where the same file is there already, it stays: a command can be repeated.

        Args:
            write: writes the newcomer to the path that it is given.
            below: a folder inside `folder`.

        Raises:
            PhotoError: this photo cannot be written.
            OptionError: no photo can be written into the folder.
        """
        place, is_usable = self.folder, False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not os.access(self.folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            is_usable, longest = True, longest_name(self.folder)
            place = self.folder / shortened(below, longest)
            place.mkdir(exist_ok=True)
            target = self._numbering.free(lambda number: place / numbered(name, number, longest), newcomer)
            if target is not None:
                write(target)
        except OSError as error:
            if is_usable and error.errno not in _FOR_ALL:
                raise PhotoError(
                    "the photo cannot be written into {folder}: {reason}", folder=place, reason=reason(error)
                ) from error
            raise OptionError(
                "expected to write photos into {folder}: {reason}. Give {option} a folder that can be "
                "written.",
                folder=place,
                reason=error,
                option=self._option,
            ) from error
        self.written += target is not None
        self.present += target is None
        return target is not None


def numbered(name: str, number: int, longest: int) -> str:
    """The name of the first file of that name, `cat.jpg`, of the second, `cat-2.jpg`, and so on.

    A name of more than `longest` bytes is shortened before the number and the suffix, between two letters.
    """
    stem, suffix = os.path.splitext(name)
    if len(os.fsencode(suffix)) > _LONGEST_SUFFIX:
        stem, suffix = name, ""
    end = suffix if number == 1 else f"-{number}{suffix}"
    return shortened(stem, longest - len(os.fsencode(end))) + end


def shortened(text: str, longest: int) -> str:
    """As many of the first letters as fit into `longest` bytes, each with its accents."""
    if len(os.fsencode(text)) <= longest:
        return text
    end = size = 0
    while (size := size + len(os.fsencode(text[end]))) <= longest:
        end += 1
    while end > 0 and _belongs_to_the_last(text[end - 1], text[end]):
        end -= 1
    return text[:end]


@functools.cache
def longest_name(folder: Path) -> int:
    """Bytes that the name of a file in `folder`, which exists, may have."""
    try:
        found = os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows, or a file system that does not report it
        return _USUAL
    return min(found, _USUAL) if found >= _LEAST else _USUAL  # some report 1,530 for 255 letters


def _belongs_to_the_last(before: str, letter: str) -> bool:
    """Whether `letter` is a part of the one before: an accent, or a vowel or final consonant of Hangul."""
    medial_or_final = "\u1160" <= letter <= "\u11ff"
    return medial_or_final or _JOINER in (before, letter) or unicodedata.category(letter).startswith("M")


class Numbering:
    """Finds free names. It remembers the files that it has looked at: use the same one for a whole command.

    The work for n files that need one name then grows with n, not with its square, also where an earlier
    command has left such files: each is looked at once, and read once if a newcomer has its size.
    """

    def __init__(self) -> None:
        # By the path without a number; only for names that more than one file needs.
        self._taken: dict[Path, _Taken] = {}

    def free(self, named: Callable[[int], Path], newcomer: Newcomer) -> Path | None:
        """The first free path of `cat.jpg`, `cat-2.jpg`, ...; None where a file before it is the same.

        The caller writes the file before it asks again.

        Args:
            named: gives the path for each number from 1. The path for 1 determines the others.

        Raises:
            OSError: a file that is there, or the newcomer, cannot be read.
        """
        path = named(1)
        if not os.path.lexists(path):
            self._taken.pop(path, None)
            return path
        taken = self._taken.get(path) or _Taken(path)
        while not taken.has(newcomer):
            self._taken[path] = taken
            candidate = named(taken.count + 1)
            if not os.path.lexists(candidate):
                return candidate
            taken.add(candidate)
        return None


class _Taken:
    """The files that have a name: without a number, which is `path`, and with the numbers up to `count`."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._links: set[str] = set()  # real paths that they point to
        self._unread: dict[int, list[Path]] = defaultdict(list)  # by size
        self._digests: dict[int, set[bytes]] = defaultdict(set)  # by size
        self.add(path)

    def add(self, path: Path) -> None:
        """Look at the file with the next number."""
        self.count += 1
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            self._links.add(os.path.realpath(path))
        elif stat.S_ISREG(found.st_mode):
            self._unread[found.st_size].append(path)

    def has(self, newcomer: Newcomer) -> bool:
        """Whether one of the files is the same."""
        if self._links and newcomer.real_path in self._links:
            return True
        size = newcomer.size
        if size is None or not (size in self._unread or size in self._digests):
            return False
        self._digests[size].update(map(_digest, self._unread.pop(size, ())))
        return newcomer.digest in self._digests[size]


def _digest(content: Path | bytes) -> bytes:
    with open_regular(content) if isinstance(content, Path) else BytesIO(content) as file:
        return hashlib.file_digest(file, "sha256").digest()
