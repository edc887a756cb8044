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
    """Compare each photo with every other one; time grows with the square of n, memory does not, unless
    thousands are near copies of one another, as the frames of a film are.

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
    pairs: list[np.ndarray] = []
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
            row, column = _largest(without)
            pairs.append(np.stack([rows[row], column], axis=1))
            done += len(rows)
            report(done, count)
    candidates = np.concatenate(pairs)
    cosines = (plain[candidates[:, 0]] * plain[candidates[:, 1]]).sum(axis=1)
    # The other photo may be of another class, with another average: it has to agree.
    other = np.array([_centred_cosine(roots[a], roots[b], centres[int(labels_n[b])]) for a, b in candidates])
    sure = (cosines >= LEAST_COSINE) & (other >= LEAST_CENTRED) if len(candidates) else np.empty(0, bool)
    return Alike(*_grouped(candidates[sure], cosines[sure], count), neighbours)


def _largest(cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of what is at least `LEAST_CENTRED`; of each row the `_CANDIDATES` largest."""
    row, column = np.nonzero(cosines >= LEAST_CENTRED)
    order = np.lexsort((column, -cosines[row, column], row))
    row, column = row[order], column[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    return row[rank < _CANDIDATES], column[rank < _CANDIDATES]


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


def _centred_cosine(one: np.ndarray, other: np.ndarray, centre: np.ndarray) -> float:
    pair = _unit(np.stack([one, other]) - centre)
    return float(pair[0] @ pair[1])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
