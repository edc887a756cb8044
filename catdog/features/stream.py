"""From photo files to features, each as soon as it is known: for predictions that a person waits for."""

from collections.abc import Generator, Sequence
from contextlib import closing, nullcontext
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np

from catdog.config import Decoding
from catdog.features.compute import Failed, compute
from catdog.features.extract import identify, unreadable_headers
from catdog.features.prefix import Prefix
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.progress import OnProgress, unreported
from catdog.text import Message
from catdog.workspace import Workspace

_AT_A_TIME = 64  # photos whose features are read from the cache together


class Known(NamedTuple):
    """Features of some photos: n different contents."""

    photos: list[list[int]]  # indices among the paths; n lists, in each the photos with the same content
    digests: list[str]  # n content digests, hex
    features: np.ndarray  # (n, *shape)


class Unreadable(NamedTuple):
    """Photos that have no features."""

    photos: list[list[int]]  # see `Known`
    reasons: list[Message]  # one for each list


def stream(
    paths: Sequence[Path],
    prefix: Prefix,
    decoding: Decoding,
    *,
    stores: Sequence[FeatureStore],
    workspace: Workspace,
    digests: dict[Path, str] | None = None,
    report: OnProgress = unreported,
    writer: ShardWriter | None = None,
    room: float = inf,
) -> Generator[Known | Unreadable, None, None]:
    """Every photo once: first what is cached or unreadable, then what is computed, in order.

    What is computed is cached. Closing the generator stops the work on the other photos.

    Args:
        stores: the caches of this prefix and decoding, see `stores_of`; features are maps or vectors.
        digests: content digests, where they are known already; None reads and hashes the files.
        report: called with the progress.
        writer: caches what is computed; the caller closes it. None makes one that is closed at the end.
        room: so many photos of one writer or store are cached as maps, the others as vectors.

    Raises:
        CacheError: the cache cannot be read.
    """
    digests, reasons = identify(paths, digests, workspace, report)
    photos_of: dict[str, list[int]] = {}
    for photo, path in enumerate(paths):
        if path in digests:
            photos_of.setdefault(digests[path], []).append(photo)

    def known(names: list[str], features: np.ndarray) -> Known:
        return Known([photos_of[name] for name in names], names, features)

    if reasons:
        without = [photo for photo, path in enumerate(paths) if path in reasons]
        yield Unreadable([[photo] for photo in without], [reasons[paths[photo]] for photo in without])
    todo = list(photos_of)
    for store in stores:
        store.refresh()
        asked, todo = todo, store.missing(todo)
        lacking = set(todo)
        cached = [digest for digest in asked if digest not in lacking]
        for start in range(0, len(cached), _AT_A_TIME):
            names = cached[start : start + _AT_A_TIME]
            tensors = store.read(names)
            if tensors is None:
                todo += names
            else:
                yield known(names, tensors)
    photos = {digest: paths[photos_of[digest][0]] for digest in todo}
    if failed := unreadable_headers(photos, workers=workspace.workers):
        yield Unreadable([photos_of[digest] for digest in failed], list(failed.values()))
    photos = {digest: path for digest, path in photos.items() if digest not in failed}
    if not photos:
        return
    with nullcontext(writer) if writer else ShardWriter(stores[-1]) as keeper:
        if not keeper.store.key.pool and keeper.store.added + len(photos) > room:
            keeper.turn_to(stores[0])
        events = compute(photos, prefix, decoding, keeper, workers=workspace.workers, report=report)
        with closing(events):
            for event in events:
                if isinstance(event, Failed):
                    yield Unreadable([photos_of[event.digest]], [event.reason])
                else:
                    yield known(event.digests, event.features)
