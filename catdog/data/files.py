"""Opening a user's file for reading; pipes, devices and folders are refused and never block."""

import os
import stat
from io import BufferedReader
from pathlib import Path

from catdog.errors import PhotoError
from catdog.text import Message, message, reason

# Limits the memory that a file takes and the time to hash it. Decoded photos have at most two thirds of it.
MAX_FILE_BYTES = 2**30


def open_regular(path: Path) -> BufferedReader:
    """Open a plain, non-empty file read-only. The caller closes it.

    Links are followed. The kind of file is checked before it is opened: opening a pipe without a writer would
    wait for ever.

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
                "the file has {bytes:,} bytes: more than {limit:,}", bytes=found.st_size, limit=MAX_FILE_BYTES
            )
        return open(path, "rb")
    except FileNotFoundError:
        if os.path.islink(path):
            raise PhotoError("a link to a file that does not exist") from None
        raise PhotoError("the file does not exist") from None
    except PermissionError:
        raise PhotoError("permission to read the file is denied") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise PhotoError(system_reason(error)) from error


def system_reason(error: OSError | ValueError) -> Message:
    """The operating system's reason, without the path and the error number."""
    return message("the file cannot be read: {reason}", reason=reason(error))
