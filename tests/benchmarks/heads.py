"""Which head, how many epochs: validation accuracy and loss on a folder of photos, over several seeds.

    python tests/benchmarks/heads.py DATA [--seeds 5]

Prints a Markdown table, one row a head and number of epochs: median and range of the accuracy, median loss,
and seconds of an epoch. Features come from the cache; the first run computes them.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catdog import devices
from catdog.runs import EpochRecord
from catdog.training.options import NewRun
from catdog.training.train import train
from catdog.workspace import FeatureCache, Workspace, default_cache_dir

_CACHE = Path(os.environ.get("CATDOG_CACHE_DIR") or default_cache_dir())
_HEADS: dict[str, dict[str, Any]] = {
    "linear": {"head": "linear"},
    "concat": {"head": "concat"},
    "fc 64": {"head": "fc", "fc_units": (64,)},
    "fc 256": {"head": "fc", "fc_units": (256,)},
    "fc 256,256": {"head": "fc", "fc_units": (256, 256)},
}
_EPOCHS = (2, 5, 10, 20, 30)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    head: str
    epochs: int
    accuracies: list[float]
    losses: list[float]
    seconds: float

    def markdown(self) -> str:
        """The line."""
        low, high = min(self.accuracies), max(self.accuracies)
        return (
            f"| {self.head} | {self.epochs} | {statistics.median(self.accuracies):.4f} "
            f"| {low:.4f} to {high:.4f} | {statistics.median(self.losses):.4f} | {self.seconds:.2f} |"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compare heads on a folder of photos.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    devices.configure(_CACHE)
    print("| head | epochs | median accuracy | range | median loss | seconds an epoch |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, head in _HEADS.items():
        histories = [_train(arguments.data, head, seed) for seed in range(arguments.seeds)]
        for row in _rows(name, histories):
            print(row.markdown(), flush=True)


def _rows(name: str, histories: list[list[EpochRecord]]) -> Iterator[Row]:
    for epochs in _EPOCHS:
        best = [min(history[:epochs], key=lambda record: record.val_loss) for history in histories]
        seconds = statistics.median(record.seconds for history in histories for record in history)
        accuracies, losses = [record.val_acc or 0.0 for record in best], [record.val_loss for record in best]
        yield Row(name, epochs, accuracies, losses, seconds)


def _train(data: Path, head: dict[str, Any], seed: int) -> list[EpochRecord]:
    workspace = Workspace(features=FeatureCache(_CACHE / "features"), workers=devices.usable_cores())
    with tempfile.TemporaryDirectory() as folder:
        options = NewRun(data, runs_dir=Path(folder), epochs=max(_EPOCHS), seed=seed, **head)
        return train(options, workspace).history()


if __name__ == "__main__":
    main()
