"""All lessons of a folder of photos, one after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from catdog.insight.lessons import gradients, overfitting, race, splits, stack
from catdog.insight.lessons.learned import Learning, learn
from catdog.insight.lessons.material import Material, gather
from catdog.insight.lessons.plane import Plane, plane_of
from catdog.progress import Progress
from catdog.training.optimizers import OPTIMIZERS
from catdog.workspace import Workspace


@dataclass(frozen=True)
class Lessons:
    """What all experiments found; `seconds` of each, by its name, "features" first."""

    material: Material
    gradients: list[gradients.Gradients]
    stacks: list[stack.Stack]
    race: race.Race
    plane: Plane
    overfitting: overfitting.Overfitting
    learning: Learning
    splits: splits.Splits
    seconds: dict[str, float]


def teach(folder: Path, workspace: Workspace, report: Callable[[Progress], None]) -> Lessons:
    """Run all experiments on the photos of a folder.

    Raises:
        DataError: there is no data set to train on.
        CacheError: neither the disk nor the memory has room for the features.
    """
    seconds: dict[str, float] = {}
    began = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal began
        now = time.perf_counter()
        seconds[name], began = now - began, now

    def of(done: int, total: int) -> Callable[[int], None]:
        """Reports an experiment that has so many parts as a whole number of per cents."""
        return lambda part: report(Progress("lessons", done + round(part / total * _WEIGHT), _WHOLE))

    material = gather(folder, workspace, report)
    lap("features")
    of_layers = gradients.measure_gradients(material, of(0, gradients.PASSES))
    lap("gradients")
    stacks = stack.train_stacks(material, of(_WEIGHT, stack.STACKS))
    lap("stacks")
    found = race.race(material, of(2 * _WEIGHT, len(OPTIMIZERS)))
    plane = plane_of(found)
    lap("race")
    fits = overfitting.overfit(material, of(3 * _WEIGHT, 2 * overfitting.SEEDS))
    lap("overfitting")
    learning = learn(material)
    lap("learning")
    luck = splits.try_splits(material, of(4 * _WEIGHT, splits.SPLITS))
    lap("splits")
    return Lessons(material, of_layers, stacks, found, plane, fits, learning, luck, seconds)


_WEIGHT = 20  # per cent of each of the experiments that take long
_WHOLE = 100
