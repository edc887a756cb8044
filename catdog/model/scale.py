"""Standardization of the values of a `value` output: the network learns them with mean 0 and deviation 1."""

import numpy as np

from catdog.config import Scale


def fit_scale(values_n: np.ndarray, unit: str) -> Scale:
    """The scale of these values, which are not all the same."""
    values = values_n.astype(np.float64)
    return Scale(float(values.mean()), float(values.std()), unit)


def standardized(values_n: np.ndarray, scale: Scale) -> np.ndarray:
    """(n,) float32: what the logits of such photos should be."""
    return ((values_n - scale.mean) / scale.deviation).astype(np.float32)


def in_unit(logits_n1: np.ndarray, scale: Scale) -> np.ndarray:
    """(n,) float64: the values that logits (n, 1) stand for."""
    return logits_n1[:, 0].astype(np.float64) * scale.deviation + scale.mean
