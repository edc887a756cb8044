"""Does fine-tuning beat the fitted head? A fifth of the photos is held out, another fifth for each seed.

    python tests/benchmarks/fine_tuning.py FOLDER [--seeds 3] [--size 128] [--every 1] [--json '{"lr": 1e-4}']

For each seed: validation loss (nats, uncalibrated) and accuracy of the head alone and after each epoch, and
the seconds of the whole training. `--every 4` trains on a fourth of the other photos. Photos are only read.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

import catdog
from tests.benchmarks.accuracy import Data


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Fine-tuning against the fitted head.")
    parser.add_argument("data", type=Path, metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--unfreeze", default="block5")
    parser.add_argument("--json", type=json.loads, default={}, help="options of catdog.train")
    parser.add_argument("--cache", type=Path, help="keep features here")
    arguments = parser.parse_args()
    data = Data("", arguments.data)
    for seed in range(arguments.seeds):
        folds = data.folds(seed)
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            data.linked(place, np.flatnonzero(folds != 0)[:: arguments.every], "train")
            data.linked(place, np.flatnonzero(folds == 0), "valid")
            began = time.monotonic()
            run = catdog.train(
                place,
                runs_dir=place / "runs",
                seed=seed,
                size=arguments.size,
                unfreeze=arguments.unfreeze,
                cache_dir=arguments.cache or place / "cache",
                **arguments.json,
            )
            seconds = time.monotonic() - began
            epochs = " ".join(f"{record.val_loss:.3f}/{record.val_acc:.3f}" for record in run.history())
        print(f"seed {seed}: {epochs} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
