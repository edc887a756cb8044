"""Metrics of predictions, against values worked out elsewhere."""

import numpy as np
import pytest

from catdog.errors import DataError
from catdog.evaluation.metrics import compute_metrics, roc_auc, wilson_interval


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0000),
    ],
)
def test_wilson_interval(right: int, count: int, low: float, high: float) -> None:
    assert wilson_interval(right, count) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_ends_where_all_are_right_or_none_is() -> None:
    for count in range(1, 1000):
        assert wilson_interval(0, count)[0] == 0
        assert wilson_interval(count, count)[1] == 1


def test_wilson_interval_covers_95_percent() -> None:
    random = np.random.default_rng(0)
    for fraction in (0.5, 0.9, 0.985):
        drawn, counts = np.unique(random.binomial(400, fraction, 4000), return_counts=True)
        intervals = [wilson_interval(int(right), 400) for right in drawn]
        covered = [low <= fraction <= high for low, high in intervals]
        assert np.average(covered, weights=counts) == pytest.approx(0.95, abs=0.02)


def test_counts_and_fractions() -> None:
    # True classes a, a, a, b, b, c; predicted a, a, b, b, c, c.
    labels = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.eye(4)[[0, 0, 1, 1, 2, 2]] * 0.7 + 0.075
    losses = -np.log(probabilities[np.arange(6), labels])
    metrics = compute_metrics(probabilities, labels, losses, classes=("a", "b", "c", "d"))
    assert (metrics.count, metrics.right) == (6, 4)
    assert metrics.accuracy == pytest.approx(4 / 6)
    assert metrics.loss == pytest.approx(losses.mean())
    assert metrics.confusion == ((2, 1, 0, 0), (0, 1, 1, 0), (0, 0, 1, 0), (0, 0, 0, 0))
    scores = {
        score.label: (score.count, score.precision, score.recall, score.f1) for score in metrics.per_class
    }
    assert scores["a"] == (3, pytest.approx(1.0), pytest.approx(2 / 3), pytest.approx(0.8))
    assert scores["b"] == (2, pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5))
    assert scores["c"] == (1, pytest.approx(0.5), pytest.approx(1.0), pytest.approx(2 / 3))
    assert scores["d"] == (0, None, None, None)


def test_nothing_to_evaluate() -> None:
    with pytest.raises(DataError, match="at least one readable photo"):
        compute_metrics(np.empty((0, 2)), np.empty(0, np.int64), np.empty(0), classes=("a", "b"))


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_roc_auc_is_scikit_learns_also_with_ties(levels: int) -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(levels)
    positive = random.random(300) < 0.3
    scores = np.floor(levels * (random.random(300) + 0.3 * positive)) / levels
    assert roc_auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert roc_auc(scores, np.zeros(300, bool)) is None


def test_scores_are_scikit_learns() -> None:
    from sklearn.metrics import (
        balanced_accuracy_score,
        log_loss,
        precision_recall_fscore_support,
        roc_auc_score,
    )

    random = np.random.default_rng(1)
    probabilities = random.dirichlet([1, 1, 1], size=200)
    labels = np.array([random.choice(3, p=row) for row in probabilities])
    losses = -np.log(probabilities[np.arange(200), labels])
    metrics = compute_metrics(probabilities, labels, losses, classes=("a", "b", "c"))
    theirs = precision_recall_fscore_support(labels, probabilities.argmax(axis=1))
    for index, score in enumerate(metrics.per_class):
        ours = (score.precision, score.recall, score.f1, score.count)
        assert ours == pytest.approx([column[index] for column in theirs])  # pyright: ignore
    assert metrics.balanced_accuracy == pytest.approx(
        balanced_accuracy_score(labels, probabilities.argmax(axis=1))
    )
    assert metrics.loss == pytest.approx(log_loss(labels, probabilities))
    assert metrics.roc_auc == pytest.approx(roc_auc_score(labels, probabilities, multi_class="ovr"))
