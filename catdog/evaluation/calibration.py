"""Are probabilities as sure as they are right: reliability, and what a temperature does for it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catdog.config import JsonRecord, Output
from catdog.model.temperature import fit_temperature

BINS = 15
_FOLDS = 5


@dataclass(frozen=True)
class Bin(JsonRecord):
    """The photos whose answer has a probability in (low, high]; means are None where there is none."""

    low: float
    high: float
    count: int
    confidence: float | None  # mean probability of the answer
    accuracy: float | None


@dataclass(frozen=True)
class Reliability(JsonRecord):
    """How far probabilities can be taken at their word.

    Attributes:
        error: expected calibration error: mean distance of accuracy and confidence over the bins, weighted
            by their photos; a share. Source: Naeini, Cooper, Hauskrecht, AAAI 2015, over 15 equal bins of the
            answer's probability, as in Guo et al., ICML 2017.
        log_loss: mean cross-entropy, nats a photo.
    """

    error: float
    log_loss: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Calibration(JsonRecord):
    """Before and after temperature scaling.

    Attributes:
        temperature: what the model divides its logits by; None where it is not scaled, and `after` with it.
        held_out: these are the photos that the temperature was fitted on, so `after` judges each fifth of
            them at a temperature fitted on the other four.
    """

    temperature: float | None
    held_out: bool
    before: Reliability
    after: Reliability | None


def reliability(probabilities_nk: np.ndarray, labels_n: np.ndarray) -> Reliability:
    """Compare how sure answers are with how right they are; at least one photo."""
    probabilities = probabilities_nk.astype(np.float64)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels_n
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    bins = []
    for number in range(BINS):
        inside = place == number
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if count else (None, None)
        bins.append(Bin(float(edges[number]), float(edges[number + 1]), count, *means))
    gaps = [
        one.count * abs(one.confidence - one.accuracy)
        for one in bins
        if one.confidence is not None and one.accuracy is not None
    ]
    true = probabilities[np.arange(len(labels_n)), labels_n]
    log_loss = float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())
    return Reliability(sum(gaps) / len(labels_n), log_loss, tuple(bins))


def held_out_temperatures(
    logits_nk: np.ndarray, labels_n: np.ndarray, digests: Sequence[str], output: Output
) -> np.ndarray:
    """For each photo a temperature (n,) that was fitted without it.

    Args:
        digests: content digests, which decide about the fifths: copies of a photo are in the same one.
    """
    folds = np.array([int(digest[:8], 16) % _FOLDS for digest in digests])
    temperatures = np.ones(len(labels_n))
    for fold in range(_FOLDS):
        inside = folds == fold
        if inside.any() and not inside.all():
            temperatures[inside] = fit_temperature(logits_nk[~inside], labels_n[~inside], output)
    return temperatures
