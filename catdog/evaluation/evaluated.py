"""What the predictions of a model for labelled photos have in common, whatever its output."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from catdog import large
from catdog.config import JsonRecord
from catdog.data import Skipped
from catdog.inference.classifier import Classifier
from catdog.runs import Run


@dataclass(frozen=True, kw_only=True)
class Evaluated(ABC):
    """The predictions of a model for n labelled photos.

    Attributes:
        model: a run, or an exported file.
        paths: of the photos that could be read.
        labels: what is true of the photos, as `catdog.data.targets` gives it, (n,).
        logits: (n, units) float32, uncalibrated.
        plain_logits: the same without test-time augmentation.
        skipped: the unreadable photos.
        fitted_on: digests of the photos that the temperature was fitted on.
    """

    model: Run | Path
    classifier: Classifier
    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    labels: np.ndarray
    logits: np.ndarray
    plain_logits: np.ndarray
    skipped: tuple[Skipped, ...]
    fitted_on: frozenset[str] = field(repr=False)

    @property
    def name(self) -> str:
        """The path of the run or of the exported file."""
        return str(self.model.folder if isinstance(self.model, Run) else self.model)

    @property
    def usual_logits(self) -> np.ndarray:
        """As in training, where the temperature was fitted; without views if only these are there."""
        return self.logits if self.classifier.is_usual else self.plain_logits

    def select(self, rows: np.ndarray, *, skipped: tuple[Skipped, ...] = ()) -> Self:
        """Some of the photos, by their indices; `skipped` are added to the unreadable ones."""
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            digests=tuple(self.digests[row] for row in rows),
            labels=self.labels[rows],
            logits=large.take(self.logits, rows),
            plain_logits=large.take(self.plain_logits, rows),
            skipped=(*self.skipped, *skipped),
        )

    def to_json(self, *, worst: int) -> dict[str, Any]:
        """Everything that `catdog evaluate --json` prints, with `worst` photos; paths are not shortened."""
        return self._facts() | {
            "model": self.name,
            "worst": [self.photo(row).to_json() for row in self.worst(worst)],
            "skipped": [{"path": str(bad.path), "reason": str(bad.reason)} for bad in self.skipped],
        }

    @abstractmethod
    def _facts(self) -> dict[str, Any]:
        """The metrics."""

    @abstractmethod
    def photo(self, row: int) -> JsonRecord:
        """The photo with that index."""

    @abstractmethod
    def evidence(self, rows: Sequence[int]) -> list[int]:
        """For which output of the network Grad-CAM shows the evidence on these photos."""

    @abstractmethod
    def worst(self, count: int) -> np.ndarray:
        """Indices of the photos with the largest loss or error, largest first."""
