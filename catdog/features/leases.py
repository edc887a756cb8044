"""Which shards are in use: other processes can see it, and it ends when the process dies.

A lease is two files below the cache: a list of shards, and a lock that its process holds. A process that
deletes shards tries the lock of each lease: if it gets one, the process of that lease has died.
"""

import contextlib
import errno
import os
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from catdog import durable

FOLDER = ".in-use"  # in the feature cache
_LIST, _LOCK = ".shards", ".lock"
_UPKEEP = ".upkeep.lock"
_PATIENCE = 60.0  # seconds: deleting and merging shards takes less
_PRIVATE = 0o600


class Lease:
    """Shards that no process deletes until `release`, or until this process ends. Thread-safe.

    Attributes:
        names: of the shards, see `shard_name`.

    Args:
        root: the feature cache.

    Raises:
        OSError: nothing can be written there, or its file system has no locks.
    """

    def __init__(self, root: Path):
        durable.make_private(root / FOLDER)
        self.lock_path = root / FOLDER / f"{uuid.uuid4().hex}{_LOCK}"
        self.names: frozenset[str] = frozenset()
        self._held = FileLock(self.lock_path, mode=_PRIVATE, thread_local=False)
        self._adding = threading.Lock()
        _acquire(self._held, 0)

    def add(self, index_paths: Iterable[Path]) -> None:
        """Add shards to the lease.

        Raises:
            OSError: the list cannot be written.
        """
        with self._adding:
            self.names |= set(map(shard_name, index_paths))
            path = self.lock_path.with_suffix(_LIST)
            durable.write_bytes(path, "\n".join(sorted(self.names)).encode(), mode=_PRIVATE)

    def release(self) -> None:
        """End the lease."""
        _end(self._held)


def shard_name(index_path: Path) -> str:
    """The name of a shard in a lease: the path of its index below the cache."""
    return f"{index_path.parent.name}/{index_path.name}"


def leased(root: Path, *, but: Lease | None = None) -> set[str]:
    """The names of shards under a lease of a living process, the lease `but` not counted.

    Leases of processes that have died are deleted. Call it within `upkeep`, in which no lease is made.
    """
    names: set[str] = set()
    for path in (root / FOLDER).glob(f"*{_LOCK}"):
        if but and path == but.lock_path:
            continue
        lock = FileLock(path, thread_local=False)
        try:
            _acquire(lock, 0)
        except (Timeout, OSError):
            with contextlib.suppress(OSError):
                names |= set(path.with_suffix(_LIST).read_text().split("\n"))
        else:
            _end(lock)
    return names


@contextmanager
def upkeep(root: Path, *, wait: bool) -> Iterator[bool]:
    """Whether only this process may delete shards and make leases, within the block.

    Args:
        wait: for another process to end its block, for a while; else the result is False at once.
    """
    lock = FileLock(root / _UPKEEP, mode=_PRIVATE, thread_local=False)
    with ExitStack() as held:
        try:
            durable.make_private(root)
            _acquire(lock, _PATIENCE if wait else 0)
            held.callback(lock.release)
            ours = True
        except (Timeout, OSError):  # a read-only cache, or a file system without locks
            ours = False
        yield ours


def _acquire(lock: FileLock, seconds: float) -> None:
    try:
        lock.acquire(timeout=seconds, blocking=seconds > 0)
    except NotImplementedError as error:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP)) from error


def _end(lock: FileLock) -> None:
    for path in (Path(lock.lock_file).with_suffix(_LIST), Path(lock.lock_file)):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    lock.release(force=True)
