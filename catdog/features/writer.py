"""Writing features into the cache while the next ones are computed."""

import contextlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import numpy as np

from catdog import durable
from catdog.data.digests import as_array
from catdog.errors import CacheError
from catdog.features import shards
from catdog.features.store import FeatureStore
from catdog.features.upkeep import KEY_FILE, SHARD_BYTES, keep_in_order
from catdog.memory import available_bytes
from catdog.text import message

# A shard is closed after this time, which a kill can cost. Fast devices fill it earlier.
_SHARD_SECONDS = 15.0
_SHARD_BYTES = SHARD_BYTES

_Tensors = dict[str, np.ndarray]  # by digest, hex


class ShardWriter:
    """Collects tensors and writes them as shards: a thread writes a shard while the next is collected.

    A context manager, so that the last shard is written too. A disk that is full or read-only stops nothing:
    the cache warns once.

    Args:
        needed: the tensors will be read from the store. New shards are protected (`FeatureStore.hold`), and
            tensors that cannot be written stay in memory. Without it, those are dropped.

    Raises:
        CacheError: by `add` and `close`: tensors are needed, and neither the disk nor the memory has room.
    """

    def __init__(self, store: FeatureStore, *, needed: bool = False):
        self._store, self._needed = store, needed
        self._gathered: _Tensors = {}
        self._started = time.monotonic()
        self._has_warned = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="catdog-shards")
        self._writing: tuple[Future[None], _Tensors] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.close()  # after an error or Ctrl-C too: features that are computed are cached
        finally:
            self._pool.shutdown()

    @property
    def store(self) -> FeatureStore:
        """Where the tensors are written."""
        return self._store

    def turn_to(self, store: FeatureStore) -> None:
        """Write what was added; what is added from now on is for this store."""
        self.close()
        self._store = store

    def add(self, digest: str, tensor: np.ndarray) -> None:
        """Add the tensor of a photo, of the key's shape and dtype."""
        self._store.added += 1
        if self._store.folder is None or not self._store.cache.writable:
            if self._needed:
                self._store.memory[digest] = tensor
            return
        if not self._gathered:
            self._started = time.monotonic()
        self._gathered[digest] = tensor
        is_old = time.monotonic() - self._started > _SHARD_SECONDS
        if is_old or len(self._gathered) * tensor.nbytes > _SHARD_BYTES:
            self._hand_over()

    def close(self) -> None:
        """Write what was added since the last shard, and wait until all is on disk."""
        self._hand_over()
        self._wait()

    def _hand_over(self) -> None:
        self._wait()  # at most one shard is collected and one is written
        if self._gathered:
            self._writing = self._pool.submit(self._write, self._gathered), self._gathered
            self._gathered = {}

    def _wait(self) -> None:
        """Until what was handed over is on disk, or in memory."""
        if self._writing is None:
            return
        (outcome, tensors), self._writing = self._writing, None
        try:
            outcome.result()
        except OSError as error:
            facts = {"folder": self._store.cache.root, "reason": error.strerror or error}
            if not self._has_warned:
                self._has_warned = True
                self._store.cache.warn(
                    message(
                        "features cannot be cached in {folder}: {reason}. They are computed again next time. "
                        "Make room, or name another folder with --cache-dir or CATDOG_CACHE_DIR.",
                        **facts,
                    )
                )
            if self._needed and len(tensors) * self._store.key.tensor_bytes * 2 > available_bytes():
                raise CacheError(
                    "features cannot be cached in {folder} ({reason}), and the memory is full too. Make room "
                    "on the disk, or name another folder with --cache-dir.",
                    **facts,
                ) from error
            if self._needed:
                self._store.memory |= tensors

    def _write(self, tensors: _Tensors) -> None:
        root, folder = self._store.cache.root, self._store.folder
        assert root and folder
        try:
            self._write_shard(folder, tensors)
        except FileNotFoundError:  # another process has just emptied the cache
            self._write_shard(folder, tensors)
        with contextlib.suppress(OSError):  # the next command tries again
            root.chmod(0o700)  # older versions let other users read it
            keep_in_order(root, self._store.key, self._store.cache.bytes_allowed(), self._store.lease)

    def _write_shard(self, folder: Path, tensors: _Tensors) -> None:
        path = shards.new_path(folder)
        if self._needed:
            self._store.hold_new(path)
        durable.make_private(folder)
        if not (folder / KEY_FILE).exists():
            durable.write_json(folder / KEY_FILE, self._store.key.to_json(), mode=0o600)
        shards.write_shard(path, as_array([*tensors]), [*tensors.values()])
