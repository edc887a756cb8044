"""Temperature scaling: one number that calibrates probabilities; predicted classes do not change.

Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On Calibration of Modern Neural Networks, ICML 2017.

There the temperature minimizes the cross-entropy. For few photos, nearly all predicted correctly, that is no
good estimate: if all are correct, it is 0, and the loss of the next wrong prediction has no bound. Two priors
prevent that, chosen on halves of real validation photos by `tests/benchmarks/calibration.py`: pseudo-photos
whose class is drawn uniformly, and a normal distribution of the temperature's logarithm around 0.
"""

import math

import numpy as np

from catdog.config import Output

COLDEST, HOTTEST = 0.05, 20.0

_PSEUDO_PHOTOS = 1.0  # for two classes, what R. Krichevsky and V. Trofimov (IEEE Trans. IT 27, 1981) add
_PRIOR_DEVIATION = 0.25

_MOST_LOGITS = 2**24  # of more photos some decide, such as 16,000 of a thousand classes

_TOLERANCE = 1e-6
_MOST_STEPS = 100


def enough(photos: np.ndarray, units: int) -> np.ndarray:
    """As many of the photos, from all places alike, as are enough to fit a temperature."""
    return photos[:: -(-len(photos) * units // _MOST_LOGITS) or 1]


def fit_temperature(
    logits_nk: np.ndarray,
    labels_n: np.ndarray,
    output: Output,
    *,
    pseudo_photos: float = _PSEUDO_PHOTOS,
    prior_deviation: float = _PRIOR_DEVIATION,
) -> float:
    """The number to divide logits by, so that probabilities match how often such predictions are correct.

    Args:
        logits_nk: (n, k), or (n, 1) for a `binary` output.
        labels_n: the true classes, (n,), of photos that were not trained on; for `labels` 0 or 1, (n, k), and
            each label of a photo counts as a photo with two classes.
        pseudo_photos: how many to add, each class in equal parts.
        prior_deviation: standard deviation of the temperature's logarithm around 0; infinity is no prior.

    Returns:
        From `COLDEST` to `HOTTEST`; 1 does not change the probabilities.
    """
    photos = enough(np.arange(len(labels_n)), logits_nk.shape[1])
    logits, labels_n = logits_nk[photos].astype(np.float64), labels_n[photos]
    if output == "labels":
        logits, labels_n = logits.reshape(-1, 1), labels_n.reshape(-1).astype(np.int32)
    if output in ("binary", "labels"):
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    count, classes = logits.shape
    logits -= logits.max(axis=1, keepdims=True)
    true = logits[np.arange(count), labels_n]
    # The mean logit that the model should give to the class of each photo.
    target = (count * true + pseudo_photos * logits.mean(axis=1)) / (count + pseudo_photos)

    def slopes(log_inverse: float) -> tuple[float, float]:
        """First and second derivative of the loss with respect to the logarithm of 1 / temperature."""
        inverse = np.exp(log_inverse)
        weights = np.exp(inverse * logits)
        weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * logits).sum(axis=1)
        spread = (weights * logits**2).sum(axis=1) - mean**2
        first = inverse * (mean - target).sum()
        second = first + inverse**2 * spread.sum()
        prior = 1 / prior_deviation**2
        return float(first + log_inverse * prior), float(second + prior)

    low, high = -math.log(HOTTEST), -math.log(COLDEST)
    place = 0.0
    for _ in range(_MOST_STEPS):  # Newton's method; bisection where that leaves the bracket
        first, second = slopes(place)
        low, high = (place, high) if first < 0 else (low, place)
        step = place - first / second if second > 0 else low
        step = step if low < step < high else (low + high) / 2
        if abs(step - place) < _TOLERANCE:
            break
        place = step
    return math.exp(-place)
