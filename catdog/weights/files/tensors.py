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
    """A tensor as a file stores it.

    Attributes:
        shape: in the file.
        dtype: NumPy's name of its type, or the file's own if NumPy has none.
        rows: (start, stop) → that part of its first axis. May raise a WeightsError.
    """

    shape: Shape
    dtype: str
    rows: Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class RawFile:
    """What is in a file.

    Attributes:
        tensors: by name, in the order of the file.
        metadata: its text attributes.
        keras: whether it is one of Keras' HDF5 files.
    """

    tensors: Mapping[str, RawTensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    keras: bool = False


Place = Callable[[np.ndarray, int, np.ndarray], None]


def read(raw: RawTensor, shape: Shape, place: Place) -> np.ndarray:
    """Read a tensor into an array of another layout, a few rows at a time, so that memory holds it once.

    Args:
        raw: of a type among `catdog.model.tensors.FLOATS`.
        shape: of the result.
        place: called with (result, start, rows) for the rows from `start` on.

    Returns:
        A read-only array of the type in the file.

    Raises:
        WeightsError: the file is damaged, or has a value that is not finite.
    """
    if not raw.shape:
        return np.array(raw.rows(0, 1))
    out = _empty(shape, np.dtype(raw.dtype))
    row_bytes = out.nbytes // raw.shape[0]
    step = max(1, _CHUNK_BYTES // row_bytes)
    for start in range(0, raw.shape[0], step):
        rows = raw.rows(start, min(start + step, raw.shape[0]))
        if not np.isfinite(rows).all():
            raise WeightsError("damaged: it has values that are not finite")
        place(out, start, rows)
    out.flags.writeable = False
    return out


def place_rows(out: np.ndarray, start: int, rows: np.ndarray) -> None:
    """The `Place` of a tensor that already has catdog's layout."""
    out[start : start + len(rows)] = rows


def _empty(shape: Shape, dtype: np.dtype) -> np.ndarray:
    """An uninitialized array whose memory XLA can share."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % _ALIGNMENT
    return memory[offset : offset + size].view(dtype).reshape(shape)
