"""Two models on the same photos: is the difference significant?"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from catdog.config import JsonRecord


@dataclass(frozen=True)
class Comparison(JsonRecord):
    """McNemar's test on the photos for which exactly one of two models is right.

    Attributes:
        first: the name of a model, and `second` of another.
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
    only_first = int((right_first & ~right_second).sum())
    only_second = int((~right_first & right_second).sum())
    differ = only_first + only_second
    return Comparison(
        first=first,
        second=second,
        both_right=int((right_first & right_second).sum()),
        only_first=only_first,
        only_second=only_second,
        both_wrong=int((~right_first & ~right_second).sum()),
        p_value=float(binomtest(only_first, differ).pvalue) if differ else 1.0,
    )
