"""What a training reports while it runs: records for whoever shows or logs them, in this order.

Progress       photos are read, weights are downloaded, features are computed
PhotosFound    what there is to train on
Remark         a sentence about the data
RunStarted     the run folder is there
PhotosSkipped  which photos cannot be read
CacheRepaired  files of the feature cache were damaged
EpochStarted, Sums (several times), EpochRecord    for each epoch
Finished       the last epoch is on disk
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from catdog.data import Skipped
from catdog.progress import Progress
from catdog.runs import EpochRecord, Run
from catdog.text import Message


@dataclass(frozen=True)
class PhotosFound:
    """How many photos each split has, unreadable files not counted, and of which classes."""

    train: int
    valid: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Remark:
    """What a person should know about the data; nothing has to be done."""

    sentence: Message


@dataclass(frozen=True)
class RunStarted:
    """The folder of this training is made, or opened again to resume it.

    Attributes:
        epochs: how many it will have.
    """

    run: Run
    epochs: int


@dataclass(frozen=True)
class PhotosSkipped:
    """Photos that cannot be read; at least one.

    Attributes:
        listed_in: the file of the run folder that lists them.
    """

    skipped: tuple[Skipped, ...]
    listed_in: Path


@dataclass(frozen=True)
class CacheRepaired:
    """Damaged files of the feature cache were deleted, and their features computed again."""

    files: int


@dataclass(frozen=True)
class EpochStarted:
    """An epoch begins, the first is 1; `photos` are trained on in each."""

    epoch: int
    epochs: int
    photos: int


class Sums(NamedTuple):
    """Sums over the photos of an epoch so far, with dropout on, as Keras logs it.

    Attributes:
        loss: sum of the photos' losses, nats.
        correct: photos whose class was predicted correctly.
    """

    loss: float
    correct: float
    photos: int


@dataclass(frozen=True)
class Finished:
    """The training is over.

    Attributes:
        best: the epoch of the checkpoint in `run.model_path`: the one with the lowest validation loss.
    """

    run: Run
    best: EpochRecord


Event = (
    Progress
    | PhotosFound
    | Remark
    | RunStarted
    | PhotosSkipped
    | CacheRepaired
    | EpochStarted
    | Sums
    | EpochRecord
    | Finished
)
Report = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The report of a training that nobody watches."""
