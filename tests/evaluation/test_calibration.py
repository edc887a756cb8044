"""Calibration error against values worked out by hand, and what held-out temperatures may not use."""

import hashlib

import numpy as np
import pytest

from catdog.evaluation.calibration import BINS, held_out_temperatures, reliability
from catdog.model.temperature import fit_temperature


def test_error_is_the_weighted_gap_of_the_bins() -> None:
    # Two bins: 0.70 three times with two right, 0.95 once and wrong.
    probabilities = np.array([[0.7, 0.3], [0.7, 0.3], [0.3, 0.7], [0.95, 0.05]])
    found = reliability(probabilities, np.array([0, 1, 1, 1]))
    assert found.error == pytest.approx((3 * abs(2 / 3 - 0.7) + 1 * 0.95) / 4)
    assert found.nll == pytest.approx(-np.log([0.7, 0.3, 0.7, 0.05]).mean())
    full = [part for part in found.bins if part.count]
    assert [(part.count, part.accuracy) for part in full] == [(3, pytest.approx(2 / 3)), (1, 0.0)]
    assert len(found.bins) == BINS
    assert all(part.low < (part.confidence or 0) <= part.high for part in full)


def test_every_photo_is_in_one_bin_also_at_the_ends() -> None:
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [1 / 3, 2 / 3]])
    assert sum(part.count for part in reliability(probabilities, np.array([0, 1, 1])).bins) == 3


def test_a_certain_prediction_that_is_wrong_costs_a_finite_loss() -> None:
    assert 50 < reliability(np.array([[1.0, 0.0]]), np.array([1])).nll < 100


def test_a_held_out_temperature_is_fitted_without_its_photo() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(50, 2)).astype(np.float32) * 4
    labels = random.integers(0, 2, 50)
    digests = tuple(hashlib.sha256(bytes([number // 2])).hexdigest() for number in range(50))  # all in pairs
    before = held_out_temperatures(logits, labels, digests, np.arange(50), "category")
    for number in (0, 17, 49):
        changed = labels.copy()
        changed[number] = 1 - changed[number]
        after = held_out_temperatures(logits, changed, digests, np.arange(50), "category")
        duplicates = [other for other in range(50) if digests[other] == digests[number]]
        assert np.array_equal(after[duplicates], before[duplicates])
        assert (after != before).any()
    assert len(set(before)) == 5
    assert fit_temperature(logits, labels, "category") == pytest.approx(before.mean(), rel=0.2)
