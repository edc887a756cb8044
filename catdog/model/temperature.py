"""Temperature scaling: one number that makes probabilities as sure as they are right, and moves no answer.

Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
"""

import numpy as np

from catdog.config import Output

COLDEST, HOTTEST = 0.05, 20.0

_TOLERANCE = 1e-6
_MOST_STEPS = 100


def fit_temperature(logits_nk: np.ndarray, labels_n: np.ndarray, output: Output) -> float:
    """What to divide logits by, so that their cross-entropy on these photos is least.

    The true class is held to (n + 1) / (n + k), the others to 1 / (n + k), after J. Platt (Probabilistic
    Outputs for Support Vector Machines, 1999): of n photos that all came out right nobody learns that
    the next one cannot be wrong.

    Args:
        logits_nk: (n, k), or (n, 1) for a `binary` output.
        labels_n: the true classes, (n,); photos that no training step saw.

    Returns:
        From `COLDEST` to `HOTTEST`; 1 leaves the probabilities as they are.
    """
    logits = logits_nk.astype(np.float64)
    if output == "binary":
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    count, classes = logits.shape
    logits -= logits.max(axis=1, keepdims=True)
    true = logits[np.arange(count), labels_n]
    pulled = (count * true + logits.sum(axis=1)) / (count + classes)  # expected logit under those targets

    def slope(inverse: float) -> tuple[float, float]:
        """First and second derivative of the cross-entropy by 1 / temperature, in which it is convex."""
        weights = np.exp(inverse * logits)
        weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * logits).sum(axis=1)
        spread = (weights * logits**2).sum(axis=1) - mean**2
        return float((mean - pulled).mean()), float(spread.mean())

    low, high = 1 / HOTTEST, 1 / COLDEST
    inverse = 1.0
    for _ in range(_MOST_STEPS):  # Newton's, and where that leaves the bracket, halving it
        first, second = slope(inverse)
        low, high = (inverse, high) if first < 0 else (low, inverse)
        step = inverse - first / second if second > 0 else low
        step = step if low < step < high else (low * high) ** 0.5
        if abs(step - inverse) < _TOLERANCE * inverse:
            break
        inverse = step
    return 1 / inverse
