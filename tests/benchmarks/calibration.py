"""Are probabilities as sure as they are right, before and after temperature scaling, and how best to fit it.

    python tests/benchmarks/calibration.py DATA [--seeds 5]

Trains the default head and `--head fc --fc-units 256 --epochs 10`, a few seeds each, and evaluates each on
its validation photos as `catdog evaluate` does: each fifth of them at a temperature fitted on the other four.
Then fits temperatures in several ways on some of the validation photos, chosen at random, and evaluates them
on the rest: what the constants in `catdog/model/temperature.py` come from. Two cores need some minutes.
"""

import argparse
import math
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from catdog import devices
from catdog.evaluation.calibration import reliability
from catdog.evaluation.evaluate import evaluate
from catdog.evaluation.predictions import EvaluatedPredictions
from catdog.model.temperature import fit_temperature
from catdog.training.options import NewRun
from catdog.training.train import train
from catdog.workspace import FeatureCache, Workspace, default_cache_dir

_CACHE = Path(os.environ.get("CATDOG_CACHE_DIR") or default_cache_dir()) / "features"
# Options, and epochs.
_TRAININGS: dict[str, tuple[dict[str, Any], int]] = {
    "default": ({}, 20),
    "fc 256": ({"head": "fc", "fc_units": (256,)}, 10),
}
_FITTED_ON = (24, 100)  # photos; and half of them
_DRAWS = 30  # of such photos, a seed
# name → pseudo-photos, standard deviation of the prior
_WAYS = {
    "maximum likelihood": (0.0, math.inf),
    "half a photo per class": (1.0, math.inf),
    "prior 0.25": (0.0, 0.25),
    "**both, as shipped**": (1.0, 0.25),
    "one photo per class, prior 0.25": (2.0, 0.25),
    "half a photo per class, prior 0.5": (1.0, 0.5),
    "half a photo per class, prior 1": (1.0, 1.0),
}


def main() -> None:
    """Train, evaluate, print."""
    parser = argparse.ArgumentParser(description="Calibration before and after temperature scaling.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    devices.configure(_CACHE.parent)
    evaluated = {
        name: [_evaluated(arguments.data, head, epochs, seed) for seed in range(arguments.seeds)]
        for name, (head, epochs) in _TRAININGS.items()
    }
    print("| head | temperature | calibration error as trained | scaled | log loss as trained | scaled |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, runs in evaluated.items():
        finals = [run.calibration.final for run in runs]
        pairs = [(run.calibration.before or final, final) for run, final in zip(runs, finals, strict=True)]
        cells = [
            _median([run.classifier.temperature for run in runs], ".2f"),
            *(_median([pair[side].error for pair in pairs], ".2%") for side in (0, 1)),
            *(_median([pair[side].nll for pair in pairs], ".4f") for side in (0, 1)),
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    for name, runs in evaluated.items():
        _ways(name, runs)


def _evaluated(data: Path, head: dict[str, Any], epochs: int, seed: int) -> EvaluatedPredictions:
    """What `catdog train` makes of this, on the validation photos."""
    workers = devices.usable_cores()
    workspace = Workspace(features=FeatureCache(_CACHE), workers=workers)
    with tempfile.TemporaryDirectory() as folder:
        options = NewRun(data, runs_dir=Path(folder), epochs=epochs, seed=seed, **head)
        (found,) = evaluate([train(options, workspace)], None, None, workspace).models
        assert isinstance(found, EvaluatedPredictions)
        return found


def _ways(head: str, runs: Sequence[EvaluatedPredictions]) -> None:
    """One row a way to fit: means over seeds and draws, on the photos that the temperature did not see."""
    half = min(len(run.labels) for run in runs) // 2
    sizes = [*(size for size in _FITTED_ON if size < half), half]
    headings = [f"{size} photos: log loss, error, temperatures" for size in sizes]
    print(f"\n| {head} | {' | '.join(headings)} |\n|{' --- |' * (len(sizes) + 1)}")
    for name, way in {"as trained": None, **_WAYS}.items():
        cells = [_cell(runs, size, way) for size in sizes]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _cell(runs: Sequence[EvaluatedPredictions], size: int, way: tuple[float, float] | None) -> str:
    losses, errors, temperatures = [], [], []
    for seed, run in enumerate(runs):
        random = np.random.default_rng(seed)
        for _ in range(_DRAWS):
            order = random.permutation(len(run.labels))
            seen, rest = order[:size], order[size:]
            temperature = _fitted(run, seen, *way) if way else 1.0
            probabilities = run.classifier.probabilities(run.logits[rest], temperature=temperature)
            result = reliability(probabilities, run.labels[rest])
            losses.append(result.nll)
            errors.append(result.error)
            temperatures.append(temperature)
    text = f"{statistics.mean(losses):.4f}, {statistics.mean(errors):.2%}"
    return f"{text}, {min(temperatures):.2f} to {max(temperatures):.2f}" if way else text


def _fitted(
    run: EvaluatedPredictions, seen: np.ndarray, pseudo_photos: float, prior_deviation: float
) -> float:
    return fit_temperature(
        run.logits[seen],
        run.labels[seen],
        run.classifier.output,
        pseudo_photos=pseudo_photos,
        prior_deviation=prior_deviation,
    )


def _median(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
