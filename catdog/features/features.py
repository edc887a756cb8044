"""Tensors of many photos, in memory or on disk, read when they are needed."""

from collections.abc import Callable, Sequence

import numpy as np

from catdog.features.shards import runs

Block = Callable[[int, np.ndarray], None]  # copies the tensors from a row on into an array (rows, *shape)


class Features:
    """Tensors of N photos; the tensor of a photo is a row of a block.

    Attributes:
        shape: of one photo's tensor.
        dtype: of the tensors.

    Args:
        blocks: an array (rows, *shape) is one block in memory.
        block_of: index of each photo's block, (N,) integers.
        row_of: row of each photo in its block, (N,) integers.
    """

    def __init__(
        self,
        blocks: Sequence[Block] | np.ndarray,
        block_of: np.ndarray,
        row_of: np.ndarray,
        shape: tuple[int, ...],
        dtype: np.dtype,
    ):
        self._blocks, self._block_of, self._row_of = blocks, block_of, row_of
        self.shape, self.dtype = shape, dtype

    @classmethod
    def in_memory(cls, rows: np.ndarray) -> "Features":
        """Features whose photo i is `rows[i]`."""
        count = np.arange(len(rows))
        return cls(rows, np.zeros_like(count), count, rows.shape[1:], rows.dtype)

    @classmethod
    def joined(cls, parts: Sequence["Features"]) -> "Features":
        """The photos of all parts, one part after the other; of features from a store."""
        starts = np.cumsum([0, *(len(part._blocks) for part in parts)])
        return cls(
            [block for part in parts for block in part._blocks],
            np.concatenate([part._block_of + start for part, start in zip(parts, starts, strict=False)]),
            np.concatenate([part._row_of for part in parts]),
            parts[0].shape,
            parts[0].dtype,
        )

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors together."""
        return len(self) * int(np.prod(self.shape)) * self.dtype.itemsize

    def select(self, photos: Sequence[int]) -> "Features":
        """The features of some of the photos, in that order, without reading them."""
        chosen = np.asarray(photos, np.int64)
        return Features(self._blocks, self._block_of[chosen], self._row_of[chosen], self.shape, self.dtype)

    def gather(self, photos: np.ndarray) -> np.ndarray:
        """A copy of the tensors of `photos`, any shape of indices; shape `photos.shape + self.shape`.

        Raises:
            CacheError: they have disappeared from the disk, or cannot be read.
        """
        rows = self._row_of[photos]
        if isinstance(self._blocks, np.ndarray):
            return np.take(self._blocks, rows, axis=0)
        blocks, rows = self._block_of[photos].reshape(-1), rows.reshape(-1)
        out = np.empty((len(rows), *self.shape), self.dtype)
        # Neighbours on disk are read together; rows of different blocks are never neighbours.
        for start, end in runs(rows + blocks * (1 << 40)):
            self._blocks[int(blocks[start])](int(rows[start]), out[start:end])
        return out.reshape(*photos.shape, *self.shape)
