"""Digests of files that have not changed since they were hashed: a second run does not read them again.

A file is known by its name, its size, its times, its inode and its device, not by its folder. Files of
records are written once and renamed into place; newer ones are merged, so that there are few. They only save
time: one that is lost or damaged is passed over.
"""

import hashlib
import os
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np

from catdog import archives, durable
from catdog.data.digests import DTYPE, DigestIndex
from catdog.data.parallel import ordered_map

_RECORD = np.dtype([("status", DTYPE), ("digest", DTYPE)])
_SUFFIX = ".digests"
# A file that was changed a moment ago may be changed once more within the resolution of its times.
_SETTLED = 2 * 10**9  # nanoseconds, the resolution of FAT
_FEW = 64  # records that are not worth a file
_SECONDS = 15.0  # between two files of records: what a kill can cost
_MOST = 2**22  # records; half of them are kept where there are more
_AT_ONCE = 1000  # files that a thread looks at


def status_of(found: os.stat_result, name: str) -> bytes:
    """32 bytes that stand for this state of the file of that name, or of a member of this archive."""
    # The time of the last change of its inode, which nobody can set, tells files apart that were unpacked
    # with old times. FAT and sshfs have whole seconds, and may give its inode to another file tomorrow: the
    # name is one more difference.
    facts = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, name
    return hashlib.blake2b(repr(facts).encode("utf-8", "surrogateescape"), digest_size=32).digest()


def is_settled(found: os.stat_result) -> bool:
    """Whether a later change of the file will change its times too."""
    return bool(found.st_ino) and time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _SETTLED


class DigestMemory:
    """Digests by the status of files; see `memory_of`.

    Args:
        folder: of the files of records, made with the first.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._names: list[str] = []  # of the files that were read
        self._known, self._index = _join([]), DigestIndex(np.empty(0, DTYPE))
        self._new: list[tuple[bytes, str]] = []
        self._saved = time.monotonic()

    def find(self, paths: Sequence[Path], *, workers: int) -> list[str | None]:
        """The digest of each file, hex; None where it is not known. Files are not opened."""
        files = _files(self._folder)
        if not files:
            return [None] * len(paths)
        if [file.name for file in files] != self._names:
            self._names = [file.name for file in files]
            self._known = _join([_read(file) for file in files])
            self._index = DigestIndex(self._known["status"])
        parts = (paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE))
        statuses = b"".join(chain.from_iterable(ordered_map(_statuses, parts, workers=workers)))
        places = self._index.find(np.frombuffer(statuses, DTYPE))
        digests = self._known["digest"]
        return [None if place < 0 else bytes(digests[place]).hex() for place in places]

    def add(self, status: bytes, digest: str) -> None:
        """Remember the digest, hex, of a file in this state."""
        self._new.append((status, digest))
        if time.monotonic() - self._saved > _SECONDS:
            self.save()

    def save(self) -> None:
        """Write what was added, unless that is little. Where nothing can be written, it is forgotten."""
        self._saved = time.monotonic()
        if len(self._new) < _FEW:
            return
        content = b"".join(status + bytes.fromhex(digest) for status, digest in reversed(self._new))
        self._new.clear()
        with suppress(OSError):  # a full disk, or a read-only cache
            durable.make_private(self._folder)
            _write(self._folder, np.frombuffer(content, _RECORD))
            _merge(self._folder)


@cache
def memory_of(folder: Path) -> DigestMemory:
    """The memory of this process in that folder: its files are read once."""
    return DigestMemory(folder)


def _statuses(paths: Sequence[Path]) -> list[bytes]:
    return [_status(path) for path in paths]


def _status(path: Path) -> bytes:
    try:
        return status_of(os.stat(path), path.name)
    except NotADirectoryError:
        file, member = archives.on_disk(path)
        return status_of(os.stat(file), member) if member else bytes(DTYPE.itemsize)
    except (OSError, ValueError):  # ValueError: a zero byte in the path
        return bytes(DTYPE.itemsize)


def _merge(folder: Path) -> None:
    """Merge the newest files until each file is larger than all newer ones together: there are few, then."""
    files = _files(folder)
    sizes = [file.stat().st_size for file in files]
    count, total = 1, sum(sizes[:1])
    while count < len(files) and (sizes[count] <= total or sum(sizes) > _MOST * _RECORD.itemsize):
        total += sizes[count]
        count += 1
    if count > 1:
        records = _join([_read(file) for file in files[:count]])
        _, first = np.unique(records["status"].view("V32"), return_index=True)
        kept = np.sort(first)
        _write(folder, records[kept if len(kept) <= _MOST else kept[: _MOST // 2]])
        for file in files[:count]:
            file.unlink(missing_ok=True)


def _write(folder: Path, records: np.ndarray) -> None:
    content = records.tobytes()
    # The clock may have been set back since the newest was written.
    number = max([time.time_ns(), *(int(file.name[:20]) + 1 for file in _files(folder)[:1])])
    path = folder / f"{number:020d}-{uuid.uuid4().hex[:12]}{_SUFFIX}"
    durable.write_bytes(path, hashlib.sha256(content).digest() + content, mode=0o600)


def _files(folder: Path) -> list[Path]:
    """The newest first."""
    with suppress(OSError):
        return sorted((path for path in folder.iterdir() if path.suffix == _SUFFIX), reverse=True)
    return []


def _read(file: Path) -> np.ndarray:
    """The records of a file, (n,); of a damaged file, or of one that was merged meanwhile, none."""
    with suppress(OSError, ValueError):  # ValueError: half a record
        content = memoryview(file.read_bytes())
        if hashlib.sha256(content[32:]).digest() == content[:32]:
            return np.frombuffer(content[32:], _RECORD)
    return np.empty(0, _RECORD)


def _join(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, _RECORD), *parts])
