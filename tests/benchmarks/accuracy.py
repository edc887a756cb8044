"""How good is each choice of options, cross-validated over all photos of several data sets?

    python tests/benchmarks/accuracy.py NAME=FOLDER ... [--seeds 3] [--only gem] [--base NAME]
        [--add JSON] [--json FILE]

Each photo of a data set is predicted by a head that was not fitted to it (5 folds), for each variant and
seed; a seed changes the folds. Prints Markdown: accuracy and mean log loss (nats) over seeds with ranges, the
difference of the log loss to the first variant with its standard error over photos, McNemar's p for the first
seed, and the seconds of the first training and of one with cached features. Photos are only read. The first
variant, unless --base names another, is the default of version 0.1: the head concat, 224 pixels, 20 epochs of
Adam.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

import catdog
from catdog.data import fingerprint, folds_by_content, scan
from catdog.runs import Run
from catdog.workspace import Workspace

BASE = {"head": "concat", "size": 224, "optimizer": "adam", "folds": 0}
VARIANTS: dict[str, dict[str, Any]] = {
    "concat, 224, Adam": BASE,
    "concat, 224": {"head": "concat", "size": 224},
    "linear, 224": {"head": "linear", "size": 224},
    "gem, 224": {"head": "gem", "size": 224},
    "gem, 320": {"head": "gem", "size": 320},
    "concat, 320": {"head": "concat", "size": 320},
    "gem, 384": {"head": "gem", "size": 384},
    "gem, 448": {"head": "gem", "size": 448},
    "concat, 448": {"head": "concat", "size": 448},
    "gem, 448 and 320": {"head": "gem", "size": (448, 320)},
    "gem, 448, 320 and 224": {"head": "gem", "size": (448, 320, 224)},
    "gem, 224, views 0, TTA": {"head": "gem", "size": 224, "tta": True},
    "gem, 224, views 1": {"head": "gem", "size": 224, "views": 1},
    "gem, 224, views 3, no TTA": {"head": "gem", "size": 224, "views": 3, "tta": False},
    "gem, 224, views 3": {"head": "gem", "size": 224, "views": 3},
    "gem, 224, views 5": {"head": "gem", "size": 224, "views": 5},
}


@dataclass(frozen=True)
class Result:
    """Of one variant on one data set: log loss and correctness of each photo, a row for each seed."""

    losses: np.ndarray
    correct: np.ndarray
    first_seconds: float
    cached_seconds: float


class Data:
    """The readable photos of a folder, all splits together."""

    def __init__(self, name: str, folder: Path):
        self.name = name
        photos = [photo for split in scan(folder).splits.values() for photo in split]
        digests = fingerprint([photo.path for photo in photos], workspace=Workspace(workers=2)).digests
        found = {digests[photo.path]: photo for photo in photos if photo.path in digests and photo.label}
        self.digests = sorted(found)
        self.paths = [found[digest].path for digest in self.digests]
        self.classes = sorted({found[digest].label or "" for digest in self.digests})
        self.labels = np.array([self.classes.index(found[digest].label or "") for digest in self.digests])

    def folds(self, seed: int) -> np.ndarray:
        """The fold of each photo, another for each seed."""
        salted = [f"{digest}{seed}" for digest in self.digests]
        return np.array(folds_by_content(self.labels.tolist(), salted, count=5))

    def linked(self, place: Path, rows: Iterator[int] | np.ndarray, split: str) -> None:
        """Links to some of the photos, as DATA/split/class/digest.jpg."""
        for row in rows:
            folder = place / split / self.classes[self.labels[row]]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{self.digests[row]}{self.paths[row].suffix}").symlink_to(self.paths[row].absolute())


def measure(data: Data, options: dict[str, Any], seeds: int, cache: Path) -> Result:
    """Train on four folds, predict the fifth, five times for each seed. `tta` goes to `catdog.load`."""
    tta, options = options.get("tta"), {name: options[name] for name in options if name != "tta"}
    losses = np.zeros((seeds, len(data.labels)))
    correct = np.zeros(losses.shape, bool)
    seconds: list[float] = []
    for seed in range(seeds):
        folds = data.folds(seed)
        for fold in range(5):
            with tempfile.TemporaryDirectory() as name:
                place = Path(name)
                held_out = np.flatnonzero(folds == fold)
                data.linked(place, np.flatnonzero(folds != fold), "train")
                data.linked(place, held_out, "valid")
                began = time.monotonic()
                run = catdog.train(
                    place, runs_dir=place / "runs", seed=seed, cache_dir=cache, **{"folds": 0, **options}
                )
                seconds.append(time.monotonic() - began)
                found = _predictions(run, [data.paths[row] for row in held_out], cache, tta)
            for row, probabilities in zip(held_out, found, strict=True):
                true = data.classes[data.labels[row]]
                losses[seed, row] = -np.log(max(probabilities.get(true, 0.0), 1e-12))
                correct[seed, row] = max(probabilities, key=probabilities.__getitem__) == true
    return Result(losses, correct, seconds[0], float(np.median(seconds[1:])))


def _predictions(run: Run, paths: list[Path], cache: Path, tta: bool | None) -> list[dict[str, float]]:
    model = catdog.load(run, cache_dir=cache, calibrate=False, tta=tta)
    return [prediction.probabilities for prediction in model.predict(paths)]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Accuracy of the options, cross-validated.")
    parser.add_argument("data", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="variants with this in their names; - is none of them")
    parser.add_argument("--base", default=next(iter(VARIANTS)))
    parser.add_argument(
        "--add", action="append", default=[], metavar="JSON", help="another variant: options of catdog.train"
    )
    parser.add_argument("--json", type=Path, default=Path("accuracy.json"))
    parser.add_argument("--cache", type=Path, help="keep features here; none are kept otherwise")
    arguments = parser.parse_args()
    variants = {arguments.base: VARIANTS[arguments.base]}
    variants |= {name: of for name, of in VARIANTS.items() if arguments.only in name}
    for options in map(json.loads, arguments.add):
        if isinstance(options.get("size"), list):
            options["size"] = tuple(options["size"])
        variants[", ".join(f"{name} {value}" for name, value in options.items())] = options
    written = {}
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary)
        for text in arguments.data:
            name, _, folder = text.partition("=")
            data = Data(name, Path(folder))
            print(
                f"\n| {name}: {len(data.labels)} photos, {len(data.classes)} classes | accuracy | log loss "
                "| difference of the log loss | p | first, s | cached, s |",
                flush=True,
            )
            print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
            base = None
            for variant, options in variants.items():
                result = measure(data, options, arguments.seeds, cache)
                base = base or result
                print(_row(variant, result, base), flush=True)
                written[f"{name}, {variant}"] = {
                    "losses": result.losses.mean(axis=1).tolist(),
                    "accuracies": result.correct.mean(axis=1).tolist(),
                    "always wrong": [
                        str(data.paths[row]) for row in np.flatnonzero(~result.correct.any(axis=0))
                    ],
                }
    arguments.json.write_text(json.dumps(written, indent=1))


def _row(name: str, result: Result, base: Result) -> str:
    accuracy, loss = result.correct.mean(axis=1), result.losses.mean(axis=1)
    difference = (result.losses - base.losses).mean(axis=0)
    error = difference.std() / len(difference) ** 0.5
    better = int((result.correct[0] & ~base.correct[0]).sum())
    worse = int((~result.correct[0] & base.correct[0]).sum())
    p_value = binomtest(better, better + worse).pvalue if better + worse else 1.0
    ranges = (
        f"{values.mean():.4f} ({values.min():.4f} to {values.max():.4f})" for values in (accuracy, loss)
    )
    change = "" if result is base else f"{difference.mean():+.4f} ± {error:.4f} | {p_value:.3f}"
    return " | ".join(
        (
            "",
            name,
            *ranges,
            change or " | ",
            f"{result.first_seconds:.0f}",
            f"{result.cached_seconds:.1f}",
            "",
        )
    ).strip()


if __name__ == "__main__":
    main()
