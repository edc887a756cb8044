"""Several labels a photo: precision, recall, F1 and average precision of each label."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from catdog.config import JsonRecord
from catdog.evaluation.evaluated import Evaluated
from catdog.evaluation.metrics import fractions, wilson_interval
from catdog.text import message

OWN_THRESHOLDS = message(
    "The thresholds were chosen on some of these photos, for the largest F1: precision, recall and F1 are "
    "slightly too good."
)


@dataclass(frozen=True)
class LabelScore(JsonRecord):
    """The metrics of one label. A fraction whose denominator is zero is None."""

    label: str
    count: int  # photos that have it
    threshold: float  # it is predicted where its probability is at least this
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None  # mean of the precision over the recall, whatever the threshold


@dataclass(frozen=True)
class LabelMetrics(JsonRecord):
    """How good the predictions of several labels are.

    Attributes:
        loss: mean binary cross-entropy over photos and labels, uncalibrated, nats.
        right: photos all of whose labels are predicted, and no other.
        right_interval: Wilson's 95 % confidence interval of their fraction.
        average_precision: mean over the labels that have one.
    """

    count: int
    loss: float
    right: int
    right_interval: tuple[float, ...]
    average_precision: float | None
    per_label: tuple[LabelScore, ...]


@dataclass(frozen=True)
class EvaluatedLabelled(JsonRecord):
    """One photo with its labels."""

    path: str
    true: tuple[str, ...]
    labels: tuple[str, ...]  # the predicted ones
    loss: float  # mean binary cross-entropy over the labels, nats

    @property
    def is_right(self) -> bool:
        """Whether all labels are predicted, and no other."""
        return self.true == self.labels


class EvaluatedLabels(Evaluated):
    """The predictions of a model with several labels; `labels` are 0 or 1, (n, k) float32."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the labels."""
        return self.classifier.classes

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(n, k) float32, as `catdog predict` gives them."""
        return self.classifier.probabilities(self.logits)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Which labels are predicted, (n, k) bool."""
        return self.probabilities >= np.array(self.classifier.thresholds)

    @property
    def right(self) -> np.ndarray:
        """Whether all labels of a photo are predicted, and no other, (n,) bool."""
        return (self.predicted == (self.labels > 0)).all(axis=1)

    @cached_property
    def metrics(self) -> LabelMetrics:
        """The metrics of all labels."""
        scores = tuple(self._score(index) for index in range(len(self.names)))
        right, count = int(self.right.sum()), len(self.right)
        means = [score.average_precision for score in scores if score.average_precision is not None]
        return LabelMetrics(
            count=count,
            loss=float(self.classifier.losses(self.logits, self.labels).astype(np.float64).mean()),
            right=right,
            right_interval=wilson_interval(right, count),
            average_precision=sum(means) / len(means) if means else None,
            per_label=scores,
        )

    @property
    def has_own_thresholds(self) -> bool:
        """Whether the thresholds were chosen on some of these photos."""
        return any(digest in self.fitted_on for digest in self.digests)

    def photo(self, row: int) -> EvaluatedLabelled:
        """See `Evaluated`."""
        true, labels = (
            tuple(name for name, there in zip(self.names, found[row], strict=True) if there)
            for found in (self.labels, self.predicted)
        )
        return EvaluatedLabelled(str(self.paths[row]), true, labels, float(self._losses[row]))

    def evidence(self, rows: Any) -> list[int]:
        """See `Evaluated`: the most probable labels."""
        return self.probabilities[list(rows)].argmax(axis=1).tolist()

    def worst(self, count: int) -> np.ndarray:
        """See `Evaluated`."""
        return np.argsort(-self._losses, kind="stable")[:count]

    @cached_property
    def _losses(self) -> np.ndarray:
        """Of `probabilities`, (n,)."""
        tiny = np.finfo(np.float32).tiny
        of_true = np.where(self.labels > 0, self.probabilities, 1 - self.probabilities).astype(np.float64)
        return -np.log(np.maximum(of_true, tiny)).mean(axis=1)

    def _score(self, index: int) -> LabelScore:
        true, predicted = self.labels[:, index] > 0, self.predicted[:, index]
        hits, photos, found = int((true & predicted).sum()), int(true.sum()), int(predicted.sum())
        return LabelScore(
            label=self.names[index],
            count=photos,
            threshold=self.classifier.thresholds[index],
            **fractions(hits, photos, found),
            average_precision=average_precision(self.probabilities[:, index], true),
        )

    def _facts(self) -> dict[str, Any]:
        return self.metrics.to_json()


def precision_recall(scores_n: np.ndarray, is_true_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(precision, recall), each (m,), at each of the m different scores, the largest first."""
    order = np.argsort(-scores_n, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores_n[order]) != 0, True))  # ties move together
    hits = np.cumsum(is_true_n[order])[ends]
    return hits / (ends + 1), hits / max(int(is_true_n.sum()), 1)


def average_precision(scores_n: np.ndarray, is_true_n: np.ndarray) -> float | None:
    """The sum of the precisions at all scores, each times the recall that it adds; None without a true one.

    Source: M. Zhu, Recall, Precision and Average Precision, University of Waterloo, 2004.
    """
    if not is_true_n.any():
        return None
    precision, recall = precision_recall(scores_n, is_true_n)
    return float((np.diff(recall, prepend=0.0) * precision).sum())
