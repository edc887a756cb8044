"""A folder that photos are written into, under names that are free and that the file system allows.

The limit of a name is in bytes, and a letter may take four.
"""

import errno
import functools
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

from catdog.errors import OptionError, PhotoError
from catdog.inference.free_names import Newcomer, Numbering
from catdog.text import reason

_FOR_ALL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # the disk is full or read-only
_USUAL = 255  # bytes; on Windows UTF-16 units, of which no name has more than bytes
_LEAST = 64  # bytes: a file system that reports less does not report a limit
_LONGEST_SUFFIX = 16  # bytes: what is longer is no suffix
_JOINER = "\u200d"  # between emoji that are drawn as one


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
