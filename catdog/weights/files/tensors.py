"""A tensor in a file, and how it is read into an array."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from catdog.errors import WeightsError
from catdog.model.layers import Shape

# XLA shares the memory of a NumPy array instead of copying it if its address is a multiple of this.
_ALIGNMENT = 64
_CHUNK_BYTES = 16 * 2**20


@dataclass(frozen=True)
class RawTensor:
    """A tensor as a file stores it."""

    shape: Shape
    dtype: str  # NumPy's name of its type, or the file's own if NumPy has none
    rows: Callable[[int, int], np.ndarray]  # (start, stop) → that part of its first axis; or a WeightsError


@dataclass(frozen=True)
class RawFile:
    """What is in a file."""

    tensors: Mapping[str, RawTensor]  # by name, in the order of the file
    metadata: Mapping[str, str] = field(default_factory=dict)  # its text attributes
    keras: bool = False  # whether it is one of Keras' HDF5 files


# Of an array in catdog's layout, the same memory with the axes of the file, or more of them.
View = Callable[[np.ndarray], np.ndarray]


def read(raw: RawTensor, shape: Shape, view: View = lambda array: array) -> np.ndarray:
    """Read a tensor into an array of another layout, a few rows at a time, so that memory holds it once.

    Args:
        raw: of a type among `catdog.model.tensors.FLOATS`.
        shape: of the result.
        view: the result in the layout of the file.

    Returns:
        A read-only array of the type in the file.

    Raises:
        WeightsError: the file is damaged, or has a value that is not finite.
    """
    if not raw.shape:
        return np.array(raw.rows(0, 1))
    out = _empty(shape, np.dtype(raw.dtype))
    target = view(out)
    rows = raw.shape[0] // len(target)  # of the file, in a row of the view
    step = max(1, _CHUNK_BYTES * len(target) // out.nbytes)
    for start in range(0, len(target), step):
        part = target[start : start + step]
        values = raw.rows(start * rows, (start + len(part)) * rows)
        if not np.isfinite(values).all():
            raise WeightsError("damaged: it has values that are not finite")
        part[...] = values.reshape(part.shape)
    out.flags.writeable = False
    return out


def _empty(shape: Shape, dtype: np.dtype) -> np.ndarray:
    """An uninitialized array whose memory XLA can share."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % _ALIGNMENT
    return memory[offset : offset + size].view(dtype).reshape(shape)
