"""A folder that photos are written into: names that fit, and whether what fails there fails for all of them.

What limits a name is bytes, and a letter may take four.
"""

import errno
import functools
import os
import unicodedata
from pathlib import Path

from catdog.errors import CatdogError, OptionError, PhotoError

_FOR_ALL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # the disk is full, or only to be read
_USUAL = 255  # bytes; on Windows it is UTF-16 units, of which no name has more than bytes
_LEAST = 64  # bytes: less is no limit of a file system that photos lie on
_LONGEST_SUFFIX = 16  # bytes: more behind a point is no suffix
_JOINER = "\u200d"  # of emoji


def ready(folder: Path, option: str) -> None:
    """Make the folder that the option names.

    Raises:
        OptionError: it cannot be made, or not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unusable(error, folder, option) from error


def failed(error: OSError, folder: Path, option: str) -> CatdogError:
    """What to raise where a file cannot be written: PhotoError, or OptionError where no file can."""
    if error.errno in _FOR_ALL:
        return _unusable(error, folder, option)
    return PhotoError(
        "the photo cannot be written into {folder}: {reason}", folder=folder, reason=error.strerror or error
    )


def numbered(name: str, number: int, longest: int) -> str:
    """The name of the first file of that name, `cat.jpg`, of the second, `cat-2.jpg`, and so on.

    One that has too many bytes is shortened before the number and the suffix, between two letters.

    Args:
        longest: bytes that it may have.
    """
    stem, suffix = os.path.splitext(name)
    if len(os.fsencode(suffix)) > _LONGEST_SUFFIX:
        stem, suffix = name, ""
    end = suffix if number == 1 else f"-{number}{suffix}"
    return shortened(stem, longest - len(os.fsencode(end))) + end


def shortened(text: str, longest: int) -> str:
    """As many of its first letters as have at most `longest` bytes, each with its accents."""
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
    except (AttributeError, OSError, ValueError):  # Windows, or a file system that does not say
        return _USUAL
    return min(found, _USUAL) if found >= _LEAST else _USUAL  # some say 1,530, and mean 255 letters


def _unusable(error: OSError, folder: Path, option: str) -> OptionError:
    return OptionError(
        "expected to write photos into {folder}: {reason}. Give {option} a folder that can be written.",
        folder=folder,
        reason=error.strerror or error,
        option=option,
    )


def _belongs_to_the_last(before: str, letter: str) -> bool:
    """Whether it is no letter of its own: an accent, a vowel or final of Hangul as macOS writes it."""
    medial_or_final = "\u1160" <= letter <= "\u11ff"
    return medial_or_final or _JOINER in (before, letter) or unicodedata.category(letter).startswith("M")
