"""Keeps the feature cache small: few files, no more bytes than allowed, no files of dead processes. Lists it.

Every command that writes features does this, one process at a time. Small shards are merged into larger ones,
so that the number of files does not grow with the number of commands. Where the cache is larger than allowed,
the least recently used shards are deleted, but none under a lease of a living process.
"""

import contextlib
import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog.data.digests import DTYPE
from catdog.errors import OptionError
from catdog.features import shards
from catdog.features.key import FeatureKey
from catdog.features.leases import FOLDER, Lease, leased, shard_name, upkeep
from catdog.features.shards import INDEX_SUFFIX, DamagedShard, delete_shard

KEY_FILE = "key.json"
SHARD_BYTES = 128 * 2**20  # of tensors in a shard, approximately

# More shards than this of about the same size are merged. A photo is copied once for each eightfold growth of
# its shard.
_CROWD = 8
_SMALLEST = 2**16
_SECONDS = 5.0  # of merging at a time: for an old cache with many shards, the next command continues
_ORPHAN_SECONDS = 24 * 3600.0  # no writer needs that long between two files of a shard


@dataclass(frozen=True)
class ShardFile:
    """The files of a shard."""

    index_path: Path
    bytes: int  # of both files
    used: float  # the last time, in seconds since 1970

    @property
    def name(self) -> str:
        """Its name in a lease."""
        return shard_name(self.index_path)


def keep_in_order(root: Path, key: FeatureKey, limit: int, lease: Lease | None) -> None:
    """Merge small shards of one key, and delete old ones until the cache has at most `limit` bytes.

    Does nothing while another process does this, or where there are no locks.

    Args:
        lease: of this process: its shards may be merged, and the merged shard is added to it.

    Raises:
        OSError: merged shards cannot be written.
    """
    with upkeep(root, wait=False) as ours:
        if not ours:
            return
        others = leased(root, but=lease)
        _delete_orphans(root)
        try:
            _merge(root, key, others, lease)
        finally:
            _trim(root, limit, others | (lease.names if lease else set()))


def trim(root: Path, limit: int) -> None:
    """Delete shards, the least recently used first, until the cache has at most `limit` bytes."""
    if not root.is_dir():  # all of it has been deleted
        return
    with upkeep(root, wait=False) as ours:
        if ours:
            _trim(root, limit, leased(root))


def clear(root: Path) -> list[Path]:
    """Delete all features, and nothing else in the folder.

    Returns:
        Folders that are still there: other processes use their files, or they cannot be deleted.
    """
    if not root.is_dir():
        return []
    with upkeep(root, wait=True) as ours:
        if not ours:
            return list(key_folders(root))
        in_use = leased(root)
        for folder in key_folders(root):
            if not any(name.startswith(f"{folder.name}/") for name in in_use):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            for file in shard_files(folder):
                if file.name not in in_use:
                    delete_shard(file.index_path)
    return list(key_folders(root))


@dataclass(frozen=True)
class CacheEntry:
    """The folder of one key in the cache."""

    folder: Path
    key: FeatureKey | None  # None where key.json cannot be read: an older version's, or damaged
    photos: int
    bytes: int


def cache_entries(root: Path) -> list[CacheEntry]:
    """The folders of the cache below `root`, largest first, without empty ones."""
    entries = []
    for folder in key_folders(root):
        try:
            key = FeatureKey.from_json(json.loads((folder / KEY_FILE).read_bytes()))
        except (OSError, ValueError, OptionError):
            key = None
        photos = 0
        for path in folder.glob(f"*{INDEX_SUFFIX}"):
            with contextlib.suppress(OSError, *shards.BROKEN):
                photos += len(np.load(path, mmap_mode="r", allow_pickle=False))
        size, files = 0, 0
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # a training renames its temporary files
                size += path.stat().st_size
                files += path.name != KEY_FILE
        if files:
            entries.append(CacheEntry(folder, key, photos, size))
    return sorted(entries, key=lambda entry: -entry.bytes)


def key_folders(root: Path) -> Iterator[Path]:
    """The folders of all keys."""
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.is_dir() and not folder.name.startswith("."):
            yield folder


def shard_files(folder: Path) -> list[ShardFile]:
    """The shards of one key, the least recently used first."""
    found = []
    for path in folder.glob(f"*{INDEX_SUFFIX}"):
        with contextlib.suppress(OSError):  # another process has just deleted it
            status = path.stat()
            size = status.st_size + shards.tensor_path(path).stat().st_size
            found.append(ShardFile(path, size, status.st_mtime))
    return sorted(found, key=lambda file: (file.used, file.index_path))


def touch(index_path: Path, used: float | None = None) -> None:
    """Record that a shard is used now, or was used then."""
    with contextlib.suppress(OSError):  # a read-only cache, or it has just been deleted
        os.utime(index_path, None if used is None else (used, used))


def _trim(root: Path, limit: int, in_use: set[str]) -> None:
    files = [file for folder in key_folders(root) for file in shard_files(folder)]
    total = sum(file.bytes for file in files)
    for file in sorted(files, key=lambda file: file.used):
        if total <= limit:
            break
        if file.name not in in_use and delete_shard(file.index_path):
            total -= file.bytes


def _merge(root: Path, key: FeatureKey, in_use: set[str], lease: Lease | None) -> None:
    folder = root / key.folder_name()
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        sizes: dict[int, list[ShardFile]] = defaultdict(list)
        for file in shard_files(folder):
            if file.bytes < SHARD_BYTES // 2 and file.name not in in_use:
                eightfold = max(0, (file.bytes // _SMALLEST).bit_length() - 1) // 3
                sizes[eightfold].append(file)
        crowds = [files for _, files in sorted(sizes.items()) if len(files) > _CROWD]
        if not crowds or not _merge_some(root, key, crowds[0], lease):
            return


def _merge_some(root: Path, key: FeatureKey, files: list[ShardFile], lease: Lease | None) -> bool:
    """Merge the first of these into one shard, without damaged photos; whether there are fewer now."""
    sound: dict[bytes, np.ndarray] = {}  # tensors by digest
    merged: list[ShardFile] = []
    for file in files:
        if sum(file.bytes for file in merged) >= SHARD_BYTES:
            break
        try:
            shard = shards.read_shard(file.index_path, key)
            tensors, is_sound = shard.read_sound(np.arange(len(shard)))
            for row in np.flatnonzero(is_sound):
                sound.setdefault(bytes(shard.digests[row]), tensors[row])
        except PermissionError:  # another user's
            continue
        except (DamagedShard, FileNotFoundError):
            pass
        merged.append(file)
    if sound:
        path = shards.new_path(root / key.folder_name())
        if lease and any(file.name in lease.names for file in merged):
            lease.add([path])
        shards.write_shard(path, np.frombuffer(b"".join(sound), DTYPE), list(sound.values()))
        touch(path, max(file.used for file in merged))
    # The photos are in the new shard, on disk. If a kill leaves them twice, that does no harm.
    gone = [delete_shard(file.index_path) for file in merged]
    return sum(gone) > 1


def _delete_orphans(root: Path) -> None:
    """Delete what killed processes have left: old temporary files, and old tensors without an index."""
    old = time.time() - _ORPHAN_SECONDS
    for folder in (root, root / FOLDER, *key_folders(root)):
        names = set(os.listdir(folder)) if folder.is_dir() else set()
        for name in names:
            index = name.removesuffix(".npy") + INDEX_SUFFIX
            is_tensors = name.endswith(".npy") and not name.endswith(INDEX_SUFFIX)
            if name.endswith(".tmp") or (is_tensors and index not in names):
                with contextlib.suppress(OSError):
                    if (folder / name).stat().st_mtime < old:
                        (folder / name).unlink()
