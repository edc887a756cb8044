"""Opening a user's file for reading, where what is no plain file can neither hang nor surprise."""

import os
import stat
from io import BufferedReader
from pathlib import Path

from catdog.errors import PhotoError
from catdog.text import Message, message

# More is no photo: the largest that is decoded has two thirds of that without any compression. This bounds
# what is read into memory, and how long a file is hashed.
MAX_FILE_BYTES = 2**30


def open_regular(path: Path) -> BufferedReader:
    """Open a plain, non-empty file read-only. The caller closes it.

    Links are followed. The kind of file is looked at before it is opened: opening a pipe that
    nobody writes to would wait for ever.

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
        if found.st_size == 0:
            raise PhotoError("the file is empty (0 bytes)")
        if found.st_size > MAX_FILE_BYTES:
            raise PhotoError(
                "the file has {st_size:,} bytes: more than {max_file_bytes:,}",
                st_size=found.st_size,
                max_file_bytes=MAX_FILE_BYTES,
            )
        return open(path, "rb")
    except FileNotFoundError:
        dangling = os.path.islink(path)
        if dangling:
            raise PhotoError("a link to a file that does not exist") from None
        raise PhotoError("the file does not exist") from None
    except PermissionError:
        raise PhotoError("permission to read the file is denied") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise PhotoError(system_reason(error)) from error


def system_reason(error: OSError | ValueError) -> Message:
    """What the operating system said, without the path and the number."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return message("the file cannot be read: {said}", said=said)
