"""Two runs on the same photos: is one better, or was it luck?"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from catdog.config import JsonRecord


@dataclass(frozen=True)
class Comparison(JsonRecord):
    """McNemar's test on the photos where exactly one of two runs is right.

    Attributes:
        first: the name of a run, and `second` of another.
        only_first: photos that the first alone has right.
        only_second: photos that the second alone has right.
        p_value: how likely a difference at least as large is, were both equally good; two-sided, exact.
            Source: Q. McNemar, Psychometrika 12 (1947), 153-157, with the binomial distribution.
    """

    first: str
    second: str
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float


def mcnemar(first: str, second: str, right_first: np.ndarray, right_second: np.ndarray) -> Comparison:
    """Compare two runs.

    Args:
        right_first: whether the first run has each photo right, (n,) bool.
        right_second: the same of the second, in the same order of photos.
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
