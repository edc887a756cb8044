"""What the epochs of a training leave in its run folder."""

import time
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from catdog.config import ModelSpec
from catdog.runs import EpochRecord, Run

Arrays = dict[str, np.ndarray]

_EVERY = 0.5  # seconds of training that a kill may cost


class Saver:
    """Writes the last epoch, at most every half second, and when the training ends or is stopped.

    An epoch of a head on cached features takes milliseconds: to write each of them would take longer. A
    context manager: when it is left, also by an exception, everything is on disk.

    Args:
        writes: False in the processes that train together with the one that writes.
    """

    def __init__(self, run: Run, *, writes: bool = True):
        self._run, self._writes = run, writes
        self._history = run.history() if writes else []
        self._held_out: tuple[Sequence[str], np.ndarray] | None = None
        self._model: tuple[Arrays, ModelSpec] | None = None
        self._state: tuple[Arrays, dict[str, Any]] | None = None
        self._written = -np.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.write()

    def best(self, model: Arrays, spec: ModelSpec, held_out: tuple[Sequence[str], np.ndarray] | None) -> None:
        """The checkpoint of an epoch; `held_out`: digests and logits of a cross-validation's predictions."""
        self._model, self._held_out = (model, spec), held_out

    def epoch(self, record: EpochRecord, state: Arrays, progress: dict[str, Any]) -> None:
        """The end of an epoch: its record, and the state that the next one starts from."""
        self._history = [*(past for past in self._history if past.epoch < record.epoch), record]
        self._state = state, progress
        if time.monotonic() - self._written >= _EVERY:
            self.write()

    def within(self, state: Arrays, progress: dict[str, Any]) -> None:
        """Where an epoch is stopped; written at once."""
        self._state = state, progress
        self.write()

    def write(self) -> None:
        """Write what is not on disk. The state comes last: after a kill, files are of its epoch or later."""
        if self._state is None or not self._writes:
            return
        self._run.write_history(self._history)
        if self._held_out:
            self._run.write_held_out(*self._held_out)
        if self._model:
            self._run.write_model(*self._model)
        self._run.write_state(*self._state)
        self._held_out = self._model = self._state = None
        self._written = time.monotonic()
