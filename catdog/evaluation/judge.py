"""One model on labelled photos: everything that an evaluation says is made from what this returns."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from catdog.config import JsonRecord
from catdog.data import Skipped
from catdog.errors import DataError
from catdog.evaluation.calibration import Calibration, held_out_temperatures, reliability
from catdog.evaluation.choose import Chosen
from catdog.evaluation.metrics import Evaluation, evaluate
from catdog.inference.classifier import Classifier
from catdog.progress import Progress


@dataclass(frozen=True)
class Gain(JsonRecord):
    """What averaging with the mirror image has brought.

    Attributes:
        right: photos right without it, and `right_averaged` with it.
        loss: mean cross-entropy as trained, without it, and `loss_averaged` with it; nats.
    """

    right: int
    right_averaged: int
    loss: float
    loss_averaged: float


@dataclass(frozen=True)
class Judged:
    """The answers of a model for n labelled photos.

    Attributes:
        paths: of the photos that could be read.
        labels: the true classes, (n,), indices into `classes`.
        logits: (n, units) float32, as trained.
        plain_logits: the same without averaging over the mirror image.
        probabilities: (n, classes) float32, as `catdog predict` gives them.
        losses: cross-entropy of each photo as trained, (n,), nats: what the training log has means of.
        skipped: the photos that could not be read.
    """

    classifier: Classifier
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    labels: np.ndarray
    logits: np.ndarray
    plain_logits: np.ndarray
    probabilities: np.ndarray
    losses: np.ndarray
    skipped: tuple[Skipped, ...]
    fitted_on: frozenset[str] = field(repr=False)  # digests of the photos that made the temperature
    gain: Gain | None = None

    @cached_property
    def evaluation(self) -> Evaluation:
        """Accuracy and the like."""
        return evaluate(self.probabilities, self.labels, self.losses, classes=self.classes)

    @property
    def answers(self) -> np.ndarray:
        """The most probable class of each photo, (n,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def right(self) -> np.ndarray:
        """Whether that is the true one, (n,) bool."""
        return self.answers == self.labels

    @cached_property
    def calibration(self) -> Calibration:
        """How far the probabilities can be taken at their word, before and after scaling."""
        model = self.classifier
        before = reliability(model.probabilities(self.logits, temperature=1), self.labels)
        if not model.is_scaled:
            return Calibration(None, False, before, None)
        temperatures = np.full(len(self.labels), model.temperature)
        fitted = np.array([digest in self.fitted_on for digest in self.digests])
        if fitted.any():
            temperatures[fitted] = held_out_temperatures(
                self.plain_logits[fitted],
                self.labels[fitted],
                [digest for digest, inside in zip(self.digests, fitted, strict=True) if inside],
                model.output,
            )
        scaled = model.probabilities(self.logits / temperatures[:, None], temperature=1)
        after = reliability(scaled, self.labels)
        return Calibration(model.temperature, bool(fitted.any()), before, after)

    def select(self, rows: np.ndarray, *, skipped: tuple[Skipped, ...] = ()) -> "Judged":
        """Some of the photos, by their indices; `skipped` are added to those that could not be read."""
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            digests=tuple(self.digests[row] for row in rows),
            labels=self.labels[rows],
            logits=self.logits[rows],
            plain_logits=self.plain_logits[rows],
            probabilities=self.probabilities[rows],
            losses=self.losses[rows],
            skipped=(*self.skipped, *skipped),
        )

    @cached_property
    def surprises(self) -> np.ndarray:
        """Cross-entropy of each photo under `probabilities`, (n,), nats: what goes with what is shown."""
        true = self.probabilities[np.arange(len(self.labels)), self.labels].astype(np.float64)
        return -np.log(np.maximum(true, np.finfo(np.float32).tiny))

    def worst(self, count: int) -> np.ndarray:
        """Indices of the photos with the largest loss, largest first."""
        return np.argsort(-self.surprises, kind="stable")[:count]

    def least_certain(self, count: int) -> np.ndarray:
        """Indices of the photos whose two most probable classes are closest, closest first."""
        top = np.sort(self.probabilities, axis=1)[:, -2:]
        return np.argsort(top[:, 1] - top[:, 0], kind="stable")[:count]


def judge(
    classifier: Classifier,
    chosen: Chosen,
    *,
    fitted_on: set[str],
    average_mirrored: bool = False,
    report: Callable[[Progress], None] = lambda _: None,
) -> Judged:
    """Ask a model about photos.

    Args:
        fitted_on: digests of the photos that its temperature was fitted on.
        average_mirrored: answer with the mean of the logits of each photo and of its mirror image.

    Raises:
        DataError: none of the photos can be read.
    """
    paths = [photo.path for photo in chosen.photos]
    found = classifier.predict(paths, digests=chosen.digests, report=report)
    labels = chosen.labels(classifier.classes)[found.photos]
    if not len(labels):
        raise DataError(
            "none of the {count} photos can be read, the first {path}: {reason}",
            count=len(paths),
            path=found.skipped[0].path,
            reason=found.skipped[0].reason,
        )
    judged = Judged(
        classifier=classifier,
        classes=classifier.classes,
        paths=tuple(paths[photo] for photo in found.photos),
        digests=found.digests,
        labels=labels,
        logits=found.logits,
        plain_logits=found.logits,
        probabilities=found.probabilities,
        losses=classifier.losses(found.logits, labels),
        skipped=(*chosen.skipped, *found.skipped),
        fitted_on=frozenset(fitted_on),
    )
    return _averaged(judged, report) if average_mirrored else judged


def _averaged(judged: Judged, report: Callable[[Progress], None]) -> Judged:
    model = judged.classifier
    digests = dict(zip(judged.paths, judged.digests, strict=True))
    mirrored = model.predict(judged.paths, digests=digests, report=report, mirrored=True)
    if len(mirrored.photos) < len(judged.paths):  # a file has gone in between
        judged = judged.select(mirrored.photos, skipped=mirrored.skipped)
    logits = (judged.logits + mirrored.logits) / 2
    probabilities = model.probabilities(logits)
    losses = model.losses(logits, judged.labels)
    gain = Gain(
        right=int(judged.right.sum()),
        right_averaged=int((probabilities.argmax(axis=1) == judged.labels).sum()),
        loss=float(judged.losses.mean()),
        loss_averaged=float(losses.mean()),
    )
    return replace(judged, logits=logits, probabilities=probabilities, losses=losses, gain=gain)
