"""Reading from many files, of which only a few are open at a time. Thread-safe.

A system may allow a process 256 open files. A large cache has more, and a training reads a few photos here
and there: the files that were read last stay open, the others are opened again.
"""

import os
import threading
import weakref
from functools import lru_cache
from pathlib import Path

import numpy as np

MOST = 48  # files that are open at once, not counting those that threads are reading


def read(path: Path, offset: int, out: np.ndarray) -> None:
    """Fill `out` (C-contiguous) with the bytes from `offset` on.

    A file that is deleted or renamed while it is open here can still be read.

    Raises:
        EOFError: the file ends before that.
        OSError: the file does not exist, or cannot be read.
    """
    _opened(path).read(offset, out.reshape(-1).view(np.uint8).data)


def close_all() -> None:
    """Close the files, so that they can be deleted on every system."""
    _opened.cache_clear()


class _File:
    """An open file, closed with its last reference: as soon as no thread reads it."""

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


_opened = lru_cache(MOST)(_File)
