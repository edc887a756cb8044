"""Two models on the same photos: is the difference significant?"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import binomtest

from catdog.config import JsonRecord
from catdog.evaluation.bootstrap import interval, resamples


@dataclass(frozen=True)
class Comparison(JsonRecord):
    """McNemar's test on the photos for which exactly one of two models is right.

    Attributes:
        first: the name of a model, and `second` of another. A photo of several labels is right if all are.
        only_first: photos that only the first predicts correctly.
        only_second: photos that only the second predicts correctly.
        p_value: probability of a difference at least as large if both were equally good; two-sided, exact.
            Source: Q. McNemar, Psychometrika 12 (1947), 153-157, with the binomial distribution.
    """

    first: str
    second: str
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float

    @property
    def is_significant(self) -> bool:
        """At the 5 % level."""
        return self.p_value < 0.05


def mcnemar(first: str, second: str, right_first: np.ndarray, right_second: np.ndarray) -> Comparison:
    """Compare two models.

    Args:
        right_first: whether the first model predicts each photo correctly, (n,) bool.
        right_second: the same for the second, in the same order of photos.
    """
    assert right_first.shape == right_second.shape
    both = product((right_first, ~right_first), (right_second, ~right_second))
    both_right, only_first, only_second, both_wrong = (
        int((of_first & of_second).sum()) for of_first, of_second in both
    )
    differ = only_first + only_second
    p_value = float(binomtest(only_first, differ).pvalue) if differ else 1.0
    return Comparison(first, second, both_right, only_first, only_second, both_wrong, p_value)


@dataclass(frozen=True)
class ErrorDifference(JsonRecord):
    """How much larger the absolute errors of one model are than those of another on the same photos.

    Attributes:
        first: the name of a model, and `second` of another.
        difference: mean absolute error of the first minus that of the second, in the unit of the values.
        interval: its 95 % confidence interval, paired by photo; see `catdog.evaluation.bootstrap`.
    """

    first: str
    second: str
    difference: float
    interval: tuple[float, ...]

    @property
    def is_significant(self) -> bool:
        """Whether the interval is on one side of zero."""
        low, high = self.interval
        return low > 0 or high < 0


def compare_errors(
    first: str, second: str, errors_first: np.ndarray, errors_second: np.ndarray
) -> ErrorDifference:
    """Compare two models by the absolute errors of each photo, (n,), in the same order of photos."""
    differences = errors_first - errors_second
    drawn = [float(differences[rows].mean()) for rows in resamples(len(differences))]
    return ErrorDifference(first, second, float(differences.mean()), interval(drawn))
