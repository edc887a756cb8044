"""Tensors of many photos, in memory or on disk, read when they are needed."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from catdog.features.shards import runs


class Block(Protocol):
    """Tensors of some photos, by row."""

    def read(self, row: int, out: np.ndarray) -> None:
        """Copy the tensors from `row` on into `out`, (rows, *shape)."""
        ...


class Rows:
    """A block in memory.

    Attributes:
        tensors: one for each photo, all of the same shape; an array, or a list that may grow.
    """

    def __init__(self, tensors: np.ndarray | list[np.ndarray]):
        self.tensors = tensors

    def read(self, row: int, out: np.ndarray) -> None:
        """See `Block`."""
        for position in range(len(out)):
            out[position] = self.tensors[row + position]


class Features:
    """Tensors of N photos; the tensor of a photo is a row of a block.

    Attributes:
        shape: of one photo's tensor.
        dtype: of the tensors.

    Args:
        block_of: index of each photo's block, (N,) integers.
        row_of: row of each photo in its block, (N,) integers.
        keep: an object that must live as long as this one.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        block_of: np.ndarray,
        row_of: np.ndarray,
        *,
        shape: tuple[int, ...],
        dtype: np.dtype,
        keep: object = None,
    ):
        self._blocks = blocks
        self._block_of = block_of
        self._row_of = row_of
        self._keep = keep
        self.shape = shape
        self.dtype = dtype

    @classmethod
    def in_memory(cls, rows: np.ndarray) -> "Features":
        """Features whose photo i is `rows[i]`."""
        count = np.arange(len(rows))
        return cls([Rows(rows)], np.zeros_like(count), count, shape=rows.shape[1:], dtype=rows.dtype)

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors together."""
        return len(self) * int(np.prod(self.shape)) * self.dtype.itemsize

    def select(self, photos: Sequence[int]) -> "Features":
        """The features of some of the photos, in that order, without reading them."""
        chosen = np.asarray(photos, np.int64)
        return Features(
            self._blocks,
            self._block_of[chosen],
            self._row_of[chosen],
            shape=self.shape,
            dtype=self.dtype,
            keep=self._keep,
        )

    def gather(self, photos: np.ndarray) -> np.ndarray:
        """A copy of the tensors of `photos`, any shape of indices; shape `photos.shape + self.shape`.

        Raises:
            CacheError: they have disappeared from the disk, or cannot be read.
        """
        rows = self._row_of[photos]
        first = self._blocks[0]
        if len(self._blocks) == 1 and isinstance(first, Rows) and isinstance(first.tensors, np.ndarray):
            return np.take(first.tensors, rows, axis=0)
        blocks, rows = self._block_of[photos].reshape(-1), rows.reshape(-1)
        out = np.empty((len(rows), *self.shape), self.dtype)
        # Neighbours on disk are read together; rows of different blocks are never neighbours.
        for start, end in runs(rows + blocks * (1 << 40)):
            self._blocks[int(blocks[start])].read(int(rows[start]), out[start:end])
        return out.reshape(*photos.shape, *self.shape)
