"""Predicted values compared with the true ones: mean absolute error, root mean squared error, R²."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from catdog.config import JsonRecord
from catdog.errors import DataError
from catdog.evaluation.bootstrap import interval, resamples
from catdog.evaluation.evaluated import Evaluated
from catdog.text import Message, message, quantity


@dataclass(frozen=True)
class ValueMetrics(JsonRecord):
    """How good predicted values are, in the unit of the values.

    Attributes:
        mae: mean absolute error.
        rmse: root of the mean squared error.
        r2: fraction of the variance that is explained; the mean of the true values would have 0. None where
            all true values are the same.
        mae_interval: 95 % confidence interval, and so are the others, see `catdog.evaluation.bootstrap`.
    """

    count: int
    unit: str
    mae: float
    mae_interval: tuple[float, ...]
    rmse: float
    rmse_interval: tuple[float, ...]
    r2: float | None
    r2_interval: tuple[float, ...]  # empty without `r2`

    def rows(self) -> Iterator[tuple[Message, str, Message]]:
        """For people: the name of each metric, its value, and its interval."""
        for name, value, ends in (
            (message("mean absolute error"), self.mae, self.mae_interval),
            (message("root mean squared error"), self.rmse, self.rmse_interval),
        ):
            low, high = (quantity(end, self.unit) for end in ends)
            yield name, quantity(value, self.unit), message("{low} to {high}", low=low, high=high)
        if self.r2 is not None:
            low, high = (f"{end:.4f}" for end in self.r2_interval)
            explained = message("R², fraction of the variance that is explained")
            yield explained, f"{self.r2:.4f}", message("{low} to {high}", low=low, high=high)


@dataclass(frozen=True)
class EvaluatedValue(JsonRecord):
    """One photo with its value, in the unit of the values."""

    path: str
    true: float
    value: float  # the predicted one
    error: float  # predicted - true


class EvaluatedValues(Evaluated):
    """The predictions of a model with a `value` output; `labels` are the true values, (n,) float64."""

    @cached_property
    def values(self) -> np.ndarray:
        """The predicted values, (n,) float64."""
        return self.classifier.values(self.logits)

    @property
    def unit(self) -> str:
        """Of the values; empty where nobody named it."""
        assert self.classifier.scale
        return self.classifier.scale.unit

    @property
    def errors(self) -> np.ndarray:
        """Absolute errors of the predicted values, (n,)."""
        return np.abs(self.values - self.labels)

    @cached_property
    def metrics(self) -> ValueMetrics:
        """The metrics with their intervals."""
        return compute_value_metrics(self.labels, self.values, self.unit)

    def photo(self, row: int) -> EvaluatedValue:
        """See `Evaluated`."""
        true, value = float(self.labels[row]), float(self.values[row])
        return EvaluatedValue(str(self.paths[row]), true, value, value - true)

    def evidence(self, rows: Sequence[int]) -> list[int]:
        """See `Evaluated`: there is one output."""
        return [0 for _ in rows]

    def worst(self, count: int) -> np.ndarray:
        """See `Evaluated`."""
        return np.argsort(-self.errors, kind="stable")[:count]

    def _facts(self) -> dict[str, Any]:
        return self.metrics.to_json()


def compute_value_metrics(true_n: np.ndarray, values_n: np.ndarray, unit: str) -> ValueMetrics:
    """The metrics of predicted values, (n,), and their intervals; the same arguments give the same numbers.

    Raises:
        DataError: there is no photo.
    """
    if not len(true_n):
        raise DataError("expected at least one readable photo to evaluate, found none")
    mae, rmse, r2 = _errors(true_n, values_n)
    drawn = np.array([_errors(true_n[rows], values_n[rows]) for rows in resamples(len(true_n))])
    of_mae, of_rmse, of_r2 = map(interval, drawn.T)
    explained = (r2, of_r2) if np.isfinite(r2) else (None, ())
    return ValueMetrics(len(true_n), unit, mae, of_mae, rmse, of_rmse, *explained)


def _errors(true_n: np.ndarray, values_n: np.ndarray) -> tuple[float, float, float]:
    """Mean absolute error, root mean squared error, R²."""
    errors = values_n - true_n
    mae, rmse = float(np.abs(errors).mean()), float(np.sqrt(np.mean(errors**2)))
    return mae, rmse, _explained(true_n, values_n)


def _explained(true_n: np.ndarray, values_n: np.ndarray) -> float:
    """R², or NaN where all true values are the same."""
    variance = float(((true_n - true_n.mean()) ** 2).sum())
    return 1 - float(((true_n - values_n) ** 2).sum()) / variance if variance else float("nan")
