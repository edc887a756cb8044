"""Which photos of the cache belong to which data set, as far as runs know."""

import contextlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from catdog.data.digests import DTYPE, DigestIndex, as_array
from catdog.errors import RunError
from catdog.features import shards
from catdog.features.shards import INDEX_SUFFIX
from catdog.runs import Run


def data_sets(runs: Iterable[Run]) -> dict[str, np.ndarray]:
    """Folder or archive that runs were trained on → digests of its photos, (n,) V32, each once."""
    found: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        with contextlib.suppress(RunError, OSError):  # one that is damaged, or that stopped early
            found[run.config.options.data] |= set().union(*run.split().values())
    return {data: as_array(sorted(digests)) for data, digests in sorted(found.items())}


def belonging(folder: Path, known: dict[str, np.ndarray]) -> dict[str, int]:
    """Data set → how many of its photos have features in this folder of the cache, if any have."""
    parts = [np.empty(0, DTYPE)]
    for path in folder.glob(f"*{INDEX_SUFFIX}"):
        with contextlib.suppress(OSError, KeyError, IndexError, *shards.BROKEN):
            parts.append(np.ascontiguousarray(np.load(path, allow_pickle=False)["digest"]).view(DTYPE))
    index = DigestIndex(np.concatenate(parts))
    counts = {data: int((index.find(digests) >= 0).sum()) for data, digests in known.items()}
    return {data: count for data, count in counts.items() if count}
