"""Near-duplicates: the same picture cropped, mirrored, resized, saved again, brighter or darker.

Two photos are near-duplicates if the cosine of their pooled features (the square root of the means over
positions, so that no channel outweighs the others) is at least `LEAST_COSINE`, and still at least
`LEAST_CENTRED` after the mean of each photo's class is subtracted: 400 screws on the same table are all
similar, but their differences from the mean screw are not.

Measured by `tests/benchmarks/near_duplicates.py` on 2,000 real photos of dogs and cats: of 1,999,000 pairs,
one is above both bounds, and it is the same picture. Recall for 150 changed photos: cropped by 10 % 0.99, by
20 % 0.93, mirrored 1.00, JPEG at quality 30 1.00, at half the size 0.99, darker by 30 % 1.00, brighter 0.99,
mirrored and cropped 0.98; made grey 0.55.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from catdog.progress import OnProgress, Progress, unreported

LEAST_COSINE = 0.90
LEAST_CENTRED = 0.76

LEAST_PHOTOS = 8  # for the mean of a class, or of the whole set
NEIGHBOURS = 5  # the similarity to this most similar photo is part of the result

_CANDIDATES = 16  # near-duplicates of a photo that are looked for; more are found as theirs
_CLOSEST = NEIGHBOURS + _CANDIDATES  # the most similar photos of each; some may be near-duplicates
_BLOCK = 512  # photos that are compared with all others at a time
_PART = 64  # of these, sorted at a time: indices are twice as large as cosines


@dataclass(frozen=True)
class Compared:
    """Groups of near-duplicates, and how near all other photos are to each other."""

    groups: tuple[tuple[int, ...], ...]  # indices, each group ascending; the most similar group first
    similarities: tuple[float, ...]  # of each group, the lowest cosine along the chain that connects it
    firsts: np.ndarray  # indices of all photos except near-duplicates of an earlier photo, ascending, (m,)
    neighbours: np.ndarray  # cosine of each of these with the `NEIGHBOURS`th most similar (or the last), (m,)


def find_near_duplicates(
    means_nc: np.ndarray, labels_n: np.ndarray, *, report: OnProgress = unreported
) -> Compared:
    """Compare every pair of photos once; time grows with the square of n, memory with n.

    Args:
        means_nc: pooled features, not negative, of photos with different contents.
        labels_n: class index of each.
        report: its total may grow at the end, by the photos whose most similar photos are nearly all
            near-duplicates of each other.
    """
    count = len(means_nc)
    if count < 2:
        return Compared((), (), np.arange(count), np.ones(count))
    roots = np.sqrt(np.maximum(means_nc, 0)).astype(np.float32)
    plain = _unit(roots)
    centres = _centres(roots, labels_n)
    width = min(_CLOSEST, count - 1)
    closest = np.empty((count, width), np.int32)
    closeness = np.empty((count, width), np.float32)
    pairs: list[np.ndarray] = [np.empty((0, 2), np.int64)]
    similar: list[np.ndarray] = [np.empty(0, np.float32)]
    order = np.argsort(labels_n, kind="stable")
    for start in range(0, count, _BLOCK):
        rows = order[start : start + _BLOCK]
        cosines = plain[rows] @ plain.T
        cosines[np.arange(len(rows)), rows] = -2
        for part in range(0, len(rows), _PART):
            here = slice(part, part + _PART)
            largest = np.argpartition(cosines[here], -width, axis=1)[:, -width:]
            closest[rows[here]] = largest
            closeness[rows[here]] = np.take_along_axis(cosines[here], largest, axis=1)
        labels, firsts_of = np.unique(labels_n[rows], return_index=True)
        for label, first, last in zip(labels, firsts_of, [*firsts_of[1:], len(rows)], strict=True):
            row, column = _candidates(cosines[first:last], roots, rows[first:last], centres[int(label)])
            pairs.append(np.stack([rows[first + row], column], axis=1))
            similar.append(cosines[first + row, column])
        report(Progress("compare", start + len(rows), count))
    candidates, similarities = np.concatenate(pairs), np.concatenate(similar)
    sure = _agree(candidates, roots, labels_n, centres)
    groups, least = _grouped(candidates[sure], similarities[sure], count)
    is_first = np.ones(count, bool)
    is_first[[row for group in groups for row in group[1:]]] = False
    closeness[~is_first[closest]] = -2
    firsts = np.flatnonzero(is_first)
    neighbours = _neighbours(plain, firsts, closeness[firsts], report)
    return Compared(groups, least, firsts, neighbours)


def _neighbours(
    plain: np.ndarray, firsts: np.ndarray, closeness: np.ndarray, report: OnProgress
) -> np.ndarray:
    """The cosine of each of `firsts` with its `NEIGHBOURS`th most similar photo among them, (m,).

    Args:
        closeness: cosines with the most similar photos, -2 for a photo that is not in `firsts`, (m, k).
    """
    if len(firsts) < 2:
        return np.ones(len(firsts))
    width = min(NEIGHBOURS, len(firsts) - 1)
    neighbours = np.partition(closeness, -width, axis=1)[:, -width].astype(np.float64)
    again = np.flatnonzero((closeness > -2).sum(axis=1) < width)
    among = plain[firsts] if len(again) else plain[:0]
    for start in range(0, len(again), _BLOCK):
        rows = again[start : start + _BLOCK]
        cosines = among[rows] @ among.T
        cosines[np.arange(len(rows)), rows] = -2
        neighbours[rows] = np.partition(cosines, -width, axis=1)[:, -width]
        report(Progress("compare", len(plain) + start + len(rows), len(plain) + len(again)))
    return neighbours


def _agree(
    pairs: np.ndarray, roots: np.ndarray, labels: np.ndarray, centres: dict[int, np.ndarray]
) -> np.ndarray:
    """Which pairs are near-duplicates with the mean of the second photo's class too, (p,) bool."""
    first, second = pairs.T
    agreed = labels[first] == labels[second]
    others = np.flatnonzero(~agreed)
    for start in range(0, len(others), _BLOCK):
        block = others[start : start + _BLOCK]
        centre = np.stack([centres[label] for label in labels[second[block]].tolist()])
        left, right = (_unit(roots[photos[block]] - centre) for photos in (first, second))
        agreed[block] = (left * right).sum(axis=1) >= LEAST_CENTRED
    return agreed


def _candidates(
    cosines: np.ndarray, roots: np.ndarray, rows: np.ndarray, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs above both bounds, of photos `rows` of one class and all photos: places in `rows`, photos.

    At most the `_CANDIDATES` most similar of each. `centre`, the class mean, is subtracted only from photos
    above the first bound: it would be work for each photo and class.
    """
    alike = cosines >= LEAST_COSINE
    columns = np.flatnonzero(alike.any(axis=0))
    without = _unit(roots[rows] - centre) @ _unit(roots[columns] - centre).T
    without = np.where(alike[:, columns], without, -2)
    found = without >= LEAST_CENTRED
    many = np.flatnonzero(found.sum(axis=1) > _CANDIDATES)
    largest = np.argpartition(without[many], -_CANDIDATES, axis=1)[:, -_CANDIDATES:]
    found[many] = False
    found[many[:, None], largest] = True
    row, column = np.nonzero(found)
    return row, columns[column]


def _centres(roots: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    """The mean of each class; for a small class the mean of the whole set, for a small set zero."""
    whole = roots.mean(axis=0) if len(roots) >= LEAST_PHOTOS else np.zeros_like(roots[0])
    return {
        int(label): roots[labels == label].mean(axis=0) if (labels == label).sum() >= LEAST_PHOTOS else whole
        for label in np.unique(labels)
    }


def _grouped(
    pairs: np.ndarray, cosines: np.ndarray, count: int
) -> tuple[tuple[tuple[int, ...], ...], tuple[float, ...]]:
    """Groups of connected pairs, and the lowest cosine of each group's pairs."""
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    component = connected_components(graph, directed=False)[1]
    numbers, of_pair = np.unique(component[pairs[:, 0]], return_inverse=True)
    least = np.full(len(numbers), np.inf)
    np.minimum.at(least, of_pair, cosines)
    order = np.argsort(component, kind="stable")
    starts, ends = (np.searchsorted(component[order], numbers, side) for side in ("left", "right"))
    groups = sorted(
        (-float(cosine), tuple(order[start:end].tolist()))
        for cosine, start, end in zip(least, starts, ends, strict=True)
    )
    return tuple(group for _, group in groups), tuple(-cosine for cosine, _ in groups)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
