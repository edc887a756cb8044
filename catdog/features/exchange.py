"""What several processes tell each other about the photos whose features they have divided.

Each computes those whose content digest is its own, on its own devices. With a shared cache the others find
them on the disk. With a cache of its own, a process gets what it lacks from the others, in the same form.
"""

import base64
import math
from collections.abc import Sequence

import numpy as np

from catdog import devices
from catdog.errors import CacheError
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.hosts import Group
from catdog.text import Message

_BLOCK_BYTES = 16 * 2**20  # that each process gives at a time


def needs_all(group: Group) -> bool:
    """Whether this process needs the features of all photos: a head is trained by process 0 alone."""
    return group.process == 0 or devices.is_spread()


def united(group: Group, failed: dict[str, Message]) -> dict[str, Message]:
    """Digest → reason of the photos that any process could not read. All processes wait for each other."""
    if group.processes == 1:
        return failed
    # One process may have hours of work where the features of another are cached.
    found = group.gather({digest: str(reason) for digest, reason in failed.items()}, patience=math.inf)
    return {digest: Message(reason) for reasons in found for digest, reason in reasons.items()} | failed


def exchange(group: Group, store: FeatureStore, digests: Sequence[str]) -> list[str]:
    """Give features to the processes that need them and do not see them on the disk.

    Args:
        digests: the photos of all processes, hex; each process has those that are its own.

    Returns:
        Those that this process got from others.

    Raises:
        CacheError: own features have disappeared, or there is no room.
    """
    store.hold(digests)  # shards of the others too, before those let them go
    digests = sorted(digests)
    lacked = set(store.missing(digests)) if needs_all(group) else set[str]()
    marks = np.packbits(np.array([digest in lacked for digest in digests], bool))
    masks = [
        np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=len(digests))
        for text in group.gather(base64.b64encode(marks.tobytes()).decode())
    ]
    wanted = [digests[row] for row in np.flatnonzero(np.any(masks, axis=0))]
    if wanted:
        devices.connect()
    own = [digest for digest in wanted if group.owns(digest)]
    if store.missing(own):
        raise CacheError(
            "features have disappeared from {folder} while they were computed", folder=store.folder
        )
    size = store.key.tensor_bytes
    features = store.features(own) if own else None
    place = {digest: row for row, digest in enumerate(own)}
    step = max(1, _BLOCK_BYTES // size)
    with ShardWriter(store, needed=True) as writer:
        for start in range(0, len(wanted), step):
            block = wanted[start : start + step]
            given = np.zeros((step, size), np.uint8)
            mine = [row for row, digest in enumerate(block) if digest in place]
            if features and mine:
                tensors = features.gather(np.array([place[block[row]] for row in mine]))
                given[mine] = tensors.reshape(len(mine), -1).view(np.uint8)
            received = devices.from_all(given)
            for row, digest in enumerate(block):
                if digest in lacked:
                    # A copy: it may stay in memory, but not the block with it.
                    tensor = received[group.owner(digest), row].copy().view(store.key.dtype)
                    writer.add(digest, tensor.reshape(store.key.shape))
    store.refresh()
    return sorted(lacked)
