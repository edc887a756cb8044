"""The feature cache on disk: one folder a key, in it shards that are written once and never changed.

A shard is two files: `NAME.npy` holds the tensors of some photos, `NAME.index.npy` their content digests
and checksums. The index is written last and makes the shard exist; so a kill loses at most the photos of the
shard being filled, and two trainings at once write shards of their own. A shard that is found damaged is
deleted: its photos are computed again.
"""

import contextlib
import json
import mmap
import shutil
import time
import uuid
import zlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog import durable
from catdog.errors import CacheError, OptionError
from catdog.features.key import FeatureKey

_INDEX_DTYPE = np.dtype([("digest", "V32"), ("checksum", "<u4")])
_INDEX_SUFFIX = ".index.npy"
_KEY_FILE = "key.json"

# A shard is closed after this long: what a kill can cost. Fast devices fill it before that.
_SHARD_SECONDS = 15.0
_SHARD_BYTES = 128 * 2**20
# How much is read from the memory map before its pages are given back. For each row that is read at random
# the system maps two or three times as much.
_RESIDENT_BYTES = 32 * 2**20


class Features:
    """Tensors of N photos: rows of memory-mapped shards, or of one array in memory.

    Attributes:
        shape: of one photo's tensor.
        dtype: of the tensors.
    """

    def __init__(self, blocks: Sequence[np.ndarray], block_of: np.ndarray, row_of: np.ndarray):
        self._blocks = blocks
        self._block_of = block_of
        self._row_of = row_of
        self._touched = 0  # bytes gathered since mapped pages were last given back
        self.shape: tuple[int, ...] = blocks[0].shape[1:]
        self.dtype = blocks[0].dtype

    @classmethod
    def in_memory(cls, rows: np.ndarray) -> "Features":
        """Features whose photo i is `rows[i]`."""
        return cls([rows], np.zeros(len(rows), np.int64), np.arange(len(rows)))

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors together."""
        return len(self) * int(np.prod(self.shape)) * self.dtype.itemsize

    def select(self, photos: Sequence[int]) -> "Features":
        """The features of some of the photos, in that order, without reading them."""
        chosen = np.asarray(photos, np.int64)
        return Features(self._blocks, self._block_of[chosen], self._row_of[chosen])

    def gather(self, photos: np.ndarray) -> np.ndarray:
        """A copy of the tensors of `photos`, any shape of indices; shape `photos.shape + self.shape`."""
        rows = self._row_of[photos]
        if not isinstance(self._blocks[0], np.memmap):
            return np.take(self._blocks[0], rows, axis=0)
        self._touched += photos.size * int(np.prod(self.shape)) * self.dtype.itemsize
        if self._touched > _RESIDENT_BYTES:
            _give_back(self._blocks)
            self._touched = 0
        flat = photos.reshape(-1)
        out = np.empty((len(flat), *self.shape), self.dtype)
        for place, photo in enumerate(flat):
            out[place] = self._blocks[int(self._block_of[photo])][self._row_of[photo]]
        return out.reshape(*photos.shape, *self.shape)


@dataclass(frozen=True)
class _Shard:
    index_path: Path
    digests: list[bytes]
    checksums: np.ndarray  # (n,) uint32
    tensors: np.ndarray  # memory-mapped, (n, *shape)

    def is_sound(self, rows: Sequence[int]) -> bool:
        """Whether these rows have the checksums that they were written with. Leaves nothing mapped."""
        sound = all(_checksum(self.tensors[row]) == self.checksums[row] for row in rows)
        _give_back([self.tensors])
        return sound


class FeatureStore:
    """The cached tensors of one key below `root`. Nothing is created before the first write.

    What others write is seen after a `refresh`.
    """

    def __init__(self, root: Path, key: FeatureKey):
        self.key = key
        self._folder = root / key.folder_name()
        self._bad: set[Path] = set()  # indexes of damaged shards, which may resist deletion
        self._seen = False  # whether the folder has been looked at
        self._shards: list[_Shard] = []
        self._places: dict[bytes, tuple[int, int]] = {}  # digest → shard and row

    @property
    def damaged(self) -> int:
        """How many shards were found damaged, and deleted."""
        return len(self._bad)

    def refresh(self) -> None:
        """Look at the folder again: open what has been written since, and forget what is gone."""
        there = set(self._folder.glob(f"*{_INDEX_SUFFIX}")) - self._bad
        kept = [shard for shard in self._shards if shard.index_path in there]
        if len(kept) < len(self._shards):
            self._shards, self._places = [], {}
            for shard in kept:
                self._add(shard)
        for path in sorted(there - {shard.index_path for shard in kept}):
            if shard := self._open_shard(path):
                self._add(shard)
        self._seen = True

    def _see(self) -> None:
        if not self._seen:
            self.refresh()

    def _add(self, shard: _Shard) -> None:
        for row, digest in enumerate(shard.digests):
            self._places.setdefault(digest, (len(self._shards), row))
        self._shards.append(shard)

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those of the content digests (hex) that have no sound tensor here, each once, in order.

        Reads every tensor that is asked for, to hold it against its checksum.
        """
        self._see()
        wanted = {digest: bytes.fromhex(digest) for digest in digests}
        places = [self._places[key] for key in wanted.values() if key in self._places]
        rows_of: dict[int, list[int]] = {}
        for number, row in places:
            rows_of.setdefault(number, []).append(row)
        damaged = [number for number, rows in rows_of.items() if not self._shards[number].is_sound(rows)]
        if damaged:
            for number in damaged:
                self._discard(self._shards[number].index_path)
            self.refresh()
            return self.missing(digests)  # another shard may hold the same photo
        return [digest for digest, key in wanted.items() if key not in self._places]

    def features(self, digests: Sequence[str]) -> Features:
        """The tensors of photos that are all here (see `missing`), in this order; repeats are fine."""
        self._see()
        places = [self._places[bytes.fromhex(digest)] for digest in digests]
        block_of, row_of = np.array(places, np.int64).reshape(-1, 2).T
        return Features([shard.tensors for shard in self._shards], block_of, row_of)

    def _open_shard(self, index_path: Path) -> _Shard | None:
        try:
            index = np.load(index_path, allow_pickle=False)
            tensors = np.load(_tensor_path(index_path), mmap_mode="r", allow_pickle=False)
            expected = (len(index), *self.key.shape)
            if index.dtype == _INDEX_DTYPE and tensors.shape == expected:
                if tensors.dtype == self.key.dtype:
                    digests = [bytes(digest) for digest in index["digest"]]
                    return _Shard(index_path, digests, index["checksum"], tensors)
        except OSError:  # another process has just deleted it, or the system gives no more files or memory
            return None
        except (ValueError, EOFError):
            pass
        self._discard(index_path)
        return None

    def _discard(self, index_path: Path) -> None:
        self._bad.add(index_path)
        with contextlib.suppress(OSError):  # a read-only cache, or another process was faster
            index_path.unlink(missing_ok=True)
            _tensor_path(index_path).unlink(missing_ok=True)


_Gathered = tuple[list[str], list[np.ndarray]]  # content digests and tensors of photos


class ShardWriter:
    """Gathers tensors and writes them as shards, one in a thread while the next is gathered.

    A context manager, so that the last shard is written too.
    """

    def __init__(self, store: FeatureStore):
        self._store = store
        self._folder = store._folder
        self._digests: list[str] = []
        self._tensors: list[np.ndarray] = []
        self._started = time.monotonic()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="catdog-shards")
        self._writing: tuple[Future[None], _Gathered] | None = None

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.close()  # after an error or Ctrl-C too: what is computed is worth keeping
        finally:
            self._pool.shutdown()

    def add(self, digest: str, tensor: np.ndarray) -> None:
        """Keep one photo's tensor, of the key's shape and dtype.

        Raises:
            CacheError: an earlier shard could not be written.
        """
        if not self._digests:
            self._started = time.monotonic()
        self._digests.append(digest)
        self._tensors.append(tensor)
        if (
            time.monotonic() - self._started > _SHARD_SECONDS
            or len(self._tensors) * tensor.nbytes > _SHARD_BYTES
        ):
            self._hand_over()

    def close(self) -> None:
        """Write what has been added since the last shard, and wait until all is on disk.

        Raises:
            CacheError: it could not be written.
        """
        self._hand_over()
        self._wait()

    def _hand_over(self) -> None:
        self._wait()  # one shard is gathered and one is written, never more
        if self._digests:
            shard, self._digests, self._tensors = (self._digests, self._tensors), [], []
            self._writing = self._pool.submit(self._write, *shard), shard

    def _wait(self) -> None:
        if self._writing is None:
            return
        (outcome, (digests, tensors)), self._writing = self._writing, None
        try:
            outcome.result()
        except CacheError:
            # The next try takes them along: the disk may have room again.
            self._digests, self._tensors = digests + self._digests, tensors + self._tensors
            raise

    def _write(self, digests: list[str], tensors: list[np.ndarray]) -> None:
        index = np.empty(len(digests), _INDEX_DTYPE)
        index["digest"] = [bytes.fromhex(digest) for digest in digests]
        index["checksum"] = [_checksum(one) for one in tensors]
        index_path = self._folder / f"{uuid.uuid4().hex}{_INDEX_SUFFIX}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not (self._folder / _KEY_FILE).exists():
                durable.write_json(self._folder / _KEY_FILE, self._store.key.to_json())
            with durable.replacing(_tensor_path(index_path)) as file:
                np.save(file, np.stack(tensors), allow_pickle=False)
            with durable.replacing(index_path) as file:
                np.save(file, index, allow_pickle=False)
        except OSError as error:
            raise CacheError(
                f"expected to write features below {self._folder}: {error.strerror or error}. Make room, "
                "or name another place with --cache-dir or CATDOG_CACHE_DIR, or use --no-cache."
            ) from error


@dataclass(frozen=True)
class CacheEntry:
    """One key's folder in the cache."""

    folder: Path
    key: FeatureKey | None  # None where key.json cannot be read: an older or a damaged cache
    photos: int
    bytes: int


def cache_entries(root: Path) -> list[CacheEntry]:
    """What lies in the cache below `root`, largest first."""
    entries = []
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if not folder.is_dir():
            continue
        try:
            key = FeatureKey.from_json(json.loads((folder / _KEY_FILE).read_bytes()))
        except (OSError, ValueError, OptionError):
            key = None
        photos = 0
        for path in folder.glob(f"*{_INDEX_SUFFIX}"):
            with contextlib.suppress(OSError, ValueError, EOFError):
                photos += len(np.load(path, mmap_mode="r", allow_pickle=False))
        size = 0
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # a training renames its temporary files
                size += path.stat().st_size
        entries.append(CacheEntry(folder, key, photos, size))
    return sorted(entries, key=lambda entry: -entry.bytes)


def clear_cache(root: Path) -> None:
    """Delete every key's folder below `root`, and nothing else there."""
    for entry in cache_entries(root):
        shutil.rmtree(entry.folder, ignore_errors=True)


def _give_back(blocks: Sequence[np.ndarray]) -> None:
    """Unmap the pages of memory-mapped arrays: they stay in the system's cache, but not in this process."""
    for block in blocks:
        if isinstance(block.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            block.base.madvise(mmap.MADV_DONTNEED)


def _checksum(tensor: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(tensor).data)


def _tensor_path(index_path: Path) -> Path:
    return index_path.with_name(index_path.name.removesuffix(_INDEX_SUFFIX) + ".npy")
