"""One list of inputs in several processes: each takes every n-th, and process 0 has all predictions in order.

By position, not by content as in training: a process then reads only its own photos, each once. To know whose
a content is, all would have to read all. A photo that is there twice may be computed twice.
"""

import hashlib
import itertools
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from catdog.hosts import Group
from catdog.inference.inputs import Input
from catdog.inference.prediction import Prediction
from catdog.text import from_json

_ROWS, _SECONDS = 64, 0.25  # predictions that are sent together at most, and how long one waits for others


def part_of_file(file: Path, group: Group) -> Path:
    """The file of this process: `rows.csv`, or of several `rows-00001-of-00004.csv`."""
    if group.processes == 1:
        return file
    return file.with_name(f"{file.stem}-{group.process:05}-of-{group.processes:05}{file.suffix}")


class Dealt:
    """The inputs of one process: every n-th of those that all processes list."""

    def __init__(self, inputs: Iterable[Input], group: Group):
        self._inputs, self._group = inputs, group
        self._count, self._names = 0, hashlib.sha256()

    def __iter__(self) -> Iterator[Input]:
        return itertools.islice(self._listed(), self._group.process, None, self._group.processes)

    def _listed(self) -> Iterator[Input]:
        for photo in self._inputs:
            self._count += 1
            self._names.update(os.fsencode(photo.shown) + b"\0")
            yield photo

    def require_same(self) -> None:
        """Compare the whole lists, after the last input.

        Raises:
            OptionError: they differ.
        """
        facts = {"number of photos": self._count, "paths of the photos (digest)": self._names.hexdigest()}
        self._group.require_same(facts)


def collected(group: Group, own: Iterator[Prediction]) -> Iterator[Prediction]:
    """In process 0 the predictions of all, in the order of the inputs; the others send theirs."""
    if group.process:
        block, sent = list[Any](), time.monotonic()
        for prediction in own:
            block.append(_to_json(prediction))
            if len(block) == _ROWS or time.monotonic() - sent > _SECONDS:
                group.send(block)
                block, sent = [], time.monotonic()
        if block:
            group.send(block)
        group.send([])  # the end
        return
    streams = deque([own, *(_received(group, process) for process in range(1, group.processes))])
    while streams:
        stream = streams.popleft()
        if prediction := next(stream, None):
            yield prediction
            streams.append(stream)


def _received(group: Group, process: int) -> Iterator[Prediction]:
    while block := group.receive(process):
        yield from map(_from_json, block)


_PLAIN = ("probabilities", "threshold", "value", "unit", "labels")


def _to_json(prediction: Prediction) -> dict[str, Any]:
    path, truth, _, name, is_address = prediction.source
    return {name: getattr(prediction, name) for name in _PLAIN} | {
        "source": (str(path), truth, None, name, is_address),
        "reason": prediction.reason and prediction.reason.to_json(),
    }


def _from_json(values: dict[str, Any]) -> Prediction:
    path, *rest = values["source"]
    made = {name: values[name] for name in _PLAIN}
    made["labels"] = None if values["labels"] is None else tuple(values["labels"])
    made["reason"] = values["reason"] and from_json(values["reason"])
    return Prediction(Input(Path(path), *rest), **made)
