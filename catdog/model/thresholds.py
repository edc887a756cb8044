"""The probability from which on a label is predicted, for an output with several labels."""

import math
from dataclasses import replace

import numpy as np

from catdog.config import ModelSpec

DEFAULT = 0.5  # of a label that no photo has


def best_thresholds(probabilities_nk: np.ndarray, labels_nk: np.ndarray) -> tuple[float, ...]:
    """The threshold of each label, (k,), with the largest F1 on photos that were held out.

    A label is predicted where its probability is at least the threshold. A threshold is in the middle between
    two photos; of those that are equally good it is the largest.
    """
    return tuple(
        _best(probabilities_nk[:, index].astype(np.float64), labels_nk[:, index] > 0)
        for index in range(labels_nk.shape[1])
    )


def _best(probabilities_n: np.ndarray, is_true_n: np.ndarray) -> float:
    if not is_true_n.any():
        return DEFAULT
    order = np.argsort(-probabilities_n, kind="stable")
    sorted_n = probabilities_n[order]
    hits = np.cumsum(is_true_n[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + is_true_n.sum())
    below = np.append(sorted_n[1:], 0.0)
    f1[sorted_n == below] = -1  # photos of the same probability go together
    best = int(np.argmax(f1))
    return float((sorted_n[best] + below[best]) / 2)


def without_temperature(spec: ModelSpec) -> ModelSpec:
    """The spec for uncalibrated probabilities; the same labels are predicted."""
    return replace(
        spec,
        temperature=None,
        thresholds=tuple(_scaled(number, spec.temperature or 1.0) for number in spec.thresholds),
    )


def _scaled(probability: float, factor: float) -> float:
    """The probability whose logit is larger by that factor."""
    inside = min(max(probability, 1e-12), 1 - 1e-12)
    return 1 / (1 + math.exp(-factor * math.log(inside / (1 - inside))))
