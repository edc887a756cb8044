"""Arrays with a row for each photo that may be too large for the memory: a file holds them then.

They are arrays like all others. Who goes through them in `blocks` has a block in memory, not the whole.
"""

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

_IN_MEMORY = 2**28  # bytes
_BLOCK = 2**26  # bytes
_ROWS = 16  # a block has a multiple of these


def empty(shape: tuple[int, ...], folder: Path | None = None) -> np.ndarray:
    """An array of float32. A large one is a file without a name in `folder`, and is gone with the array.

    Where there is no room for the file, the array is in memory.

    Args:
        folder: None is the system's for temporary files.
    """
    size = 4 * math.prod(shape)
    if size > _IN_MEMORY and hasattr(os, "posix_fallocate"):
        try:
            with tempfile.TemporaryFile(dir=folder if folder and folder.is_dir() else None) as file:
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk would be fatal later
                return np.memmap(file, np.float32, "r+", shape=shape)
        except OSError:
            pass
    return np.empty(shape, np.float32)


def blocks(*arrays: np.ndarray) -> Iterator[slice]:
    """Slices of rows, one after the other; the rows of arrays in files leave the memory after their turn."""
    rows = max(1, _BLOCK // max(*(array[:1].nbytes for array in arrays), 1) // _ROWS) * _ROWS
    for start in range(0, len(arrays[0]), rows):
        yield slice(start, start + rows)
        for array in arrays:
            forget(array)


def by_block(function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """What `function` makes of the rows of all arrays; it has to be a row for each row."""
    found = [function(*(array[rows] for array in arrays)) for rows in blocks(*arrays)]
    return np.concatenate(found) if found else function(*arrays)


def take(array: np.ndarray, rows: np.ndarray, folder: Path | None = None) -> np.ndarray:
    """A copy of these rows."""
    taken = empty((len(rows), *array.shape[1:]), folder)
    for block in blocks(taken):
        taken[block] = array[rows[block]]
        forget(array)
    return taken


def forget(array: np.ndarray) -> None:
    """Let what was read or written of a file leave the memory; it is read again where it is needed."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)
