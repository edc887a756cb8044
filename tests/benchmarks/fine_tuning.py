"""Does fine-tuning beat the fitted head? Cross-validated: each fold of five is held out in turn.

    python tests/benchmarks/fine_tuning.py FOLDER [--seeds 1] [--folds 5]
        [--json '{"size": 224, "views": 4}'] ...

For each `--json`, options of `catdog.train`: accuracy and log loss (nats, uncalibrated) over the held-out
photos, of the head alone and after each epoch; the difference of the log loss after the last epoch to that of
the head, with its standard error over folds; and the seconds of a training, the first one apart. The
checkpoint that a run keeps is not used: held-out photos would choose it. Photos are only read.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import Data

import catdog


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Fine-tuning against the fitted head.")
    parser.add_argument("data", type=Path, metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folds", type=int, default=5, help="of the five, how many are held out in turn")
    parser.add_argument("--every", type=int, default=1, help="train on every second, third, ... photo")
    parser.add_argument("--json", type=json.loads, action="append", default=[])
    parser.add_argument("--cache", type=Path, help="keep features here")
    arguments = parser.parse_args()
    data = Data("", arguments.data)
    print("| options | head alone | after each epoch | difference | seconds |\n" + "| --- " * 5 + "|")
    with tempfile.TemporaryDirectory() as place:
        cache = arguments.cache or Path(place)
        for options in arguments.json or [{"size": 128}]:
            rows, seconds = [], []
            for seed in range(arguments.seeds):
                for fold in range(arguments.folds):
                    began = time.monotonic()
                    rows.append(_training(data, seed, fold, arguments.every, options, cache))
                    seconds.append(time.monotonic() - began)
            print(_row(options, np.array(rows), seconds), flush=True)


def _training(
    data: Data, seed: int, fold: int, every: int, options: dict[str, Any], cache: Path
) -> list[tuple[int, float, float]]:
    """(held-out photos, accuracy, log loss) of the head and after each epoch."""
    folds = data.folds(seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        data.linked(place, np.flatnonzero(folds != fold)[::every], "train")
        data.linked(place, np.flatnonzero(folds == fold), "valid")
        usual = {"unfreeze": "block5", "seed": seed, "cache_dir": cache, "runs_dir": place / "runs"}
        run = catdog.train(place, **(usual | options))
        held_out = int((folds == fold).sum())
        return [(held_out, record.val_acc or 0.0, record.val_loss) for record in run.history()]


def _row(options: dict[str, Any], of_folds: np.ndarray, seconds: list[float]) -> str:
    """`of_folds`: (folds, epochs, 3), see `_training`."""
    photos = of_folds[:, :1, :1]
    accuracies, losses = ((of_folds[:, :, 1:] * photos).sum(axis=0) / photos.sum()).T
    cells = [f"{accuracy:.4f}, {loss:.4f}" for accuracy, loss in zip(accuracies, losses, strict=True)]
    differences = of_folds[:, -1, 2] - of_folds[:, 0, 2]
    error = differences.std(ddof=1) / len(differences) ** 0.5 if len(differences) > 1 else np.nan
    named = " ".join(f"{name} {value}" for name, value in options.items())
    later = f", then {np.median(seconds[1:]):.0f}" if seconds[1:] else ""
    change = f"{losses[-1] - losses[0]:+.4f} ± {error:.4f}"
    return f"| {named} | {cells[0]} | {'; '.join(cells[1:])} | {change} | {seconds[0]:.0f}{later} |"


if __name__ == "__main__":
    main()
