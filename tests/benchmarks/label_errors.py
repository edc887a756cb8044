"""How many changed labels `catdog inspect DATA` finds, how many it accuses wrongly, and how long it takes.

    python tests/benchmarks/wrong_labels.py DATA [--seeds 3]

Gives a share of the photos, chosen at random, another of the classes, and counts: the photos that are
reported, how many of them were changed (precision; those whose label was wrong all along count against it),
how many of the changed are reported (recall). Then times both comparisons on random features of as many
photos as Kaggle's dogs against cats has. Two cores need some minutes.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from pooled_photos import Photos, photos_of

from catdog.checks.label_errors import find_contradicted
from catdog.checks.near_duplicates import find_alike

_RATES = (0, 0.02, 0.05, 0.10)
_MANY = 25_000
_CHANNELS = 512


def main() -> None:
    """Change labels, look for them, print."""
    parser = argparse.ArgumentParser(description="Precision and recall of likely wrong labels.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    photos = photos_of(arguments.data)
    print(f"{len(photos.paths):,} photos of {len(photos.classes)} classes, {arguments.seeds} seeds\n")
    print("| changed | reported | precision | recall | seconds |\n| --- | --- | --- | --- | --- |")
    for rate in _RATES:
        results = [_one(photos, rate, seed) for seed in range(arguments.seeds)]
        reported, precision, recall, seconds = zip(*results, strict=True)
        shares = (_median(precision, ".3f"), _median(recall, ".3f")) if rate else ("", "")
        cells = (f"{rate:.0%}", _median(reported, ".0f"), *shares, _median(seconds, ".1f"))
        print(f"| {' | '.join(cells)} |", flush=True)
    _many()


def _one(photos: Photos, rate: float, seed: int) -> tuple[int, float, float, float]:
    """Photos reported, precision, recall, seconds."""
    random = np.random.default_rng(seed)
    count, classes = len(photos.paths), len(photos.classes)
    changed = random.choice(count, round(rate * count), replace=False)
    labels = photos.labels.copy()
    labels[changed] = (labels[changed] + random.integers(1, classes, len(changed))) % classes
    began = time.monotonic()
    group_of = np.arange(count)
    for group in find_alike(photos.pooled.means, labels).groups:
        group_of[list(group)] = group[0]
    vectors = np.hstack([photos.pooled.means, photos.pooled.maxima])
    reported = find_contradicted(vectors, labels, group_of).photos
    seconds = time.monotonic() - began
    right = int(np.isin(reported, changed).sum())
    return len(reported), right / max(1, len(reported)), right / max(1, len(changed)), seconds


def _median(values: tuple[float, ...], form: str) -> str:
    """The median, and the range where there is one."""
    low, middle, high = (f"{one:{form}}" for one in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _many() -> None:
    random = np.random.default_rng(0)
    means = np.abs(random.normal(size=(_MANY, _CHANNELS)).astype(np.float32))
    maxima = means + np.abs(random.normal(size=means.shape).astype(np.float32))
    labels = random.integers(0, 2, _MANY)
    began = time.monotonic()
    find_alike(means, labels)
    compared = time.monotonic()
    find_contradicted(np.hstack([means, maxima]), labels, np.arange(_MANY))
    print(f"\n| {_MANY:,} photos, random features | seconds |\n| --- | --- |")
    print(f"| near copies and outliers | {compared - began:.1f} |")
    print(f"| wrong labels | {time.monotonic() - compared:.1f} |")


if __name__ == "__main__":
    main()
