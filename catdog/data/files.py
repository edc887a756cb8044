"""Opening a user's file, or one in an archive, for reading; pipes and folders are refused and never block."""

import os
import stat
from io import BufferedReader
from pathlib import Path

from catdog import archives
from catdog.errors import DataError, PhotoError
from catdog.text import Message, message, reason

# Limits the memory that a file takes and the time to hash it. Decoded photos have at most two thirds of it.
MAX_FILE_BYTES = 2**30


def open_regular(path: Path) -> BufferedReader:
    """Open a plain, non-empty file read-only. The caller closes it.

    Links are followed. The kind of file is checked before it is opened: opening a pipe without a writer would
    wait for ever. Of a file in an archive, `raw` is an `archives.Reader`.

    Raises:
        PhotoError: missing, a dangling link, a folder, a pipe or device, empty, more than MAX_FILE_BYTES, or
            not readable.
    """
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise PhotoError("a folder, not a file")
        if not stat.S_ISREG(found.st_mode):
            raise PhotoError("a pipe, socket or device, not a plain file")
        _check_size(found.st_size)
        return open(path, "rb")
    except NotADirectoryError:  # the path leads into a file
        return _open_member(path)
    except FileNotFoundError:
        if os.path.islink(path):
            raise PhotoError("a link to a file that does not exist") from None
        raise PhotoError("the file does not exist") from None
    except PermissionError:
        raise PhotoError("permission to read the file is denied") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise PhotoError(system_reason(error)) from error


def size_of(file: BufferedReader) -> int:
    """The bytes of a file that `open_regular` has opened."""
    return file.raw.size if isinstance(file.raw, archives.Reader) else os.fstat(file.fileno()).st_size


def size_at(path: Path) -> int:
    """The bytes of the file at `path`, which may be in an archive.

    Raises:
        OSError, PhotoError: see `open_regular`.
    """
    try:
        return os.stat(path).st_size
    except NotADirectoryError:
        with open_regular(path) as file:
            return size_of(file)


def _open_member(path: Path) -> BufferedReader:
    try:
        file = archives.opened(path)
    except (FileNotFoundError, NotADirectoryError):
        raise PhotoError("the file does not exist") from None
    except IsADirectoryError:
        raise PhotoError("a folder, not a file") from None
    except DataError as error:
        raise PhotoError(error.message) from error
    except OSError as error:
        raise PhotoError(system_reason(error)) from error
    _check_size(size_of(file))
    return file


def _check_size(size: int) -> None:
    if size == 0:
        raise PhotoError("the file is empty (0 bytes)")
    if size > MAX_FILE_BYTES:
        raise PhotoError(
            "the file has {bytes:,} bytes: more than {limit:,}", bytes=size, limit=MAX_FILE_BYTES
        )


def system_reason(error: OSError | ValueError) -> Message:
    """The operating system's reason, without the path and the error number."""
    return message("the file cannot be read: {reason}", reason=reason(error))
