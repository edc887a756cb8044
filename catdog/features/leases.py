"""Which shards are in use, said so that other processes hear it, and forgotten when the process dies.

A lease is two files below the cache: a list of shards, and a lock that its process holds. Who deletes shards
asks for the lock of each lease: one that it gets belongs to a process that has died, without a word perhaps.
"""

import contextlib
import errno
import os
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from catdog import durable

_FOLDER = ".in-use"
_LIST, _LOCK = ".shards", ".lock"
_UPKEEP = ".upkeep.lock"
_PATIENCE = 60.0  # seconds: deleting and merging shards takes less
_PRIVATE = 0o600


class Lease:
    """Shards that nobody is to delete until `release`, or until this process has gone. Safe between threads.

    Args:
        root: the feature cache.

    Raises:
        OSError: nothing can be written there, or its file system has no locks.
    """

    def __init__(self, root: Path):
        folder = leases_folder(root)
        durable.make_private(folder)
        self._list = folder / f"{uuid.uuid4().hex}{_LIST}"
        self._held = FileLock(self._list.with_suffix(_LOCK), mode=_PRIVATE, thread_local=False)
        self._names: set[str] = set()
        self._lock = threading.Lock()
        _acquire(self._held, 0)

    @property
    def lock_path(self) -> Path:
        """The lock that this process holds."""
        return Path(self._held.lock_file)

    @property
    def names(self) -> frozenset[str]:
        """The shards, as their paths below the cache."""
        with self._lock:
            return frozenset(self._names)

    def add(self, names: Iterable[str]) -> None:
        """Take more shards into the lease.

        Raises:
            OSError: it could not be written down.
        """
        with self._lock:
            self._names |= set(names)
            durable.write_bytes(self._list, "\n".join(sorted(self._names)).encode(), mode=_PRIVATE)

    def release(self) -> None:
        """Let go of all shards."""
        _end(self._list, self._held)


def leased(root: Path, *, but: Lease | None = None) -> set[str]:
    """The shards that living processes have a lease on, but for one lease.

    Leases of processes that have died are deleted. To be asked under `upkeep`, in which no lease is made.
    """
    names: set[str] = set()
    for path in leases_folder(root).glob(f"*{_LOCK}"):
        if but and path == but.lock_path:
            continue
        lock = FileLock(path, thread_local=False)
        try:
            _acquire(lock, 0)
        except (Timeout, OSError):
            with contextlib.suppress(OSError):
                names |= set(path.with_suffix(_LIST).read_text().split("\n"))
        else:
            _end(path.with_suffix(_LIST), lock)
    return names


def leases_folder(root: Path) -> Path:
    """Where leases lie."""
    return root / _FOLDER


@contextmanager
def upkeep(root: Path, *, wait: bool) -> Iterator[bool]:
    """Whether this process alone may delete shards and make leases, for as long as the block lasts.

    Args:
        wait: until it may, for a while; else it may not where another process does.
    """
    lock = FileLock(root / _UPKEEP, mode=_PRIVATE, thread_local=False)
    try:
        durable.make_private(root)
        _acquire(lock, _PATIENCE if wait else 0)
    except (Timeout, OSError):  # a read-only cache, or a file system without locks
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _acquire(lock: FileLock, seconds: float) -> None:
    try:
        lock.acquire(timeout=seconds, blocking=seconds > 0)
    except NotImplementedError as error:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP)) from error


def _end(names: Path, lock: FileLock) -> None:
    with contextlib.suppress(OSError):
        names.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release(force=True)
