"""McNemar's test against figures of others; differences of errors."""

import numpy as np
import pytest

from catdog.evaluation.compare import compare_errors, mcnemar


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        # 2 · (1 + 6) / 2^6, and 2 · (1 + 10 + 45) / 2^10: sums of binomial coefficients
        (1, 5, 0.21875),
        (8, 2, 0.109375),
        (0, 6, 0.03125),
    ],
)
def test_p_value(only_first: int, only_second: int, p_value: float) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True] * 7 + [False] * 3)
    second = np.array([False] * only_first + [True] * only_second + [True] * 7 + [False] * 3)
    found = mcnemar("a", "b", first, second)
    assert (found.both_right, found.both_wrong) == (7, 3)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p_value == pytest.approx(p_value)
    assert found.is_significant == (p_value < 0.05)
    assert mcnemar("b", "a", second, first).p_value == pytest.approx(p_value)


def test_the_interval_of_a_paired_difference() -> None:
    random = np.random.default_rng(1)
    first = random.random(400) * 10
    second = first - 0.1 + random.normal(size=400) / 10  # photos differ by much more than models
    found = compare_errors("a", "b", first, second)
    error = 1.96 * (first - second).std() / 20
    assert found.interval == pytest.approx((found.difference - error, found.difference + error), abs=0.002)
    assert found.is_significant
    assert not compare_errors("a", "b", first, np.roll(first, 1)).is_significant
