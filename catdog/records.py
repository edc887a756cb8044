"""The records that a run folder holds, one for each of its files of JSON."""

from dataclasses import dataclass
from typing import Any

from catdog.config import JsonRecord, TrainOptions


@dataclass(frozen=True)
class RunConfig(JsonRecord):
    """config.json: what makes the run repeatable."""

    options: TrainOptions
    classes: tuple[str, ...]  # in the order of the model's outputs
    data_digest: str  # of the content, class and split of every photo, hex
    prefix_digest: str  # of the frozen prefix's weights, hex
    preprocessing: str  # the name of a `Preprocessing`
    versions: dict[str, str]  # catdog, Python, JAX, Flax, Optax, NumPy, Pillow
    device: str  # such as "1 × cpu"
    created: str  # ISO 8601, UTC
    command: str = ""  # that started it, as typed, and those that resumed it, a line each


@dataclass(frozen=True)
class EpochRecord(JsonRecord):
    """One line of history.jsonl. Losses are means in nats per photo, accuracies fractions of the photos.

    Of a `value` output, losses are those of standardized values, and mean absolute errors are in its unit.
    """

    epoch: int  # from 1; 0 is the fitted head that fine-tuning starts from
    seconds: float  # validation included
    loss: float  # of the training photos, while the epoch went on
    acc: float | None  # None of a `value` output
    val_loss: float  # of the validation photos, after the epoch
    val_acc: float | None
    mae: float | None = None  # only of a `value` output
    val_mae: float | None = None

    def to_json(self) -> dict[str, Any]:
        """See `JsonRecord`; without the fields that belong to other outputs."""
        absent = () if self.acc is None else ("mae", "val_mae")
        return {name: value for name, value in super().to_json().items() if name not in absent}

    @property
    def metric(self) -> str:
        """`acc` or `mae`, as Keras names them."""
        return "mae" if self.acc is None else "acc"

    @property
    def scores(self) -> tuple[float | None, float | None]:
        """The metric of the training and of the validation photos."""
        return (self.mae, self.val_mae) if self.acc is None else (self.acc, self.val_acc)


@dataclass(frozen=True)
class Penalty(JsonRecord):
    """One penalty that was tried: mean loss and accuracy of the held-out photos."""

    l2: float
    loss: float
    acc: float | None  # None of a `value` output


@dataclass(frozen=True)
class CrossValidation(JsonRecord):
    """cross_validation.json: how the L2 penalty was chosen."""

    folds: int
    photos: int
    l2: float  # the chosen one, with its loss and accuracy
    loss: float
    acc: float | None
    tried: tuple[Penalty, ...]


@dataclass(frozen=True)
class SkippedRecord(JsonRecord):
    """One line of skipped.jsonl: an unreadable photo, and the reason in English."""

    path: str
    reason: str
