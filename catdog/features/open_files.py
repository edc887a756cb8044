"""Reading from many files, of which only a few are open at a time.

A system may allow a process 256 open files. A large cache has more, and a training reads a few photos here
and there: the files that were read last stay open, the others are opened again.
"""

import os
import threading
import weakref
from collections import OrderedDict
from pathlib import Path

import numpy as np

MOST = 48  # of all threads together


class OpenFiles:
    """Reads parts of files. Thread-safe.

    A file that is deleted or renamed while it is open here can still be read.

    Args:
        most: files that are open at once, not counting those that other threads are reading.
    """

    def __init__(self, most: int = MOST):
        self._most = most
        self._lock = threading.Lock()
        self._files: OrderedDict[Path, _File] = OrderedDict()

    def read(self, path: Path, offset: int, out: np.ndarray) -> None:
        """Fill `out` (C-contiguous) with the bytes from `offset` on.

        Raises:
            EOFError: the file ends before that.
            OSError: the file does not exist, or cannot be read.
        """
        with self._lock:
            file = self._files.pop(path, None) or _File(path)
            self._files[path] = file
            if len(self._files) > self._most:
                self._files.popitem(last=False)  # closed as soon as no thread reads it
        file.read(offset, out.reshape(-1).view(np.uint8).data)

    def forget(self, path: Path) -> None:
        """Close the file, so that it can be deleted on every system."""
        with self._lock:
            self._files.pop(path, None)


class _File:
    """An open file, closed with its last reference."""

    def __init__(self, path: Path):
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, offset: int, out: memoryview) -> None:
        while out:
            if hasattr(os, "preadv"):
                count = os.preadv(self._descriptor, [out], offset)
            else:  # Windows
                with self._lock:
                    os.lseek(self._descriptor, offset, os.SEEK_SET)
                    part = os.read(self._descriptor, len(out))
                count = len(part)
                out[:count] = part
            if not count:
                raise EOFError("the file ends too early")
            out, offset = out[count:], offset + count
