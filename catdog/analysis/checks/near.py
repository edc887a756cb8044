"""Near copies: the same picture cropped, mirrored, resized, saved again, brighter or darker.

Two photos are near copies where the cosine of their pooled features (the square root of the means over
positions, so that no channel outweighs the others) is at least `LEAST_COSINE`, and still at least
`LEAST_CENTRED` without what each photo's class has in common: 400 screws on the same table are all alike, but
not in how they differ from the average screw.

Measured by `tests/benchmarks/near_copies.py` on 2,000 real photos of dogs and cats: of 1,999,000 pairs one is
above both bounds, and it is the same picture. Of 150 photos, changed, so many are above both: cropped by
10 % 0.99, by 20 % 0.93, mirrored 1.00, JPEG at quality 30 1.00, at half the size 0.99, darker by 30 % 1.00,
brighter 0.99, mirrored and cropped 0.98; made grey 0.55.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

LEAST_COSINE = 0.90
LEAST_CENTRED = 0.76

LEAST_PHOTOS = 8  # for a mean to say what a class, or the whole set, has in common
NEIGHBOURS = 5  # whose similarity is told of each photo

_CANDIDATES = 16  # near copies that are looked for of one photo; more are found through one another
_BLOCK = 512  # photos compared with all others at a time


@dataclass(frozen=True)
class Alike:
    """Attributes:
    groups: of near copies, indices, each group ascending; the most alike first.
    similarities: the least cosine along the chain that holds each group together.
    neighbours: cosine of each photo and the `NEIGHBOURS`th most similar one, or the last there is, (n,).
    """

    groups: tuple[tuple[int, ...], ...]
    similarities: tuple[float, ...]
    neighbours: np.ndarray


def find_alike(
    means_nc: np.ndarray, labels_n: np.ndarray, *, report: Callable[[int, int], None] = lambda *_: None
) -> Alike:
    """Compare each photo with every other one; time grows with the square of n, memory does not.

    Args:
        means_nc: pooled features, not negative, of photos with different contents.
        labels_n: class index of each.
        report: called with photos done and n.
    """
    count = len(means_nc)
    if count < 2:
        return Alike((), (), np.ones(count))
    roots = np.sqrt(np.maximum(means_nc, 0)).astype(np.float32)
    plain = _unit(roots)
    centres = _centres(roots, labels_n)
    width = min(NEIGHBOURS, count - 1)
    neighbours = np.empty(count)
    pairs: list[np.ndarray] = [np.empty((0, 2), np.int64)]
    similar: list[np.ndarray] = [np.empty(0, np.float32)]
    done = 0
    for label, centre in centres.items():
        centred = _unit(roots - centre)
        members = np.flatnonzero(labels_n == label)
        for start in range(0, len(members), _BLOCK):
            rows = members[start : start + _BLOCK]
            itself = (np.arange(len(rows)), rows)
            cosines = plain[rows] @ plain.T
            cosines[itself] = -2
            neighbours[rows] = np.partition(cosines, -width, axis=1)[:, -width]
            without = centred[rows] @ centred.T
            without[itself] = -2
            row, column = _largest(np.where(cosines >= LEAST_COSINE, without, -2))
            pairs.append(np.stack([rows[row], column], axis=1))
            similar.append(cosines[row, column])
            done += len(rows)
            report(done, count)
    candidates, similarities = np.concatenate(pairs), np.concatenate(similar)
    # A photo of another class, with another average, has to agree.
    agreed = [
        labels_n[a] == labels_n[b]
        or _cosine_without(centres[int(labels_n[b])], roots[a], roots[b]) >= LEAST_CENTRED
        for a, b in candidates
    ]
    sure = np.array(agreed, bool)
    return Alike(*_grouped(candidates[sure], similarities[sure], count), neighbours)


def _largest(cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of what is at least `LEAST_CENTRED`; of each row the `_CANDIDATES` largest."""
    found = cosines >= LEAST_CENTRED
    many = np.flatnonzero(found.sum(axis=1) > _CANDIDATES)
    largest = np.argpartition(cosines[many], -_CANDIDATES, axis=1)[:, -_CANDIDATES:]
    found[many] = False
    found[many[:, None], largest] = True
    row, column = np.nonzero(found)
    return row, column


def _centres(roots: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    """What each class has in common; of a small class the whole set, and of a small set nothing."""
    whole = roots.mean(axis=0) if len(roots) >= LEAST_PHOTOS else np.zeros_like(roots[0])
    return {
        int(label): roots[labels == label].mean(axis=0) if (labels == label).sum() >= LEAST_PHOTOS else whole
        for label in np.unique(labels)
    }


def _grouped(
    pairs: np.ndarray, cosines: np.ndarray, count: int
) -> tuple[tuple[tuple[int, ...], ...], tuple[float, ...]]:
    """Pairs that share photos become one group."""
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    component = connected_components(graph, directed=False)[1]
    groups = []
    for number in np.unique(component[pairs[:, 0]]):
        least = float(cosines[component[pairs[:, 0]] == number].min())
        groups.append((least, tuple(np.flatnonzero(component == number).tolist())))
    groups.sort(key=lambda group: (-group[0], group[1]))
    return tuple(group for _, group in groups), tuple(least for least, _ in groups)


def _cosine_without(centre: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    pair = _unit(np.stack([one, other]) - centre)
    return float(pair[0] @ pair[1])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
