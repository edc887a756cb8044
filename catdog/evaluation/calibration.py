"""Are the probabilities calibrated: reliability, and what temperature scaling changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catdog import large
from catdog.config import JsonRecord, Output
from catdog.model.temperature import enough, fit_temperature

BINS = 15
_FOLDS = 5


@dataclass(frozen=True)
class Bin(JsonRecord):
    """The photos with a predicted probability in (low, high]; without photos the means are None."""

    low: float
    high: float
    count: int
    confidence: float | None  # mean probability of the predicted class
    accuracy: float | None


@dataclass(frozen=True)
class Reliability(JsonRecord):
    """How well probabilities are calibrated.

    Attributes:
        error: expected calibration error, a fraction: mean distance of accuracy and confidence over the bins,
            weighted by their photos. Source: Naeini, Cooper, Hauskrecht, AAAI 2015, over 15 equal bins of the
            predicted class's probability, as in Guo et al., ICML 2017.
        nll: mean negative log-likelihood, nats per photo.
    """

    error: float
    nll: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Calibration(JsonRecord):
    """Without and with temperature scaling; at least one of the two is there.

    Attributes:
        temperature: what the model divides its logits by; None where it is not scaled here.
        held_out: the temperature was fitted on some of these photos. For `after`, each fifth of those is
            evaluated at a temperature that was fitted on the other four.
        before: uncalibrated; None where an exported file holds its temperature in the last layer.
        after: calibrated; None where the model has no temperature.
    """

    temperature: float | None
    held_out: bool
    before: Reliability | None
    after: Reliability | None

    @property
    def final(self) -> Reliability:
        """That of the probabilities that `catdog predict` prints."""
        found = self.after or self.before
        assert found
        return found


def reliability(probabilities_nk: np.ndarray, labels_n: np.ndarray) -> Reliability:
    """Compare the probability of the predicted class with the accuracy, for at least one photo.

    Args:
        probabilities_nk: (n, k).
        labels_n: the true classes, (n,).
    """
    confidence = large.by_block(lambda block: block.max(axis=1).astype(np.float64), probabilities_nk)
    right = large.by_block(lambda block: block.argmax(axis=1), probabilities_nk) == labels_n
    edges = np.linspace(0, 1, BINS + 1)
    places = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    bins, error = [], 0.0
    for number in range(BINS):
        inside = places == number
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if count else None
        bins.append(Bin(float(edges[number]), float(edges[number + 1]), count, *(means or (None, None))))
        error += count * abs(means[0] - means[1]) if means else 0.0
    nll = float(negative_log_likelihoods(probabilities_nk, labels_n).mean())
    return Reliability(error / len(labels_n), nll, tuple(bins))


def negative_log_likelihoods(probabilities_nk: np.ndarray, labels_n: np.ndarray) -> np.ndarray:
    """Of each photo's true class, (n,) float64, nats; finite also where its probability is 0."""
    true = large.by_block(
        lambda block, labels: block[np.arange(len(labels)), labels], probabilities_nk, labels_n
    )
    return np.log(1 / np.maximum(true.astype(np.float64), np.finfo(np.float32).tiny))


def held_out_temperatures(
    logits_nk: np.ndarray, labels_n: np.ndarray, digests: Sequence[str], photos: np.ndarray, output: Output
) -> np.ndarray:
    """For each of m photos a temperature (m,) that was fitted to the others, by cross-validation.

    Args:
        digests: content digests, (n,), which decide about the folds: exact duplicates are in the same one.
        photos: indices, (m,).
    """
    folds = np.array([int(digests[int(photo)][:8], 16) % _FOLDS for photo in photos.tolist()])
    temperatures = np.ones(len(photos))
    for fold in range(_FOLDS):
        inside = folds == fold
        if inside.any() and not inside.all():
            others = enough(photos[~inside], logits_nk.shape[1])
            temperatures[inside] = fit_temperature(logits_nk[others], labels_n[others], output)
    return temperatures
