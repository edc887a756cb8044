"""Metrics of predictions: accuracy and its interval, loss, confusion, precision, recall, F1, ROC AUC."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, rankdata

from catdog import large
from catdog.config import JsonRecord
from catdog.errors import DataError

_COLUMN_BYTES = 2**28


@dataclass(frozen=True)
class ClassScore(JsonRecord):
    """The metrics of one class. A fraction whose denominator is zero is None."""

    label: str
    count: int  # photos whose true class it is
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None  # against all other classes; None where photos of it, or of others, are missing


@dataclass(frozen=True)
class Metrics(JsonRecord):
    """How good the predictions for `count` photos are.

    Attributes:
        right: correct predictions.
        balanced_accuracy: mean recall of the classes that have photos.
        accuracy_interval: Wilson's 95 % confidence interval.
        roc_auc: mean over the classes that have one.
        loss: mean cross-entropy, nats per photo.
        confusion: row: true class, column: predicted class; in the order of `classes`.
    """

    count: int
    right: int
    accuracy: float
    balanced_accuracy: float
    accuracy_interval: tuple[float, ...]
    loss: float
    roc_auc: float | None
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassScore, ...]

    @property
    def confused(self) -> list[tuple[str, str, int]]:
        """(true class, predicted class, photos) of the wrong predictions, the most frequent first."""
        cells = [
            (self.classes[row], self.classes[column], count)
            for row, counts in enumerate(self.confusion)
            for column, count in enumerate(counts)
            if row != column and count
        ]
        return sorted(cells, key=lambda cell: -cell[2])


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a fraction. It is also valid near 0 and 1, and for few photos.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    interval = binomtest(right, count).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def roc_auc(scores: np.ndarray, is_positive: np.ndarray) -> float | None:
    """Area under the ROC curve: how often a positive has a larger score than a negative; ties count half.

    Args:
        scores: (n,).
        is_positive: (n,) bool.

    Returns:
        From 0 to 1; None where there is no positive or no negative.

    Source: J. A. Hanley, B. J. McNeil, Radiology 143 (1982), 29-36: the Wilcoxon statistic.
    """
    positives = int(is_positive.sum())
    negatives = len(scores) - positives
    if not positives or not negatives:
        return None
    ranks = rankdata(scores)[is_positive].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def compute_metrics(
    probabilities: np.ndarray, labels: np.ndarray, losses: np.ndarray, *, classes: tuple[str, ...]
) -> Metrics:
    """The metrics of predictions.

    Args:
        probabilities: (n, k).
        labels: the true classes, (n,), indices into `classes`.
        losses: cross-entropy of each photo in nats, (n,).

    Raises:
        DataError: there is no photo.
    """
    if not len(labels):
        raise DataError("expected at least one readable photo to evaluate, found none")
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    predicted = large.by_block(lambda block: block.argmax(axis=1), probabilities)
    np.add.at(confusion, (labels, predicted), 1)
    right, count = int(np.trace(confusion)), len(labels)
    areas = _roc_areas(probabilities, labels)
    scores = []
    for index, label in enumerate(classes):
        hits, photos, found = confusion[index, index], confusion[index].sum(), confusion[:, index].sum()
        scores.append(
            ClassScore(label=label, count=int(photos), **fractions(hits, photos, found), roc_auc=areas[index])
        )
    recalls = [score.recall for score in scores if score.recall is not None]
    known = [area for area in areas if area is not None]
    return Metrics(
        count=count,
        right=right,
        accuracy=right / count,
        balanced_accuracy=sum(recalls) / len(recalls),
        accuracy_interval=wilson_interval(right, count),
        loss=float(losses.astype(np.float64).mean()),
        roc_auc=sum(known) / len(known) if known else None,
        classes=classes,
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
        per_class=tuple(scores),
    )


def fractions(hits: int, photos: int, predicted: int) -> dict[str, float | None]:
    """Precision, recall and F1; None where the denominator is zero."""
    parts = {"precision": (hits, predicted), "recall": (hits, photos), "f1": (2 * hits, photos + predicted)}
    return {name: float(part / whole) if whole else None for name, (part, whole) in parts.items()}


def _roc_areas(probabilities: np.ndarray, labels: np.ndarray) -> list[float | None]:
    """Of each class; of large arrays some columns are in memory at a time."""
    count, classes = probabilities.shape
    step = max(1, _COLUMN_BYTES // (count * probabilities.itemsize))
    areas: list[float | None] = []
    for start in range(0, classes, step):
        columns = large.by_block(
            lambda block, start=start: block[:, start : start + step].copy(), probabilities
        )
        areas += [roc_auc(column, labels == start + index) for index, column in enumerate(columns.T)]
    return areas
