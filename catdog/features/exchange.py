"""What several processes tell each other about the photos whose features they have divided.

Each computes those whose content digest is its own, on its own devices. With a shared cache the others find
them on the disk. With a cache of its own, a process gets what it lacks from the others, in the same form.
"""

import base64
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from catdog import devices
from catdog.errors import CacheError
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.hosts import Group
from catdog.text import Message, from_json

_BLOCK_BYTES = 16 * 2**20  # that each process gives at a time


def needs_all(group: Group) -> bool:
    """Whether this process needs the features of all photos: a head is trained by process 0 alone."""
    return group.process == 0 or devices.is_spread()


def united(group: Group, failed: dict[str, Message]) -> dict[str, Message]:
    """Digest → reason of the photos that any process could not read. All processes wait for each other."""
    if group.processes == 1:
        return failed
    # One process may have hours of work where the features of another are cached.
    found = group.gather({digest: reason.to_json() for digest, reason in failed.items()}, patience=math.inf)
    return {digest: from_json(reason) for reasons in found for digest, reason in reasons.items()} | failed


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
    # One process may read the features of all from a slow disk for hours.
    told = group.gather(base64.b64encode(marks.tobytes()).decode(), patience=math.inf)
    masks = [
        np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=len(digests)) for text in told
    ]
    wanted = [digests[row] for row in np.flatnonzero(np.any(masks, axis=0))]
    if wanted:
        devices.connect()

    def read(names: Sequence[str]) -> np.ndarray:
        tensors = store.read(names)
        if tensors is None:
            raise CacheError(
                "features have disappeared from {folder} while they were computed", folder=store.folder
            )
        return tensors.reshape(len(names), -1).view(np.uint8)

    with ShardWriter(store, needed=True) as writer:
        for block, tensors in from_owners(group, wanted, read, store.key.tensor_bytes):
            for digest, tensor in zip(block, tensors, strict=True):
                if digest in lacked:
                    # A copy: it may stay in memory, but not the block with it.
                    writer.add(digest, tensor.copy().view(store.key.dtype).reshape(store.key.shape))
    store.refresh()
    return sorted(lacked)


def from_owners(
    group: Group, digests: Sequence[str], read: Callable[[Sequence[str]], np.ndarray], size: int
) -> Iterator[tuple[Sequence[str], np.ndarray]]:
    """Blocks of digests with the bytes of each, (n, size) uint8. All processes ask for the same ones.

    Args:
        digests: hex; each process has the bytes of those that are its own.
        read: gives these bytes, (n, size), of some digests of this process.
    """
    step = max(1, min(len(digests), _BLOCK_BYTES // size))
    for start in range(0, len(digests), step):
        block = digests[start : start + step]
        given = np.zeros((step, size), np.uint8)
        if own := [row for row, digest in enumerate(block) if group.owns(digest)]:
            given[own] = read([block[row] for row in own])
        received = devices.from_all(given)
        yield block, received[[group.owner(digest) for digest in block], np.arange(len(block))]
