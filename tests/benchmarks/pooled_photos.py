"""The pooled features of a folder's photos, for the benchmarks of what `catdog inspect DATA` finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog import devices
from catdog.checks.pooled import Pooled, pool
from catdog.data import fingerprint, scan
from catdog.workspace import FeatureCache, Workspace, cache_dir_of_environment


@dataclass(frozen=True)
class Photos:
    """The readable photos of a folder, each content once.

    Attributes:
        labels: index of each photo's class among `classes`, (n,).
    """

    paths: list[Path]
    classes: list[str]
    labels: np.ndarray
    pooled: Pooled


def photos_of(data: Path) -> Photos:
    """All photos of `data`, of every split, as `catdog inspect` compares them; features from the cache."""
    workspace = Workspace.below(cache_dir_of_environment(), workers=devices.usable_cores())
    devices.configure(workspace.cache)
    labels = {photo.path: photo.label or "" for split in scan(data).splits.values() for photo in split}
    digests = fingerprint(list(labels), workspace=workspace).digests
    first = {digest: path for path, digest in reversed(digests.items())}
    paths = [path for path, digest in digests.items() if first[digest] == path]
    pooled = pool_files(paths, features=workspace.features)
    read = [paths[photo] for photo in pooled.photos]
    classes = sorted({labels[path] for path in read})
    return Photos(read, classes, np.array([classes.index(labels[path]) for path in read]), pooled)


def pool_files(paths: Sequence[Path], *, features: FeatureCache) -> Pooled:
    """Pooled features of any picture files."""
    workers = devices.usable_cores()
    digests = fingerprint(paths, workspace=Workspace(workers=workers)).digests
    return pool(paths, digests, workspace=Workspace(features=features, workers=workers))
