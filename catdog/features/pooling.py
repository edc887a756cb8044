"""Maps, or the vectors that a head's pooling makes of them: 25 and more times smaller, with the same numbers.

Maps serve every head, so they are kept where those of all photos fit into the cache. Where they do not, and
the head pools them first of all, its vectors are kept. What is there is used, whatever it is.
"""

from collections.abc import Sequence

import numpy as np

from catdog.config import Decoding
from catdog.features.prefix import Prefix, pad_batch
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.workspace import FeatureCache

_ROWS = 64  # maps that are pooled together


def stores_of(cache: FeatureCache, prefix: Prefix, decoding: Decoding) -> list[FeatureStore]:
    """Where features may be, in the order of looking them up: pooled ones, if the head pools; then maps."""
    kinds = (True, False) if prefix.pool else (False,)
    return [FeatureStore(cache, prefix.key(decoding, pooled=pooled)) for pooled in kinds]


def lacking(stores: Sequence[FeatureStore], digests: Sequence[str]) -> list[str]:
    """The photos (hex) that are in none of the stores, see `FeatureStore.missing`."""
    for store in stores:
        digests = store.missing(digests)
    return list(digests)


def pool_cached(
    maps: FeatureStore, vectors: FeatureStore, digests: Sequence[str], prefix: Prefix
) -> list[str]:
    """Pool the maps of these photos (hex) that are there; the vectors are needed afterwards.

    Returns:
        The photos that have no maps.

    Raises:
        CacheError: maps have disappeared meanwhile, or there is no room for the vectors.
    """
    missing = maps.missing(digests)
    without = set(missing)
    there = [digest for digest in digests if digest not in without]
    features = maps.features(there)
    with ShardWriter(vectors, needed=True) as writer:
        for start in range(0, len(there), _ROWS):
            names = there[start : start + _ROWS]
            rows = features.gather(np.arange(start, start + len(names)))
            pooled = np.asarray(prefix.pooled(pad_batch(list(rows), _ROWS)))[: len(names)]
            for digest, vector in zip(names, pooled, strict=True):
                writer.add(digest, vector)
    vectors.refresh()
    return missing
