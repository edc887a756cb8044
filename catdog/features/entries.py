"""What is in the feature cache, for people."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog.errors import OptionError
from catdog.features.key import FeatureKey
from catdog.features.shards import BROKEN, INDEX_SUFFIX
from catdog.features.upkeep import KEY_FILE, key_folders


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
            with contextlib.suppress(OSError, *BROKEN):
                photos += len(np.load(path, mmap_mode="r", allow_pickle=False))
        size, files = 0, 0
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # a training renames its temporary files
                size += path.stat().st_size
                files += path.name != KEY_FILE
        if files:
            entries.append(CacheEntry(folder, key, photos, size))
    return sorted(entries, key=lambda entry: -entry.bytes)
