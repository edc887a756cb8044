"""Confidence intervals by the percentile bootstrap over photos.

Source: B. Efron, The Annals of Statistics 7 (1979), 1-26.
"""

from collections.abc import Iterable, Iterator

import numpy as np

_RESAMPLES = 2000


def resamples(count: int) -> Iterator[np.ndarray]:
    """Rows of resampled photos, each (count,); always the same ones for the same count."""
    random = np.random.default_rng(0)
    for _ in range(_RESAMPLES):
        yield random.integers(count, size=count)


def interval(numbers: Iterable[float]) -> tuple[float, float]:
    """Between the percentiles 2.5 and 97.5 of the numbers that are finite."""
    finite = [number for number in numbers if np.isfinite(number)]
    low, high = np.percentile(finite, (2.5, 97.5)) if finite else (float("nan"), float("nan"))
    return float(low), float(high)
