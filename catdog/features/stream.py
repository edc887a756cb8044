"""From photo files to features, each as soon as it is known: for answers that somebody waits for."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from catdog.config import Decoding
from catdog.data import probe_all
from catdog.errors import CacheError
from catdog.features.extract import compute, identify
from catdog.features.prefix import Prefix
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.progress import Progress
from catdog.text import Message

_KEPT = 64  # photos whose features are read from the cache at a time


class Known(NamedTuple):
    """What has become known: features of some photos, or why others have none.

    Attributes:
        photos: indices among the paths; those with one content together.
        digests: their content digests, hex; empty where there are reasons.
        features: theirs, (n, *shape), in that order; None where there are reasons.
        reasons: why each cannot be read.
    """

    photos: list[list[int]]
    digests: list[str] = []
    features: np.ndarray | None = None
    reasons: list[Message] = []


def stream(
    paths: Sequence[Path],
    prefix: Prefix,
    decoding: Decoding,
    *,
    store: FeatureStore,
    workers: int,
    digests: dict[Path, str] | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    writer: ShardWriter | None = None,
) -> Generator[Known, None, None]:
    """Every photo once: first what is in the cache or cannot be read, then what is computed, in order.

    What is computed is kept. Closing the generator ends the work on photos that have not come yet.

    Args:
        store: the cache of this prefix and decoding.
        digests: content digests that are known already; None reads and hashes the files.
        report: called as the work goes on.
        writer: keeps what is computed, and is closed by the caller; None makes one that is closed at the end.

    Raises:
        CacheError: the cache cannot be read.
    """
    digests, unreadable = identify(paths, digests, workers=workers, report=report)
    photos_of: dict[str, list[int]] = {}
    for photo, path in enumerate(paths):
        if path in digests:
            photos_of.setdefault(digests[path], []).append(photo)
    path_of = {digest: paths[photos[0]] for digest, photos in photos_of.items()}
    failed: dict[str, Message] = {}

    def features_of(names: list[str], features: np.ndarray) -> Known:
        return Known([photos_of[name] for name in names], names, features)

    def reasons_of() -> Known:
        known = Known([photos_of[digest] for digest in failed], reasons=list(failed.values()))
        failed.clear()
        return known

    gone = [photo for photo, path in enumerate(paths) if path in unreadable]
    yield Known([[photo] for photo in gone], reasons=[unreadable[paths[photo]] for photo in gone])
    store.refresh()
    todo = store.missing(list(path_of))
    lacking = set(todo)
    if kept := [digest for digest in path_of if digest not in lacking]:
        for start in range(0, len(kept), _KEPT):
            names = kept[start : start + _KEPT]
            tensors = _read(store, names)
            if tensors is None:
                todo += names
            else:
                yield features_of(names, tensors)
    failed |= {
        digests[one.path]: one.reason for one in probe_all([path_of[one] for one in todo], workers=workers)
    }
    todo = [digest for digest in todo if digest not in failed]
    yield reasons_of()
    if not todo:
        return
    with (
        nullcontext(writer) if writer else ShardWriter(store) as keeper,
        closing(
            compute(todo, path_of, failed, prefix, decoding, keeper, workers=workers, report=report)
        ) as batches,
    ):
        for names, features in batches:
            yield reasons_of()
            yield features_of(names, features)
    yield reasons_of()


def _read(store: FeatureStore, digests: list[str]) -> np.ndarray | None:
    """Features of photos that were there a moment ago, (n, *shape); None where they have gone since."""
    everything = np.arange(len(digests))
    try:
        return store.features(digests).gather(everything)
    except CacheError:  # somebody has merged their shard with others, or deleted it
        store.refresh()
        return None if store.missing(digests) else store.features(digests).gather(everything)
