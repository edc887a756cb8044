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
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from catdog.data.digests import DTYPE, DigestIndex, as_array
from catdog.errors import CacheError
from catdog.features.features import Features
from catdog.features.key import FeatureKey
from catdog.features.leases import Lease, upkeep
from catdog.features.shards import INDEX_SUFFIX, DamagedShard, Shard, delete_shard, read_shard
from catdog.features.upkeep import touch, trim
from catdog.text import message
from catdog.workspace import FeatureCache

_CHECK_BYTES = 4 * 2**20  # read at a time, to compare checksums
_CHECK_THREADS = 4
_GONE = {errno.ENOENT, errno.ESTALE}  # the second on NFS


class FeatureStore:
    """The tensors of one key. Nothing is created on disk before the first write.

    Attributes:
        memory: tensors that are not on disk, by digest (hex); they live as long as this object.
        added: how many tensors were given to a `ShardWriter` for it.
        lease: protects shards from deletion by other processes while this object lives.
    """

    def __init__(self, cache: FeatureCache, key: FeatureKey):
        self.cache, self.key = cache, key
        self.folder = cache.root / key.folder_name() if cache.root else None
        self.memory: dict[str, np.ndarray] = {}
        self.added = 0
        self.lease: Lease | None = None
        self._bad: set[Path] = set()  # damaged shards, which may resist deletion
        self._forbidden: set[Path] = set()  # this user may not read these shards
        self._seen = False  # whether the folder has been read
        self._shards: list[Shard] = []

    @property
    def damaged(self) -> int:
        """How many shards were damaged, and deleted."""
        return len(self._bad)

    def refresh(self) -> None:
        """Read the folder again: the indexes of new shards are read, deleted shards are forgotten.

        Raises:
            CacheError: a shard cannot be read, but is neither damaged nor deleted.
        """
        self._seen = True
        there = set(self.folder.glob(f"*{INDEX_SUFFIX}")) if self.folder else set()
        there -= self._bad | self._forbidden
        old = [shard for shard in self._shards if shard.index_path in there]
        new = there - {shard.index_path for shard in old}
        shards = [*old, *filter(None, map(self._open, sorted(new)))]
        if shards != self._shards:
            self._shards = shards
            self.__dict__.pop("_places", None)

    def hold(self, digests: Sequence[str]) -> None:
        """Protect the shards of these photos (hex) from deletion by other processes while this object lives.

        Where the file system has no locks, or the cache is read-only, this does nothing.

        Raises:
            CacheError: see `refresh`.
        """
        if self.folder and self.folder.is_dir():
            with self._leasing():
                self.refresh()  # nothing is deleted before it is in the lease
                shards, _ = self._find(digests)
                self._add_to_lease([shard.index_path for _, shard in self._used(shards)])

    def hold_new(self, index_path: Path) -> None:
        """The same for a shard that will be written."""
        with nullcontext() if self.lease else self._leasing():
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
        if self.lease:
            with contextlib.suppress(OSError):  # a full disk
                self.lease.add(index_paths)

    def known(self, digests: Sequence[str]) -> int:
        """How many of the content digests (hex) are in the indexes of the shards; reads no tensor."""
        shards, _ = self._find(digests)
        return int((shards < len(self._shards)).sum())

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those of the content digests (hex) that have no intact tensor here, each once, in order.

        Reads every tensor, to compare its checksum.

        Raises:
            CacheError: see `refresh`.
        """
        wanted = [digest for digest in dict.fromkeys(digests) if digest not in self.memory]
        while True:
            shards, rows = self._find(wanted)
            checks = [(shard, np.sort(rows[shards == number])) for number, shard in self._used(shards)]
            with ThreadPoolExecutor(_CHECK_THREADS, thread_name_prefix="catdog-check") as pool:
                sound = list(pool.map(lambda check: self._is_sound(*check), checks))
            if all(sound):
                for shard, _ in checks:
                    touch(shard.index_path)
                return [wanted[row] for row in np.flatnonzero(shards == len(self._shards))]
            self.refresh()  # another shard may hold the same photos

    def features(self, digests: Sequence[str]) -> Features:
        """The tensors of photos that are all here (see `missing`), in this order; a photo may be repeated."""
        shards, rows = self._find(digests)
        others = np.flatnonzero(shards == len(self._shards)).tolist()
        rows[others] = np.arange(len(others))
        in_memory = partial(_copy, [self.memory[digests[photo]] for photo in others])
        # As methods of this object they keep it alive, and its lease with it.
        on_disk = [partial(self._read, shard) for shard in self._shards]
        return Features([*on_disk, in_memory], shards, rows, self.key.shape, np.dtype(self.key.dtype))

    def read(self, digests: Sequence[str]) -> np.ndarray | None:
        """Tensors that were here a moment ago, (n, *shape); None if they have disappeared since."""
        while True:
            try:
                return self.features(digests).gather(np.arange(len(digests)))
            except (CacheError, KeyError):  # their shard was merged with others, or deleted
                self.refresh()
                if self.missing(digests):
                    return None

    def _find(self, digests: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The number of each photo's shard, and its row there; the number of shards if it is not on disk."""
        if not self._seen:
            self.refresh()
        index, shard_of, row_of = self._places
        found = index.find(as_array(digests))
        return shard_of[found], row_of[found]

    @cached_property
    def _places(self) -> tuple[DigestIndex, np.ndarray, np.ndarray]:
        """Finds photos on disk; the shard's number and the row of each, at the end those of all others."""
        digests = np.concatenate([np.empty(0, DTYPE), *(shard.digests for shard in self._shards)])
        sizes = [*map(len, self._shards), 1]
        shard_of = np.repeat(np.arange(len(sizes)), sizes)
        return DigestIndex(digests), shard_of, np.concatenate([np.arange(size) for size in sizes])

    def _used(self, shards: np.ndarray) -> list[tuple[int, Shard]]:
        """The shards of these numbers, see `_find`, each once."""
        return [(number, self._shards[number]) for number in np.unique(shards) if number < len(self._shards)]

    def _open(self, index_path: Path) -> Shard | None:
        try:
            return read_shard(index_path, self.key)
        except (DamagedShard, OSError) as error:
            self._leave_out(index_path, error)
            return None

    def _is_sound(self, shard: Shard, rows: np.ndarray) -> bool:
        """Whether these rows are intact; if not, the shard is not used any more."""
        step = max(1, _CHECK_BYTES // self.key.tensor_bytes)
        try:
            for start in range(0, len(rows), step):
                if not shard.read_sound(rows[start : start + step])[1].all():
                    raise DamagedShard(shard.index_path)
        except (DamagedShard, OSError) as error:
            self._leave_out(shard.index_path, error)
            return False
        return True

    def _leave_out(self, index_path: Path, error: DamagedShard | OSError) -> None:
        """Delete a shard that is damaged, or half deleted by another process; pass over another user's."""
        if isinstance(error, DamagedShard) or error.errno in _GONE:
            if index_path.exists():
                self._bad.add(index_path)
                delete_shard(index_path)
            return
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
                    folder=self.cache.root,
                )
            )
        self._forbidden.add(index_path)

    def _read(self, shard: Shard, row: int, out: np.ndarray) -> None:
        """See `Block`; errors are messages for people."""
        try:
            shard.read(row, out)
        except (DamagedShard, OSError) as error:
            raise CacheError(
                "features have disappeared from {folder}: {reason}. Was the cache emptied, or is the disk "
                "failing? Start again; `catdog train --resume RUN` continues a run.",
                folder=self.folder,
                reason=error,
            ) from error


def _copy(tensors: list[np.ndarray], row: int, out: np.ndarray) -> None:
    """See `Block`."""
    for position in range(len(out)):
        out[position] = tensors[row + position]


def _let_go(lease: Lease, cache: FeatureCache) -> None:
    lease.release()
    if cache.root:
        trim(cache.root, cache.bytes_allowed())
