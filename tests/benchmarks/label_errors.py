"""Precision, recall and time of the label errors that `catdog inspect DATA` finds.

    python tests/benchmarks/label_errors.py DATA [--seeds 3]

Changes the labels of a random fraction of the photos, and counts the reported photos: the fraction of them
that was changed (precision; a label that was wrong before counts against it), and the fraction of the changed
photos that is reported (recall). Then times both comparisons on random features of as many photos as Kaggle's
dogs against cats has. Takes some minutes on two cores.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from pooled_photos import Photos, photos_of

from catdog.checks.label_errors import find_label_errors
from catdog.checks.near_duplicates import find_near_duplicates

_RATES = (0, 0.02, 0.05, 0.10)
_MANY = 25_000
_CHANNELS = 512


def main() -> None:
    """Change labels, look for them, print."""
    parser = argparse.ArgumentParser(description="Precision and recall of label errors.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    photos = photos_of(arguments.data)
    print(f"{len(photos.paths):,} photos of {len(photos.classes)} classes, {arguments.seeds} seeds\n")
    print("| changed | reported | precision | recall | seconds |\n| --- | --- | --- | --- | --- |")
    for rate in _RATES:
        results = [_scores(photos, rate, seed) for seed in range(arguments.seeds)]
        reported, precision, recall, seconds = zip(*results, strict=True)
        scores = (_median(precision, ".3f"), _median(recall, ".3f")) if rate else ("", "")
        cells = (f"{rate:.0%}", _median(reported, ".0f"), *scores, _median(seconds, ".1f"))
        print(f"| {' | '.join(cells)} |", flush=True)
    _many()


def _scores(photos: Photos, rate: float, seed: int) -> tuple[int, float, float, float]:
    """Photos reported, precision, recall, seconds."""
    random = np.random.default_rng(seed)
    count, classes = len(photos.paths), len(photos.classes)
    changed = random.choice(count, round(rate * count), replace=False)
    labels = photos.labels.copy()
    labels[changed] = (labels[changed] + random.integers(1, classes, len(changed))) % classes
    began = time.monotonic()
    group_of = np.arange(count)
    for group in find_near_duplicates(photos.pooled.means, labels).groups:
        group_of[list(group)] = group[0]
    reported = find_label_errors([photos.pooled.means, photos.pooled.maxima], labels, group_of).photos
    seconds = time.monotonic() - began
    right = int(np.isin(reported, changed).sum())
    return len(reported), right / max(1, len(reported)), right / max(1, len(changed)), seconds


def _median(values: tuple[float, ...], form: str) -> str:
    """The median, and the range where there is one."""
    low, middle, high = (f"{value:{form}}" for value in (min(values), statistics.median(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _many() -> None:
    random = np.random.default_rng(0)
    means = np.abs(random.normal(size=(_MANY, _CHANNELS)).astype(np.float32))
    maxima = means + np.abs(random.normal(size=means.shape).astype(np.float32))
    labels = random.integers(0, 2, _MANY)
    began = time.monotonic()
    find_near_duplicates(means, labels)
    compared = time.monotonic()
    find_label_errors([means, maxima], labels, np.arange(_MANY))
    print(f"\n| {_MANY:,} photos, random features | seconds |\n| --- | --- |")
    print(f"| near-duplicates and outliers | {compared - began:.1f} |")
    print(f"| label errors | {time.monotonic() - compared:.1f} |")


if __name__ == "__main__":
    main()
