"""One split is luck: the accuracy of the same head over many random splits of the same photos."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from catdog.evaluation.metrics import wilson_interval
from catdog.insight.lessons.material import MOST, PENALTY, Material
from catdog.training.logistic import Samples

SPLITS = 100
FRACTION = 0.2  # of each class, for validation


@dataclass(frozen=True)
class Splits:
    """What `try_splits` found.

    Attributes:
        photos: of all splits together, and `validated` of them for validation in each.
        right: validation photos with a correct prediction in each random split, (SPLITS,).
        own_right, own_count: the same of the split that `catdog train` would make.
    """

    photos: int
    validated: int
    right: np.ndarray
    own_right: int
    own_count: int

    @property
    def median(self) -> int:
        """The correct predictions of the median split; of the lower one, where there are two."""
        return int(np.sort(self.right)[(len(self.right) - 1) // 2])

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy of that split alone."""
        return wilson_interval(self.median, self.validated)

    @property
    def own_interval(self) -> tuple[float, float]:
        """The same of the split that `catdog train` would make."""
        return wilson_interval(self.own_right, self.own_count)

    @property
    def inside(self) -> int:
        """How many of the random splits have an accuracy inside `interval`."""
        low, high = self.interval
        accuracy = self.right / self.validated
        return int(((low <= accuracy) & (accuracy <= high)).sum())


def try_splits(material: Material, report: Callable[[int], None]) -> Splits:
    """Fit a head by L-BFGS to each split, always with the same penalty.

    Args:
        report: called with the number of splits that are done.
    """
    train, valid = material.train.samples, material.valid.samples
    own = int(_right(train, valid))
    joined = _joined(train, valid)
    random = np.random.default_rng(0)
    if len(joined.labels) > MOST:
        joined = joined.select(np.sort(random.choice(len(joined.labels), MOST, replace=False)))
    right = []
    for number in range(SPLITS):
        held_out = _held_out(joined.labels, random)
        right.append(_right(joined.select(~held_out), joined.select(held_out)))
        report(number + 1)
    validated = int(_held_out(joined.labels, random).sum())
    return Splits(len(joined.labels), validated, np.array(right), own, len(valid.labels))


def _joined(train: Samples, valid: Samples) -> Samples:
    parts = {
        name: np.concatenate([getattr(train, name), getattr(valid, name)])
        for name in ("inputs", "labels", "weights")
    }
    return replace(train, **parts)


def _held_out(labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Which photos are for validation, (n,) bool: the same fraction of each class, but never all of it."""
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(max(1, round(FRACTION * len(rows))), len(rows) - 1)
        chosen[random.choice(rows, count, replace=False)] = True
    return chosen


def _right(train: Samples, valid: Samples) -> int:
    layer = train.fit(train.nothing, PENALTY)
    return int(valid.scores(layer).sum())
