"""The losses of `catdog.model.outputs` in NumPy, with their slopes: what L-BFGS needs."""

import numpy as np

from catdog.config import Loss, Output

Slopes = tuple[np.ndarray, np.ndarray]


def losses_and_slopes(
    logits_nk: np.ndarray, labels_n: np.ndarray, output: Output, loss: Loss | None
) -> Slopes:
    """The loss of each photo, (n,), and its derivatives with respect to the logits, (n, k)."""
    from scipy.special import expit, logsumexp  # other optimizers need not wait for it

    if output == "value":
        return _of_values(logits_nk[:, 0] - labels_n, loss)
    if output == "labels":
        losses = np.logaddexp(0, logits_nk) - labels_n * logits_nk
        return losses.mean(axis=1), (expit(logits_nk) - labels_n) / logits_nk.shape[1]
    both = np.concatenate([np.zeros_like(logits_nk), logits_nk], axis=1) if output == "binary" else logits_nk
    log_probabilities = both - logsumexp(both, axis=1, keepdims=True)
    slopes = np.exp(log_probabilities)
    rows = np.arange(len(labels_n))
    slopes[rows, labels_n] -= 1
    return -log_probabilities[rows, labels_n], slopes[:, -logits_nk.shape[1] :]


def _of_values(errors_n: np.ndarray, loss: Loss | None) -> Slopes:
    if loss == "huber":
        clipped = np.clip(errors_n, -1, 1)
        return clipped * (errors_n - clipped / 2), clipped[:, None]
    return errors_n**2, 2 * errors_n[:, None]


def scores(logits_nk: np.ndarray, labels_n: np.ndarray, output: Output) -> np.ndarray:
    """See `catdog.model.outputs.scores`."""
    if output == "value":
        return np.abs(logits_nk[:, 0] - labels_n)
    if output == "labels":
        return ((logits_nk > 0) == (labels_n > 0)).mean(axis=1)
    return (logits_nk[:, 0] > 0 if output == "binary" else logits_nk.argmax(axis=1)) == labels_n
