"""What the experiments say in a sentence each, whatever it is, and their figures."""

import math
from typing import Any

import numpy as np

from catdog.insight.lessons import stack
from catdog.insight.lessons.gradients import Gradients
from catdog.insight.lessons.race import EPOCHS
from catdog.insight.lessons.run import Lessons
from catdog.insight.lessons.stack import Stack
from catdog.text import N_, Message, message

_CLEAR = 7 / 8  # of the seeds: of 8, chance alone gives so many in 4 % of all cases


def findings(lessons: Lessons) -> dict[str, Message]:
    """A sentence for each experiment, by its name."""
    return {
        "gradients": _of_gradients(lessons),
        "stacks": _of_stacks(lessons),
        "race": _of_race(lessons),
        "plane": _of_plane(lessons),
        "overfitting": _of_overfitting(lessons),
        "learning": _of_learning(lessons),
        "splits": _of_splits(lessons),
    }


def figures(lessons: Lessons) -> dict[str, Any]:
    """The numbers of all experiments as JSON values: means over seeds with their lowest and highest."""
    race, fits, luck = lessons.race, lessons.overfitting, lessons.splits
    return {
        "folder": str(lessons.material.folder),
        "train": len(lessons.material.train),
        "valid": len(lessons.material.valid),
        "size": lessons.material.size,
        "seconds": {name: round(seconds, 1) for name, seconds in lessons.seconds.items()},
        "gradients": {
            f"{found.activation} {found.start}": {
                "first": _spread(found.sizes[:, 0]),
                "last": _spread(found.sizes[:, -1]),
            }
            for found in lessons.gradients
        },
        "stacks": {
            f"{found.activation} {found.start}": {
                "rate": found.rate,
                "loss": _spread(found.losses[:, -1]),
                "first gradient": _spread(found.gradients[:, 0]),
                "last gradient": _spread(found.gradients[:, -1]),
            }
            for found in lessons.stacks
        },
        "race": {
            racer.optimizer.name: {
                "losses": {name: _number(run.losses[-1]) for name, run in racer.runs.items()},
                "rate": racer.runs["right"].rate,
                "milliseconds": _number(1000 * racer.seconds),
                "in plane": _number(lessons.plane.fractions[racer.optimizer.name]),
            }
            for racer in race.racers
        },
        "lowest": _number(race.lowest),
        "overfitting": {
            f"dropout {found.dropout:g}": {
                "train": _spread(found.train[:, -1]),
                "valid": _spread(found.valid[:, -1]),
                "best valid": _spread(found.valid.min(axis=1)),
                "accuracy": _spread(found.accuracy[:, -1]),
            }
            for found in (fits.without, fits.dropped)
        },
        "learning": {
            "accuracy": [_number(value) for value in lessons.learning.accuracy],
            "changed": lessons.learning.changed.tolist(),
        },
        "splits": {
            "accuracy": _spread(luck.right / luck.validated),
            "validated": luck.validated,
            "own": f"{luck.own_right}/{luck.own_count}",
            "interval": [_number(value) for value in luck.interval],
            "inside": luck.inside,
        },
        "findings": {name: str(sentence) for name, sentence in findings(lessons).items()},
    }


def _of_gradients(lessons: Lessons) -> Message:
    def ratio(activation: str, start: str) -> str:
        (found,) = [
            each for each in lessons.gradients if (each.activation, each.start) == (activation, start)
        ]
        return _ratio(found)

    return message(
        "The gradient of the first convolution, divided by that of the last one: {sigmoid} with sigmoid and "
        "Glorot's start, {relu} with ReLU and Glorot's, {he} with ReLU and He's, {pretrained} with ReLU and "
        "the pretrained weights.",
        sigmoid=ratio("sigmoid", "glorot"),
        relu=ratio("relu", "glorot"),
        he=ratio("relu", "he"),
        pretrained=ratio("relu", "pretrained"),
    )


def _of_stacks(lessons: Lessons) -> Message:
    def best(activation: str) -> Stack:
        return min(
            (each for each in lessons.stacks if each.activation == activation),
            key=lambda each: float(np.nan_to_num(each.losses[:, -1], nan=math.inf).mean()),
        )

    return message(
        "After {steps} steps the mean loss is {sigmoid:.2g} with sigmoid and {relu:.2g} with ReLU, each with "
        "its best start and learning rate. Guessing has {guess:.2g}.",
        steps=stack.STEPS,
        sigmoid=float(best("sigmoid").losses[:, -1].mean()),
        relu=float(best("relu").losses[:, -1].mean()),
        guess=math.log(len(lessons.material.classes)),
    )


def _of_race(lessons: Lessons) -> Message:
    ends = sorted((float(racer.runs["right"].losses[-1]), racer) for racer in lessons.race.racers)
    (first, winner), (last, slowest) = ends[0], ends[-1]
    return message(
        "After {epochs} epochs with the right learning rate, {winner} has the lowest loss, {first:.4f}, and "
        "{slowest} the highest, {last:.4f}. The lowest that there is: {lowest:.4f}.",
        epochs=EPOCHS,
        winner=winner.optimizer.name,
        first=first,
        slowest=slowest.optimizer.name,
        last=last,
        lowest=lessons.race.lowest,
    )


def _of_plane(lessons: Lessons) -> Message:
    fractions = lessons.plane.fractions
    least, most = min(fractions, key=fractions.__getitem__), max(fractions, key=fractions.__getitem__)
    return message(
        "The plane holds between {low:.0%} ({least}) and {high:.0%} ({most}) of a path: of its squared "
        "distances from the start.",
        low=fractions[least],
        least=least,
        high=fractions[most],
        most=most,
    )


def _of_overfitting(lessons: Lessons) -> Message:
    found = lessons.overfitting
    without, dropped = found.without.valid[:, -1], found.dropped.valid[:, -1]
    fields = {
        "lower": int((dropped < without).sum()),
        "seeds": len(without),
        "without": float(without.mean()),
        "dropped": float(dropped.mean()),
    }
    sentence = N_(
        "Dropout makes no clear difference on these photos: with it the last validation loss is lower in "
        "{lower} of {seeds} seeds, {dropped:.3f} on average instead of {without:.3f}."
    )
    if fields["lower"] >= _CLEAR * len(without):
        sentence = N_(
            "Dropout helps on these photos: with it the last validation loss is lower in {lower} of {seeds} "
            "seeds, {dropped:.3f} on average instead of {without:.3f}."
        )
    elif fields["lower"] <= (1 - _CLEAR) * len(without):
        sentence = N_(
            "Dropout does harm on these photos: with it the last validation loss is lower in only {lower} of "
            "{seeds} seeds, {dropped:.3f} on average instead of {without:.3f}."
        )
    return message(sentence, **fields)


def _of_learning(lessons: Lessons) -> Message:
    found = lessons.learning
    return message(
        "{changed} of {photos} validation photos changed their prediction after epoch 1, the last of them in "
        "epoch {epoch}. The accuracy went from {first:.1%} to {last:.1%}.",
        changed=found.ever,
        photos=len(lessons.material.valid),
        epoch=max((photo.changed for photo in found.photos), default=1),
        first=float(found.accuracy[0]),
        last=float(found.accuracy[-1]),
    )


def _of_splits(lessons: Lessons) -> Message:
    found = lessons.splits
    accuracy = found.right / found.validated
    return message(
        "Over {splits} splits the accuracy is between {low:.1%} and {high:.1%}. The 95 % interval of the "
        "median split alone, {start:.1%} to {end:.1%}, holds {inside} of them.",
        splits=len(accuracy),
        low=float(accuracy.min()),
        high=float(accuracy.max()),
        start=found.interval[0],
        end=found.interval[1],
        inside=found.inside,
    )


def _ratio(found: Gradients) -> str:
    """Geometric mean over seeds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.exp(np.mean(np.log(found.sizes[:, 0] / found.sizes[:, -1])))
    return f"{ratio:.2g}" if np.isfinite(ratio) else "0"


def _spread(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in (values.mean(), values.min(), values.max())]


def _number(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
