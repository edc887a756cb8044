"""What a training reports while it runs: records for whoever shows or logs them, in this order.

`Progress` may come at any time until the first epoch. Each epoch is an `EpochStarted`, some `Sums` and an
`EpochRecord`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from catdog.config import Output
from catdog.data import Skipped
from catdog.progress import Progress
from catdog.runs import CrossValidation, EpochRecord, Run
from catdog.text import Message


class PhotosFound(NamedTuple):
    """How many photos each split has, without files whose bytes cannot be read."""

    train: int
    valid: int
    classes: tuple[str, ...]
    output: Output = "category"


class Remark(NamedTuple):
    """What a person should know about the data or the training."""

    sentence: Message


class RunStarted(NamedTuple):
    """The run folder is made, or opened again."""

    run: Run
    epochs: int  # that it will have


class PhotosSkipped(NamedTuple):
    """At least one photo that cannot be read."""

    skipped: tuple[Skipped, ...]
    listed_in: Path  # skipped.jsonl of the run


class CacheRepaired(NamedTuple):
    """Damaged files of the feature cache were deleted, and their features computed again."""

    files: int


class PenaltyChosen(NamedTuple):
    """The L2 penalty is chosen."""

    found: CrossValidation


class RatesChosen(NamedTuple):
    """Each stage that is trained has a learning rate of its own."""

    rates: Mapping[str, float]  # the highest of the schedule


class HeadFitted(NamedTuple):
    """The head is fitted, with the rest still as it was: epoch 0, which fine-tuning has to surpass."""

    record: EpochRecord


class EpochStarted(NamedTuple):
    """An epoch begins; the first is 1."""

    epoch: int
    epochs: int
    photos: int  # of training
    metric: str = "acc"  # what the scores are; or mae


class Sums(NamedTuple):
    """Sums over the photos of an epoch so far, with dropout on, as Keras logs it."""

    loss: float = 0.0  # nats
    score: float = 0.0  # photos whose class was predicted correctly; of a `value` output absolute errors
    photos: int = 0


NO_SUMS = Sums()


class Finished(NamedTuple):
    """All epochs are on disk; `run.model_path` holds the checkpoint of the epoch `best`.

    It is the one with the lowest validation loss; if the head was fitted to the end (`is_last`), the last.
    Epoch 0 is the head alone: fine-tuning did not lower its validation loss.
    """

    run: Run
    best: EpochRecord
    is_last: bool = False


Event = (
    Progress
    | PhotosFound
    | Remark
    | RunStarted
    | PhotosSkipped
    | CacheRepaired
    | RatesChosen
    | PenaltyChosen
    | HeadFitted
    | EpochStarted
    | Sums
    | EpochRecord
    | Finished
)
Report = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The report of a training that nobody watches."""
