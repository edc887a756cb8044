"""The feature cache of one key: which photos have features, and where they are.

An index in memory finds the photos in all shards on disk; few of their files are open at a time. Shards of
other processes are seen after a `refresh`. Features that cannot or should not be on disk are in memory.
"""

import contextlib
import errno
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np

from catdog.errors import CacheError
from catdog.features.digests import DTYPE, DigestIndex, as_array
from catdog.features.features import Block, Features, Rows
from catdog.features.key import FeatureKey
from catdog.features.leases import Lease, upkeep
from catdog.features.shards import INDEX_SUFFIX, DamagedShard, Shard, delete_shard, read_shard
from catdog.features.upkeep import shard_name, touch, trim
from catdog.text import message
from catdog.workspace import FeatureCache

_CHECK_BYTES = 4 * 2**20  # read at a time, to compare checksums
_CHECK_THREADS = 4
_GONE = {errno.ENOENT, errno.ESTALE}  # the second on NFS


class FeatureStore:
    """The tensors of one key. Nothing is created on disk before the first write."""

    def __init__(self, cache: FeatureCache, key: FeatureKey):
        self.cache = cache
        self.key = key
        self.folder = cache.root / key.folder_name() if cache.root else None
        self._bad: set[Path] = set()  # damaged shards, which may resist deletion
        self._forbidden: set[Path] = set()  # this user may not read these shards
        self._seen = False  # whether the folder has been read
        self._shards: list[Shard] = []
        self._memory = Rows([])
        self._memory_rows: dict[bytes, int] = {}
        self.lease: Lease | None = None

    @property
    def damaged(self) -> int:
        """How many shards were damaged, and deleted."""
        return len(self._bad)

    @property
    def tensor_bytes(self) -> int:
        """Bytes of one photo's tensor."""
        return int(np.prod(self.key.shape)) * np.dtype(self.key.dtype).itemsize

    def refresh(self) -> None:
        """Read the folder again: the indexes of new shards are read, deleted shards are forgotten.

        Raises:
            CacheError: a shard cannot be read, but is neither damaged nor deleted.
        """
        self._seen = True
        if self.folder is None:
            return
        there = set(self.folder.glob(f"*{INDEX_SUFFIX}")) - self._bad - self._forbidden
        old = [shard for shard in self._shards if shard.index_path in there]
        known = {shard.index_path for shard in old}
        self._set([*old, *filter(None, (self._open(path) for path in sorted(there - known)))])

    def hold(self, digests: Sequence[str]) -> None:
        """Protect the shards of these photos (hex) from deletion by other processes while this object lives.

        Where the file system has no locks, or the cache is read-only, this does nothing.

        Raises:
            CacheError: see `refresh`.
        """
        if self.folder and self.folder.is_dir():
            with self._leasing():
                self.refresh()  # nothing is deleted before it is in the lease
                found = self._index.find(as_array(digests))
                shards = np.unique(self._shard_of[found[found >= 0]]).tolist()
                self._add_to_lease([self._shards[number].index_path for number in shards])

    def hold_new(self, index_path: Path) -> None:
        """The same for a shard that will be written."""
        if self.lease:
            self._add_to_lease([index_path])
        else:
            with self._leasing():
                self._add_to_lease([index_path])

    @contextmanager
    def _leasing(self) -> Iterator[None]:
        """No process deletes anything within the block."""
        root = self.cache.root
        with upkeep(root, wait=True) if root and self.cache.writable else nullcontext(False) as ours:
            if ours and root and not self.lease:
                with contextlib.suppress(OSError):  # a full disk, or no locks: nothing is protected
                    self.lease = Lease(root)
                    weakref.finalize(self, _let_go, self.lease, self.cache)
            yield

    def _add_to_lease(self, index_paths: Sequence[Path]) -> None:
        if self.lease and self.cache.root:
            with contextlib.suppress(OSError):  # a full disk
                self.lease.add(shard_name(self.cache.root, path) for path in index_paths)

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those of the content digests (hex) that have no intact tensor here, each once, in order.

        Reads every tensor, to compare its checksum.

        Raises:
            CacheError: see `refresh`.
        """
        if not self._seen:
            self.refresh()
        wanted = [
            digest for digest in dict.fromkeys(digests) if bytes.fromhex(digest) not in self._memory_rows
        ]
        while True:
            found = self._index.find(as_array(wanted))
            there = found[found >= 0]
            shards, rows = self._shard_of[there], self._row_of[there]
            checks = [(int(number), np.sort(rows[shards == number])) for number in np.unique(shards)]
            with ThreadPoolExecutor(_CHECK_THREADS, thread_name_prefix="catdog-check") as pool:
                sound = list(pool.map(lambda check: self._is_sound(self._shards[check[0]], check[1]), checks))
            if all(sound):
                for number, _ in checks:
                    touch(self._shards[number].index_path)
                return [digest for digest, position in zip(wanted, found, strict=True) if position < 0]
            self.refresh()  # another shard may hold the same photos

    def features(self, digests: Sequence[str]) -> Features:
        """The tensors of photos that are all here (see `missing`), in this order; a photo may be repeated."""
        if not self._seen:
            self.refresh()
        found = self._index.find(as_array(digests))
        block_of, row_of = np.full_like(found, len(self._shards)), np.empty_like(found)
        on_disk = found >= 0
        block_of[on_disk], row_of[on_disk] = self._shard_of[found[on_disk]], self._row_of[found[on_disk]]
        for photo in np.flatnonzero(~on_disk).tolist():
            row_of[photo] = self._memory_rows[bytes.fromhex(digests[photo])]
        blocks: list[Block] = [*(_Reader(shard) for shard in self._shards), self._memory]
        dtype = np.dtype(self.key.dtype)
        return Features(blocks, block_of, row_of, shape=self.key.shape, dtype=dtype, keep=self)

    def remember(self, digests: Sequence[str], tensors: Sequence[np.ndarray]) -> None:
        """Keep tensors in memory while this object lives."""
        rows = self._memory.tensors
        assert isinstance(rows, list)
        for digest, tensor in zip(digests, tensors, strict=True):
            self._memory_rows.setdefault(bytes.fromhex(digest), len(rows))
            rows.append(tensor)

    def _set(self, shards: list[Shard]) -> None:
        if list(map(id, shards)) != list(map(id, self._shards)):
            self._shards = shards
            for name in ("_index", "_shard_of", "_row_of"):
                self.__dict__.pop(name, None)

    @cached_property
    def _index(self) -> DigestIndex:
        return DigestIndex(np.concatenate([np.empty(0, DTYPE), *(shard.digests for shard in self._shards)]))

    @cached_property
    def _shard_of(self) -> np.ndarray:
        return np.repeat(np.arange(len(self._shards)), [len(shard) for shard in self._shards])

    @cached_property
    def _row_of(self) -> np.ndarray:
        return np.concatenate([np.empty(0, np.int64), *(np.arange(len(shard)) for shard in self._shards)])

    def _open(self, index_path: Path) -> Shard | None:
        try:
            return read_shard(index_path, self.key.shape, self.key.dtype)
        except DamagedShard:
            self._discard(index_path)
        except OSError as error:
            if error.errno not in _GONE:  # otherwise another process has just deleted it
                self._pass_over(index_path, error)
        return None

    def _is_sound(self, shard: Shard, rows: np.ndarray) -> bool:
        """Whether these rows are intact; if not, the shard is not used any more."""
        step = max(1, _CHECK_BYTES // shard.row_bytes)
        try:
            if all(
                shard.read_sound(rows[start : start + step])[1].all() for start in range(0, len(rows), step)
            ):
                return True
            self._discard(shard.index_path)
        except DamagedShard:
            self._discard(shard.index_path)
        except OSError as error:
            if error.errno in _GONE:  # perhaps the index is still there
                self._discard(shard.index_path)
            else:
                self._pass_over(shard.index_path, error)
        return False

    def _discard(self, index_path: Path) -> None:
        if index_path.exists():
            self._bad.add(index_path)
            delete_shard(index_path)

    def _pass_over(self, index_path: Path, error: OSError) -> None:
        if not isinstance(error, PermissionError):
            raise CacheError(
                "the feature cache cannot be read: {reason} at {path}. Empty it with `catdog inspect --cache "
                "--clear`, or name another folder with --cache-dir.",
                reason=error.strerror or error,
                path=index_path,
            ) from error
        if not self._forbidden:
            self.cache.warn(
                message(
                    "some features in {folder} belong to another user and cannot be read: they are computed "
                    "again. Name another folder with --cache-dir.",
                    folder=index_path.parent,
                )
            )
        self._forbidden.add(index_path)


class _Reader:
    """A shard as a block; errors become messages for people."""

    def __init__(self, shard: Shard):
        self._shard = shard

    def read(self, row: int, out: np.ndarray) -> None:
        """See `Block`."""
        try:
            self._shard.read(row, out)
        except (DamagedShard, OSError) as error:
            raise CacheError(
                "features have disappeared from {folder}: {reason}. Was the cache emptied, or is the disk "
                "failing? Start again; `catdog train --resume RUN` continues a run.",
                folder=self._shard.index_path.parent,
                reason=error,
            ) from error


def _let_go(lease: Lease, cache: FeatureCache) -> None:
    lease.release()
    if cache.root:
        trim(cache.root, cache.bytes_allowed())
