"""Which photos are compared with which: of few, all with all; of many, those that are near each other.

Many photos are divided by the nearest of some centres, each part again, and so on until it is small. A photo
is at home in one part. Photos from beyond the border visit it: those first that are nearly at home there. A
division costs every photo the same, and so does the comparison: time grows with n log n, not with the square.

Sources: T. Liu, A. Moore, A. Gray, K. Yang, An Investigation of Practical Approximate Nearest Neighbor
Algorithms, NIPS 2004 (photos on both sides of a border); H. Jégou, M. Douze, C. Schmid, Product Quantization
for Nearest Neighbor Search, IEEE TPAMI 33 (2011), 117-128 (centres by k-means).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

MOST_PHOTOS = 2**15  # that are compared all with all

_HOME = 512  # photos at home in a part that is not divided, at most
_VISITORS = 3584  # in such a part, if there are so many
_OVERLAP = 8  # visitors for each photo at home in a larger part
_CENTRES = 64  # of a division, at most
_SAMPLE = 32  # photos for each centre
_STEPS = 3  # of k-means
_BLOCK = 8192  # photos whose vectors are in memory at a time

Vectors = Callable[[np.ndarray], np.ndarray]  # unit vectors of photos, by their indices, (m, c) float32


class Part(NamedTuple):
    """Photos that are compared: each of `home` with all of `photos`, its own among them; ascending."""

    home: np.ndarray
    photos: np.ndarray


def parts(vectors: Vectors, count: int) -> Iterator[Part]:
    """Every photo at home in one part. The same vectors give the same parts."""
    everything = np.arange(count)
    if count <= MOST_PHOTOS:
        yield Part(everything, everything)
    else:
        yield from _divided(vectors, everything, everything[:0], np.empty(0, np.float32))


def _divided(vectors: Vectors, home: np.ndarray, visitors: np.ndarray, beyond: np.ndarray) -> Iterator[Part]:
    """A part as it is, or divided; `beyond` is how far behind its border the visitors are."""
    if len(home) <= _HOME:
        yield Part(home, np.sort(np.concatenate([home, visitors])))
        return
    photos = np.concatenate([home, visitors])
    similar = _similar(vectors, photos, _centres(vectors, home))
    if np.bincount(similar[: len(home)].argmax(axis=1)).max() > len(home) * 7 // 8:
        similar = _in_a_row(similar, len(home))  # nearly the same picture, many times
    nearest = similar[: len(home)].argmax(axis=1)
    far = np.concatenate([np.zeros(len(home), np.float32), beyond]) + similar.max(axis=1)
    for centre in range(similar.shape[1]):
        inside = np.flatnonzero(nearest == centre)
        if len(inside):
            distances = far - similar[:, centre]
            distances[inside] = np.inf
            wanted = max(_VISITORS, _OVERLAP * len(inside))
            others = np.argpartition(distances, min(wanted, len(photos) - 1))[:wanted]
            others = others[np.isfinite(distances[others])]
            yield from _divided(vectors, home[inside], photos[others], distances[others])


def _centres(vectors: Vectors, home: np.ndarray) -> np.ndarray:
    """Unit vectors (k, c), by k-means on some of the photos."""
    count = min(_CENTRES, -(-len(home) // (_HOME // 2)))
    sample = vectors(home[np.linspace(0, len(home) - 1, min(_SAMPLE * count, len(home)), dtype=np.int64)])
    centres = sample[np.linspace(0, len(sample) - 1, count, dtype=np.int64)]
    for _ in range(_STEPS):
        nearest = (sample @ centres.T).argmax(axis=1)
        for number in np.unique(nearest):
            mean = sample[nearest == number].mean(axis=0)
            centres[number] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return centres


def _similar(vectors: Vectors, photos: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Cosines (m, k)."""
    found = np.empty((len(photos), len(centres)), np.float32)
    for start in range(0, len(photos), _BLOCK):
        block = slice(start, start + _BLOCK)
        found[block] = vectors(photos[block]) @ centres.T
    return found


def _in_a_row(similar: np.ndarray, home: int) -> np.ndarray:
    """As if the centres were places in a row of the photos, equally far apart, by their first cosine."""
    count = similar.shape[1]
    place = np.empty(len(similar))
    place[:home][np.argsort(similar[:home, 0], kind="stable")] = np.arange(home)
    place[home:] = np.searchsorted(np.sort(similar[:home, 0]), similar[home:, 0])
    return -np.abs(place[:, None] * count / home - 0.5 - np.arange(count)).astype(np.float32)
