"""Temperature scaling: one number that makes probabilities as sure as they are right, and moves no answer.

Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On Calibration of Modern Neural Networks, ICML 2017.

There it is the temperature of least cross-entropy. Of few photos, nearly all of them right, that is no
estimate: with none wrong it is 0, and the next photo that is wrong costs without bound. So two things are
held against it here, chosen on halves of real validation photos by `tests/benchmarks/calibration.py`:
one photo more than were seen, of each class in equal parts, and a belief that the temperature is near 1.
"""

import math

import numpy as np

from catdog.config import Output

COLDEST, HOTTEST = 0.05, 20.0

_UNSEEN = 1.0  # photos; for two classes what R. Krichevsky and V. Trofimov (IEEE Trans. IT 27, 1981) add
_BELIEF = 0.25  # standard deviation of the temperature's logarithm around 0

_TOLERANCE = 1e-6
_MOST_STEPS = 100


def fit_temperature(
    logits_nk: np.ndarray,
    labels_n: np.ndarray,
    output: Output,
    *,
    unseen: float = _UNSEEN,
    belief: float = _BELIEF,
) -> float:
    """What to divide logits by, so that the probabilities say how often such answers are right.

    Args:
        logits_nk: (n, k), or (n, 1) for a `binary` output.
        labels_n: the true classes, (n,); photos that no training step saw.
        unseen: photos more than were seen, of each class in equal parts.
        belief: standard deviation of the temperature's logarithm around 0; infinite is none.

    Returns:
        From `COLDEST` to `HOTTEST`; 1 leaves the probabilities as they are.
    """
    logits = logits_nk.astype(np.float64)
    if output == "binary":
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    count, classes = logits.shape
    logits -= logits.max(axis=1, keepdims=True)
    true = logits[np.arange(count), labels_n]
    # What the logit of a photo is to be on average, were it asked again and again.
    target = (count * true + unseen * logits.mean(axis=1)) / (count + unseen)

    def slopes(log_inverse: float) -> tuple[float, float]:
        """First and second derivative, by the logarithm of 1 / temperature, of what is to be least."""
        inverse = np.exp(log_inverse)
        weights = np.exp(inverse * logits)
        weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * logits).sum(axis=1)
        spread = (weights * logits**2).sum(axis=1) - mean**2
        first = inverse * (mean - target).sum()
        second = first + inverse**2 * spread.sum()
        return float(first + log_inverse / belief**2), float(second + 1 / belief**2)

    low, high = -math.log(HOTTEST), -math.log(COLDEST)
    place = 0.0
    for _ in range(_MOST_STEPS):  # Newton's, and where that leaves the bracket, halving it
        first, second = slopes(place)
        low, high = (place, high) if first < 0 else (low, place)
        step = place - first / second if second > 0 else low
        step = step if low < step < high else (low + high) / 2
        if abs(step - place) < _TOLERANCE:
            break
        place = step
    return math.exp(-place)
