"""What a model predicts: the record of one photo, and the arrays of many."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from catdog.data import Skipped
from catdog.inference.inputs import Input
from catdog.text import Message

_Found = TypeVar("_Found")

UNSURE = "unsure"  # the label where no class is probable enough


@dataclass(frozen=True, repr=False)
class Prediction:
    """The classes of one photo by probability, or its value, or the reason why there are none.

    Attributes:
        source: where the photo comes from.
        probabilities: class → probability, the most probable first; empty where there is an error or a value.
        reason: why the photo could not be read or stored; None where there is no error.
        threshold: the label is UNSURE where the largest probability is below this.
        picture: gives the photo for people, (height, width, 3) uint8, with a longer side of at most as many
            pixels as its argument says; raises PhotoError. None where nobody asked for it.
        value: of a model with a `value` output; None where there is an error.
        unit: of the value.
        labels: of a model with several labels those that are predicted, the most probable first; None of
            other models, and where there is an error.
    """

    source: Input
    probabilities: dict[str, float] = field(default_factory=dict)
    reason: Message | None = None
    threshold: float = 0.0
    picture: Callable[[int], np.ndarray] | None = field(default=None, compare=False)
    value: float | None = None
    unit: str = ""
    labels: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        found = f"probabilities={self.probabilities}" if self.value is None else f"value={self.value}"
        return f"Prediction(path={self.path!r}, {found}, error={self.error!r})"

    @property
    def path(self) -> str:
        """The photo, as it was given: a path, an address, or `-` for stdin."""
        return self.source.shown

    @property
    def label(self) -> str | None:
        """The most probable class, or UNSURE; None where there is an error, a value or several labels."""
        if self.labels is not None:
            return None
        return UNSURE if self.is_unsure else next(iter(self.probabilities), None)

    @property
    def probability(self) -> float | None:
        """Of the most probable class; None where there is none."""
        return next(iter(self.probabilities.values()), None)

    def top(self, most: int) -> list[dict[str, Any]]:
        """The most probable classes, as JSON values."""
        pairs = list(self.probabilities.items())[:most]
        return [{"label": label, "probability": probability} for label, probability in pairs]

    @property
    def is_unsure(self) -> bool:
        """Whether no class is probable enough."""
        return self.probability is not None and self.probability < self.threshold

    @property
    def error(self) -> str | None:
        """The reason in English."""
        return None if self.reason is None else str(self.reason)

    def failed(self, reason: Message) -> "Prediction":
        """The same photo with an error instead of probabilities."""
        return replace(self, probabilities={}, value=None, labels=None, reason=reason, picture=None)


@dataclass(frozen=True)
class Predictions:
    """What a model predicts for many photos, as arrays."""

    photos: np.ndarray  # indices, among the paths that were given, of the n readable photos; ascending, (n,)
    digests: tuple[str, ...]  # of their contents, hex
    logits: np.ndarray  # (n, units) float32, means over views
    plain_logits: np.ndarray  # the same of the photos as they are
    skipped: tuple[Skipped, ...]  # the unreadable photos


def in_order(arriving: Iterable[tuple[int, _Found]]) -> Iterator[tuple[int, _Found]]:
    """The same pairs by their numbers, which are 0, 1, 2, ..., each as soon as all before it are there."""
    waiting: dict[int, _Found] = {}
    following = 0
    for number, found in arriving:
        waiting[number] = found
        while following in waiting:
            yield following, waiting.pop(following)
            following += 1
