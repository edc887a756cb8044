"""The files of the feature cache: shards, which are written once and never changed.

A shard is two files: `NAME.npy` holds the tensors of some photos, `NAME.index.npy` their content digests and
checksums. A shard exists as long as its index: that is written last and deleted first. After a kill there are
whole shards, and files that are not read.
"""

import contextlib
import os
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import TokenError

import numpy as np

from catdog import durable
from catdog.features import open_files
from catdog.features.key import FeatureKey

INDEX_SUFFIX = ".index.npy"
BROKEN = (ValueError, EOFError, SyntaxError, TokenError)  # what NumPy raises for a damaged file
_INDEX_DTYPE = np.dtype([("digest", "V32"), ("checksum", "<u4")])
_PRIVATE = 0o600  # with `--unfreeze all` tensors are the photos themselves
_HEADER_BYTES = 4096  # more than the header of these files has


class DamagedShard(Exception):
    """A shard with wrong content; the argument is one of its files."""


@dataclass(frozen=True, eq=False)
class Shard:
    """A shard on disk whose index has been read."""

    index_path: Path
    key: FeatureKey
    digests: np.ndarray  # (n,) V32
    checksums: np.ndarray  # (n,) uint32

    def __len__(self) -> int:
        return len(self.digests)

    @cached_property
    def _offset(self) -> int:
        """The position of the first tensor in its file, which is checked once."""
        path = tensor_path(self.index_path)
        with path.open("rb") as file:
            try:
                if np.lib.format.read_magic(file) != (1, 0):
                    raise DamagedShard(path)
                facts = np.lib.format.read_array_header_1_0(file, max_header_size=_HEADER_BYTES)
            except BROKEN as error:
                raise DamagedShard(path) from error
            offset, size = file.tell(), os.fstat(file.fileno()).st_size
        expected = ((len(self), *self.key.shape), False, np.dtype(self.key.dtype))
        if (facts, size) != (expected, offset + len(self) * self.key.tensor_bytes):
            raise DamagedShard(path)
        return offset

    def read(self, row: int, out: np.ndarray) -> None:
        """Copy the tensors from `row` on into `out`, (rows, *shape).

        Raises:
            DamagedShard: the file does not hold them.
            OSError: it does not exist, or cannot be read.
        """
        try:
            open_files.read(tensor_path(self.index_path), self._offset + row * self.key.tensor_bytes, out)
        except EOFError as error:
            raise DamagedShard(tensor_path(self.index_path)) from error

    def read_sound(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tensors of some rows, (m, *shape), and whether each has the checksum of the index, (m,).

        Raises: see `read`.
        """
        tensors = np.empty((len(rows), *self.key.shape), self.key.dtype)
        for first, last in runs(rows):
            self.read(int(rows[first]), tensors[first:last])
        sound = [checksum(tensor) == self.checksums[row] for row, tensor in zip(rows, tensors, strict=True)]
        return tensors, np.array(sound, bool)


def read_shard(index_path: Path, key: FeatureKey) -> Shard:
    """A shard from its index; its tensors are not read yet.

    Raises:
        DamagedShard: it is no index.
        OSError: it does not exist, or cannot be read.
    """
    try:
        index = np.load(index_path, allow_pickle=False)
        if not isinstance(index, np.ndarray) or index.dtype != _INDEX_DTYPE or index.ndim != 1:
            raise DamagedShard(index_path)
    except BROKEN as error:
        raise DamagedShard(index_path) from error
    return Shard(index_path, key, index["digest"], index["checksum"])


def new_path(folder: Path) -> Path:
    """The index path of a new shard, unique among all processes and machines."""
    return folder / f"{uuid.uuid4().hex}{INDEX_SUFFIX}"


def write_shard(index_path: Path, digests: np.ndarray, tensors: Sequence[np.ndarray]) -> None:
    """Write a shard: digests (n,) V32, and n tensors of the same shape and dtype.

    Raises:
        OSError: it cannot be written.
    """
    index = np.empty(len(digests), _INDEX_DTYPE)
    index["digest"] = digests
    index["checksum"] = [checksum(tensor) for tensor in tensors]
    shape = (len(tensors), *tensors[0].shape)
    descr = np.lib.format.dtype_to_descr(tensors[0].dtype)
    header = {"shape": shape, "fortran_order": False, "descr": descr}
    try:
        with durable.replacing(tensor_path(index_path), mode=_PRIVATE) as file:
            np.lib.format.write_array_header_1_0(file, header)
            for tensor in tensors:
                file.write(np.ascontiguousarray(tensor).data)
        with durable.replacing(index_path, mode=_PRIVATE) as file:
            np.save(file, index, allow_pickle=False)
    except OSError:
        with contextlib.suppress(OSError):
            tensor_path(index_path).unlink(missing_ok=True)
        raise


def delete_shard(index_path: Path) -> bool:
    """Delete a shard; False if that failed."""
    open_files.close_all()
    try:
        index_path.unlink(missing_ok=True)
        tensor_path(index_path).unlink(missing_ok=True)
    except OSError:  # a read-only cache, or Windows, where another process reads it
        return False
    return True


def tensor_path(index_path: Path) -> Path:
    """The file of tensors of an index."""
    return index_path.with_name(index_path.name.removesuffix(INDEX_SUFFIX) + ".npy")


def checksum(tensor: np.ndarray) -> int:
    """CRC-32 of a tensor's bytes."""
    return zlib.crc32(np.ascontiguousarray(tensor).data)


def runs(rows: np.ndarray) -> list[tuple[int, int]]:
    """Slices of `rows` with consecutive numbers, as (first, behind last)."""
    if not len(rows):
        return []
    breaks = (np.flatnonzero(np.diff(rows) != 1) + 1).tolist()
    return list(zip([0, *breaks], [*breaks, len(rows)], strict=True))
