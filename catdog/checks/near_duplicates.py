"""Near-duplicates: the same picture cropped, mirrored, resized, saved again, brighter or darker.

Two photos are near-duplicates if the cosine of their pooled features (the square root of the means over
positions, so that no channel outweighs the others) is at least `LEAST_COSINE`, and still at least
`LEAST_CENTRED` after the mean of each photo's class is subtracted: 400 screws on the same table are all
similar, but their differences from the mean screw are not.

Measured by `tests/benchmarks/near_duplicates.py` on 2,000 real photos of dogs and cats: of 1,999,000 pairs,
one is above both bounds, and it is the same picture. Recall for 150 changed photos: cropped by 10 % 0.99, by
20 % 0.93, mirrored 1.00, JPEG at quality 30 1.00, at half the size 0.99, darker by 30 % 1.00, brighter 0.99,
mirrored and cropped 0.98; made grey 0.55.

Many photos are not compared pair by pair, see `parts`. Among 100,000, all of 576 pairs above both bounds were
found.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from catdog.checks.parts import MOST_PHOTOS, parts
from catdog.progress import OnProgress, Progress, unreported

LEAST_COSINE = 0.90
LEAST_CENTRED = 0.76

LEAST_PHOTOS = 8  # for the mean of a class, or of the whole set
NEIGHBOURS = 5  # the similarity to this most similar photo is part of the result

_CANDIDATES = 16  # near-duplicates of a photo that are looked for; more are found as theirs
_CLOSEST = NEIGHBOURS + _CANDIDATES  # the most similar photos of each; some may be near-duplicates
_FAR = 1024  # photos that may be outliers, compared with all
_BLOCK = 512  # photos that are compared with all others at a time
_LESS = 1e-6  # of a mean
_AT_ONCE = 16  # columns whose largest number is looked for first


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
    """Compare the photos that `parts` puts together, each pair once; few photos all with all.

    Args:
        means_nc: pooled features, not negative, of photos with different contents; float16 or float32.
        labels_n: class index of each.
        report: its total may grow at the end, by the photos whose most similar photos are nearly all
            near-duplicates of each other.
    """
    count = len(means_nc)
    if count < 2:
        return Compared((), (), np.arange(count), np.ones(count))
    centres, whole = _centres(means_nc, labels_n)
    width, done = min(_CLOSEST, count - 1), 0
    closest = np.empty((count, width), np.int32)
    closeness = np.empty((count, width), np.float32)
    pairs: list[np.ndarray] = [np.empty((0, 2), np.int64)]
    similar: list[np.ndarray] = [np.empty(0, np.float32)]
    for home, photos in parts(lambda photos: _unit(_roots(means_nc[photos]) - whole), count):
        order = home[np.argsort(labels_n[home], kind="stable")]
        roots = _roots(means_nc[photos])
        plain = _unit(roots)
        for start in range(0, len(order), _BLOCK):
            rows = order[start : start + _BLOCK]
            places = np.searchsorted(photos, rows)
            cosines = _cosines(plain, places)
            largest = _largest(cosines, width)
            closest[rows] = photos[largest]
            closeness[rows] = np.take_along_axis(cosines, largest, axis=1)
            near = np.flatnonzero(closeness[rows].max(axis=1) >= LEAST_COSINE)
            labels, firsts_of = np.unique(labels_n[rows[near]], return_index=True)
            for label, same in zip(labels, np.split(near, firsts_of[1:]), strict=False):
                row, column = _candidates(cosines[same], roots, places[same], centres[label])
                pairs.append(np.stack([rows[same[row]], photos[column]], axis=1))
                similar.append(cosines[same[row], column])
            done += len(rows)
            report(Progress("compare", done, count))
    candidates, similarities = np.concatenate(pairs), np.concatenate(similar)
    sure = _agree(candidates, means_nc, labels_n, centres)
    groups, least = _grouped(candidates[sure], similarities[sure], count)
    is_first = np.ones(count, bool)
    is_first[[row for group in groups for row in group[1:]]] = False
    closeness[~is_first[closest]] = -2
    firsts = np.flatnonzero(is_first)
    neighbours = _neighbours(means_nc, firsts, closeness[firsts], whole, report)
    return Compared(groups, least, firsts, neighbours)


def _neighbours(
    means: np.ndarray, firsts: np.ndarray, closeness: np.ndarray, whole: np.ndarray, report: OnProgress
) -> np.ndarray:
    """The cosine of each of `firsts` with its `NEIGHBOURS`th most similar photo among them, (m,).

    Args:
        closeness: cosines with the most similar photos, -2 for a photo that is not in `firsts`, (m, k).
    """
    if len(firsts) < 2:
        return np.ones(len(firsts))
    width = min(NEIGHBOURS, len(firsts) - 1)
    neighbours = np.partition(closeness, -width, axis=1)[:, -width].astype(np.float64)
    again = (closeness > -2).sum(axis=1) < width
    done, total = len(means), len(means) + int(again.sum())
    if not again.any():
        return _with_exact(means, firsts, neighbours, width)
    for home, photos in parts(lambda photos: _unit(_roots(means[firsts[photos]]) - whole), len(firsts)):
        order = home[again[home]]
        plain = _unit(_roots(means[firsts[photos]])) if len(order) else means[:0]
        for start in range(0, len(order), _BLOCK):
            rows = order[start : start + _BLOCK]
            cosines = _cosines(plain, np.searchsorted(photos, rows))
            neighbours[rows] = np.partition(cosines, -width, axis=1)[:, -width]
            done += len(rows)
            report(Progress("compare", done, total))
    return _with_exact(means, firsts, neighbours, width)


def _with_exact(means: np.ndarray, firsts: np.ndarray, neighbours: np.ndarray, width: int) -> np.ndarray:
    """`neighbours`, the lowest of them exact: of many photos the nearest ones may be in another part."""
    if len(firsts) <= MOST_PHOTOS:
        return neighbours
    far = np.argsort(neighbours, kind="stable")[:_FAR]
    plain = _unit(_roots(means[firsts[far]]))
    largest = np.full((len(far), width + 1), -2, np.float32)  # the photo itself too
    for start in range(0, len(firsts), _BLOCK):
        cosines = plain @ _unit(_roots(means[firsts[start : start + _BLOCK]])).T
        largest = np.partition(np.hstack([largest, cosines]), -width - 1, axis=1)[:, -width - 1 :]
    neighbours[far] = largest.min(axis=1)
    return neighbours


def _cosines(plain: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Of the photos at these places with all, (m, n); -2 of a photo with itself."""
    cosines = plain[places] @ plain.T
    cosines[np.arange(len(places)), places] = -2
    return cosines


def _largest(cosines: np.ndarray, width: int) -> np.ndarray:
    """The columns of the largest numbers of each row, (m, width), in no order.

    They are among the columns that share the largest maxima: three times faster than all at once.
    """
    count = cosines.shape[1]
    shares = count // _AT_ONCE
    if shares <= width:
        return np.argpartition(cosines, -width, axis=1)[:, -width:]
    maxima = cosines[:, : shares * _AT_ONCE].reshape(-1, _AT_ONCE, shares).max(axis=1)
    best = np.argpartition(maxima, -width, axis=1)[:, -width:]
    among = (best[:, None] + shares * np.arange(_AT_ONCE)[:, None]).reshape(len(best), -1)
    rest = np.broadcast_to(np.arange(shares * _AT_ONCE, count), (len(best), count % _AT_ONCE))
    columns = np.hstack([among, rest])
    chosen = np.argpartition(np.take_along_axis(cosines, columns, axis=1), -width, axis=1)[:, -width:]
    return np.take_along_axis(columns, chosen, axis=1)


def _agree(pairs: np.ndarray, means: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Which pairs are near-duplicates with the mean of the second photo's class too, (p,) bool."""
    first, second = pairs.T
    agreed = labels[first] == labels[second]
    others = np.flatnonzero(~agreed)
    for start in range(0, len(others), _BLOCK):
        block = others[start : start + _BLOCK]
        centre = centres[labels[second[block]]]
        left, right = (_unit(_roots(means[photos[block]]) - centre) for photos in (first, second))
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


def _centres(means: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the mean of each class, the mean of all): of a small class that of all, of a small set zero."""
    sums = np.zeros((int(labels.max()) + 1, means.shape[1]))
    for start in range(0, len(means), _BLOCK):
        block = slice(start, start + _BLOCK)
        np.add.at(sums, labels[block], _roots(means[block]))
    counts = np.bincount(labels)[:, None]
    whole = sums.sum(axis=0) / len(means) if len(means) >= LEAST_PHOTOS else np.zeros(means.shape[1])
    centres = np.where(counts >= LEAST_PHOTOS, sums / np.maximum(counts, 1), whole)
    # A little less: of photos that are all the mean, the picture itself is left.
    return (centres * (1 - _LESS)).astype(np.float32), (whole * (1 - _LESS)).astype(np.float32)


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


def _roots(means: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(means, 0, dtype=np.float32))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
