"""One model's predictions for labelled photos: every number of an evaluation is made from them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from catdog import large
from catdog.config import JsonRecord
from catdog.data import Skipped
from catdog.errors import DataError, OptionError
from catdog.evaluation.calibration import (
    Calibration,
    held_out_temperatures,
    negative_log_likelihoods,
    reliability,
)
from catdog.evaluation.choose import Chosen
from catdog.evaluation.evaluated import Evaluated
from catdog.evaluation.metrics import Metrics, compute_metrics
from catdog.evaluation.several import EvaluatedLabels
from catdog.evaluation.values import EvaluatedValues
from catdog.inference.classifier import Classifier
from catdog.inference.prediction import Predictions
from catdog.runs import Run


@dataclass(frozen=True)
class Gain(JsonRecord):
    """What test-time augmentation (averaging over views) changes.

    Attributes:
        right: correct predictions without it, and `right_averaged` with it.
        loss: mean uncalibrated cross-entropy without it, and `loss_averaged` with it; nats.
    """

    right: int
    right_averaged: int
    loss: float
    loss_averaged: float


@dataclass(frozen=True)
class EvaluatedPhoto(JsonRecord):
    """One photo with its prediction."""

    path: str
    true: str
    label: str  # the predicted class
    probability: float  # of the predicted class
    loss: float  # negative log-likelihood of the true class, nats

    @property
    def is_right(self) -> bool:
        """Whether the prediction is correct."""
        return self.true == self.label


@dataclass(frozen=True, kw_only=True)
class EvaluatedPredictions(Evaluated):
    """The predictions of a model for n photos of classes; `labels` are indices into `classes`.

    Attributes:
        probabilities: (n, classes) float32, as `catdog predict` gives them.
        losses: uncalibrated cross-entropy of each photo, (n,), nats: the training log has means of these.
    """

    probabilities: np.ndarray
    losses: np.ndarray
    gain: Gain | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names."""
        return self.classifier.classes

    @cached_property
    def metrics(self) -> Metrics:
        """Accuracy and the like."""
        return compute_metrics(self.probabilities, self.labels, self.losses, classes=self.classes)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The most probable class of each photo, (n,)."""
        return large.by_block(_most_probable, self.probabilities)

    @property
    def right(self) -> np.ndarray:
        """Whether that is the true one, (n,) bool."""
        return self.predicted == self.labels

    @cached_property
    def calibration(self) -> Calibration:
        """How well the probabilities are calibrated, without and with temperature scaling."""
        model = self.classifier
        unscaled = reliability(model.probabilities(self.logits, temperature=1), self.labels)
        if not model.is_scaled:
            return Calibration(None, False, *((None, unscaled) if model.calibrated else (unscaled, None)))
        temperatures = np.full(len(self.labels), model.temperature)
        fitted = np.array([digest in self.fitted_on for digest in self.digests])
        if fitted.any():
            rows = np.flatnonzero(fitted)
            temperatures[rows] = held_out_temperatures(
                self.usual_logits, self.labels, self.digests, rows, model.output
            )
        after = reliability(model.probabilities(self.logits, temperature=temperatures), self.labels)
        return Calibration(model.temperature, bool(fitted.any()), unscaled, after)

    def select(self, rows: np.ndarray, *, skipped: tuple[Skipped, ...] = ()) -> "EvaluatedPredictions":
        """See `Evaluated`."""
        chosen = {"probabilities": large.take(self.probabilities, rows), "losses": self.losses[rows]}
        return replace(super().select(rows, skipped=skipped), **chosen)

    @cached_property
    def nll(self) -> np.ndarray:
        """Negative log-likelihood of each photo under `probabilities`, (n,), nats."""
        return negative_log_likelihoods(self.probabilities, self.labels)

    def photo(self, row: int) -> EvaluatedPhoto:
        """The photo with that index."""
        predicted = self.predicted[row]
        return EvaluatedPhoto(
            path=str(self.paths[row]),
            true=self.classes[self.labels[row]],
            label=self.classes[predicted],
            probability=float(self.probabilities[row, predicted]),
            loss=float(self.nll[row]),
        )

    def evidence(self, rows: Sequence[int]) -> list[int]:
        """See `Evaluated`: the predicted classes."""
        return self.predicted[list(rows)].tolist()

    def worst(self, count: int) -> np.ndarray:
        """See `Evaluated`."""
        return np.argsort(-self.nll, kind="stable")[:count]

    def least_certain(self, count: int) -> np.ndarray:
        """Indices of the photos whose two most probable classes are closest, closest first."""
        margins = large.by_block(_margins, self.probabilities)
        return np.argsort(margins, kind="stable")[:count]

    def _facts(self) -> dict[str, Any]:
        tta = self.gain.to_json() if self.gain else None
        return self.metrics.to_json() | {"calibration": self.calibration.to_json(), "tta": tta}


AnyOutput = EvaluatedPredictions | EvaluatedLabels | EvaluatedValues


def evaluate_predictions(
    model: Run | Path, classifier: Classifier, chosen: Chosen, found: Predictions
) -> AnyOutput:
    """What was predicted for labelled photos; those of a cross-validation by the head not fitted to them.

    Raises:
        DataError: none of the photos can be read.
        OptionError: photos of a cross-validation, and test-time augmentation is not as in training.
    """
    labels = chosen.targets(classifier.classes, classifier.output)[found.photos]
    if not len(labels):
        raise DataError(
            "expected a readable photo among {photos:,}, found none. The first, {path}: {reason}",
            photos=len(chosen.photos),
            path=found.skipped[0].path,
            reason=found.skipped[0].reason,
        )
    logits = found.logits
    held_out = model.held_out() if isinstance(model, Run) else {}
    rows = [row for row, digest in enumerate(found.digests) if digest in held_out]
    if rows and not classifier.is_usual:
        raise OptionError(
            "{run} was trained on these photos by cross-validation, and its held-out predictions were made "
            "in training: leave out --tta and --no-tta, or give other photos",
            run=model.folder if isinstance(model, Run) else model,
        )
    if rows:
        for row in rows:  # in place: the predictions of this call belong to nobody else
            logits[row] = held_out[found.digests[row]]
    kind = {"value": EvaluatedValues, "labels": EvaluatedLabels}.get(classifier.output, _of_classes)
    return kind(
        model=model,
        classifier=classifier,
        paths=tuple(chosen.photos[photo].path for photo in found.photos),
        digests=found.digests,
        labels=labels,
        logits=logits,
        plain_logits=logits if rows else found.plain_logits,
        skipped=(*chosen.skipped, *found.skipped),
        fitted_on=frozenset(model.split()["valid"]) if isinstance(model, Run) else frozenset(),
    )


def _of_classes(**common: Any) -> EvaluatedPredictions:
    model, labels = common["classifier"], common["labels"]
    logits, plain = common["logits"], common["plain_logits"]
    losses, probabilities = model.losses(logits, labels), model.probabilities(logits)
    gain = None
    if logits is not plain and model.views > 1:
        gain = Gain(
            right=int((large.by_block(_most_probable, model.probabilities(plain)) == labels).sum()),
            right_averaged=int((large.by_block(_most_probable, probabilities) == labels).sum()),
            loss=float(model.losses(plain, labels).mean()),
            loss_averaged=float(losses.mean()),
        )
    return EvaluatedPredictions(**common, probabilities=probabilities, losses=losses, gain=gain)


def _most_probable(probabilities_nk: np.ndarray) -> np.ndarray:
    return probabilities_nk.argmax(axis=1)


def _margins(probabilities_nk: np.ndarray) -> np.ndarray:
    """How much more probable the most probable class is than the second."""
    top = np.sort(probabilities_nk, axis=1)[:, -2:]
    return top[:, 1] - top[:, 0]
