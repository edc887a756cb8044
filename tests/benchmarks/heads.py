"""Which head, how many epochs: validation accuracy and loss on a folder of photos, over several seeds.

    python tests/benchmarks/heads.py DATA [--seeds 5]

Prints a Markdown table, one row a head and number of epochs: median and range of the accuracy, median loss,
and seconds an epoch. Features come from the cache; the first run computes them.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from catdog import devices
from catdog.config import Decoding, Head, TrainOptions
from catdog.features.forward import make_suffix
from catdog.features.prefix import Prefix
from catdog.runs import EpochRecord, create_run
from catdog.training.fit import fit
from catdog.training.photos import Photos, find_photos
from catdog.training.prepare import prepare, run_config
from catdog.weights.source import find_weights
from catdog.workspace import FeatureCache, Workspace, default_cache_dir

_CACHE = Path(os.environ.get("CATDOG_CACHE_DIR") or default_cache_dir())
_HEADS = {
    "linear": Head("linear"),
    "concat": Head("concat"),
    "fc 64": Head("fc", (64,)),
    "fc 256": Head("fc", (256,)),
    "fc 256,256": Head("fc", (256, 256)),
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
    options = _options(arguments.data, _HEADS["linear"], seed=0)
    prefix = Prefix(find_weights("builtin"), Head(), unfreeze="head")
    photos = find_photos(options, workers=devices.usable_cores())
    print("| head | epochs | median accuracy | range | median loss | seconds an epoch |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, head in _HEADS.items():
        histories = [_train(arguments.data, head, seed, photos, prefix) for seed in range(arguments.seeds)]
        for row in _rows(name, histories):
            print(row.markdown(), flush=True)


def _rows(name: str, histories: list[list[EpochRecord]]) -> Iterator[Row]:
    for epochs in _EPOCHS:
        best = [min(history[:epochs], key=lambda record: record.val_loss) for history in histories]
        seconds = statistics.median(record.seconds for history in histories for record in history)
        yield Row(name, epochs, [one.val_acc for one in best], [one.val_loss for one in best], seconds)


def _options(data: Path, head: Head, seed: int) -> TrainOptions:
    return TrainOptions(
        data=str(data.absolute()),
        epochs=max(_EPOCHS),
        batch_size=64,
        optimizer="adam",
        learning_rate=0.001,
        head=head,
        unfreeze="head",
        weights="builtin",
        valid_fraction=0.2,
        seed=seed,
        decoding=Decoding(),
        strict=False,
    )


def _train(data: Path, head: Head, seed: int, photos: Photos, prefix: Prefix) -> list[EpochRecord]:
    options = _options(data, head, seed)
    suffix = make_suffix(prefix, head, len(photos.classes), size=options.decoding.size)
    workers = devices.usable_cores()
    job = prepare(
        options,
        photos,
        prefix,
        suffix,
        workspace=Workspace(features=FeatureCache(_CACHE / "features"), workers=workers),
    )
    with tempfile.TemporaryDirectory() as folder:
        run = create_run(Path(folder), "run", run_config(options, photos, prefix))
        records = fit(run, job, epochs=options.epochs)
        return list(records)


if __name__ == "__main__":
    main()
