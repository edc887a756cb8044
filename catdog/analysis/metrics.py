"""Numbers about answers: accuracy with its interval, loss, confusion, precision, recall, F1, ROC AUC."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from catdog.config import JsonRecord
from catdog.errors import DataError

_Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True)
class ClassScore(JsonRecord):
    """How one class came out. A share whose denominator is zero is None."""

    label: str
    count: int  # photos that truly are of this class
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None  # against all other classes; None where photos of it, or of others, are missing


@dataclass(frozen=True)
class Evaluation(JsonRecord):
    """How good the answers for `count` photos are.

    Attributes:
        accuracy_interval: Wilson's 95 % interval.
        roc_auc: mean over the classes that have one.
        loss: mean cross-entropy, nats a photo.
        confusion: row: true class, column: answer; in the order of `classes`.
    """

    count: int
    right: int
    accuracy: float
    accuracy_interval: tuple[float, ...]
    loss: float
    roc_auc: float | None
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassScore, ...]

    @property
    def confused(self) -> list[tuple[str, str, int]]:
        """(true class, answer, photos) of the wrong answers, the most frequent first."""
        cells = [
            (self.classes[row], self.classes[column], count)
            for row, counts in enumerate(self.confusion)
            for column, count in enumerate(counts)
            if row != column and count
        ]
        return sorted(cells, key=lambda cell: -cell[2])


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a share, which stays honest near 0 and 1 and for few photos.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    share, spread = right / count, _Z_95**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = _Z_95 * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    # Of 60 right of 60, `centre + half` is rounded to a little less than 1, which is the share itself.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def roc_auc(scores: np.ndarray, is_positive: np.ndarray) -> float | None:
    """Area under the ROC curve: how often a positive has a larger score than a negative, ties half.

    Args:
        scores: (n,).
        is_positive: (n,) bool.

    Returns:
        None where there is no positive or no negative.

    Source: J. A. Hanley, B. J. McNeil, Radiology 143 (1982), 29-36: the Wilcoxon statistic.
    """
    positives = int(is_positive.sum())
    negatives = len(scores) - positives
    if not positives or not negatives:
        return None
    ranks = rankdata(scores)[is_positive].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def evaluate(
    probabilities: np.ndarray, labels: np.ndarray, losses: np.ndarray, *, classes: tuple[str, ...]
) -> Evaluation:
    """Score answers.

    Args:
        probabilities: (n, k).
        labels: the true classes, (n,), indices into `classes`.
        losses: cross-entropy of each photo in nats, (n,).

    Raises:
        DataError: there is no photo.
    """
    if not len(labels):
        raise DataError("expected at least one photo to evaluate, found none that can be read")
    answers = probabilities.argmax(axis=1)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, answers), 1)
    right, count = int(np.trace(confusion)), len(labels)
    scores = []
    for index, label in enumerate(classes):
        hits, truly, said = (
            confusion[index, index],
            confusion[index].sum(),
            confusion[:, index].sum(),
        )
        scores.append(
            ClassScore(
                label=label,
                count=int(truly),
                precision=_share(hits, said),
                recall=_share(hits, truly),
                f1=_share(2 * hits, truly + said),
                roc_auc=roc_auc(probabilities[:, index], labels == index),
            )
        )
    areas = [score.roc_auc for score in scores if score.roc_auc is not None]
    return Evaluation(
        count=count,
        right=right,
        accuracy=right / count,
        accuracy_interval=wilson_interval(right, count),
        loss=float(losses.astype(np.float64).mean()),
        roc_auc=sum(areas) / len(areas) if areas else None,
        classes=classes,
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
        per_class=tuple(scores),
    )


def _share(part: np.integer, whole: np.integer) -> float | None:
    return float(part / whole) if whole else None
