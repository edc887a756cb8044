"""`catdog inspect DATA --lessons`: the lecture's ideas as experiments on the user's photos, as one page.

The page's script is in the folder `lessons`, its sentences in `lessons_text`.
"""

import gettext
from pathlib import Path
from typing import Any

import numpy as np

from catdog import __version__
from catdog.insight.architectures import architectures
from catdog.insight.lessons import gradients, learned, overfitting, race, splits, stack
from catdog.insight.lessons.findings import findings
from catdog.insight.lessons.material import PENALTY
from catdog.insight.lessons.run import Lessons
from catdog.reports.html import picture, shown, thumbnail
from catdog.reports.lessons_text import SENTENCES
from catdog.reports.packing import packed
from catdog.reports.script_page import write_script_page
from catdog.text import Message, message

_SCRIPTS = (
    "view chart gradients race rules surface ball overfitting learned splits architectures start".split()
)
_DIGITS = 6  # of a number in the page
_SAMPLES = 64  # places of the plane whose loss the page compares with its own


def write_lessons(lessons: Lessons, file: Path, *, translations: gettext.NullTranslations) -> None:
    """Write the page.

    Raises:
        OptionError: the file cannot be written.
    """
    sentences: dict[str, Message] = {
        **SENTENCES,
        **{f"found_{name}": sentence for name, sentence in findings(lessons).items()},
        **{f"idea_{network.name}": network.idea for network in architectures()},
        **{f"tested_{network.name}": network.tested for network in architectures()},
    }
    write_script_page(
        file,
        "lessons",
        _SCRIPTS,
        _facts(lessons),
        sentences,
        title=message("The lecture on your photos: {folder}", folder=shown(_name(lessons))),
        translations=translations,
    )


def _name(lessons: Lessons) -> str:
    return lessons.material.folder.absolute().name


def _facts(lessons: Lessons) -> dict[str, Any]:
    material = lessons.material
    experiments = sum(seconds for name, seconds in lessons.seconds.items() if name != "features")
    return {
        "version": __version__,
        "folder": shown(_name(lessons)),
        "classes": [shown(name) for name in material.classes],
        "train": len(material.train),
        "valid": len(material.valid),
        "size": material.size,
        "featureSeconds": round(lessons.seconds["features"]),
        "seconds": round(experiments),
        "gradients": _gradients(lessons),
        "stacks": _stacks(lessons),
        "race": _race(lessons),
        "plane": _plane(lessons),
        "overfitting": _overfitting(lessons),
        "learning": _learning(lessons),
        "splits": _splits(lessons),
        "architectures": [network.to_json() for network in architectures()],
        "arrays": {name: packed(getattr(lessons.plane, name)) for name in ("first", "second")},
    }


def _gradients(lessons: Lessons) -> dict[str, Any]:
    return {
        "photos": min(gradients.PHOTOS, len(lessons.material.train)),
        "pixels": gradients.SIZE,
        "seeds": gradients.SEEDS,
        "layers": list(gradients.LAYERS),
        "found": [
            {"activation": found.activation, "start": found.start, "sizes": _numbers(found.sizes)}
            for found in lessons.gradients
        ],
    }


def _stacks(lessons: Lessons) -> dict[str, Any]:
    return {
        "depth": stack.DEPTH,
        "units": stack.UNITS,
        "steps": stack.STEPS,
        "every": stack.EVERY,
        "batch": stack.BATCH,
        "rates": stack.RATES,
        "seeds": stack.SEEDS,
        "found": [
            {
                "activation": found.activation,
                "start": found.start,
                "rate": found.rate,
                "losses": _numbers(found.losses),
                "gradients": _numbers(found.gradients),
            }
            for found in lessons.stacks
        ],
    }


def _race(lessons: Lessons) -> dict[str, Any]:
    found = lessons.race
    return {
        "epochs": race.EPOCHS,
        "batch": race.BATCH,
        "penalty": PENALTY,
        "apart": race.APART,
        "rates": len(race.RATES),
        "slowest": race.RATES[0],
        "fastest": race.RATES[-1],
        "photos": len(found.samples.labels),
        "lowest": found.lowest,
        "racers": [
            {
                "name": racer.optimizer.name,
                "year": racer.optimizer.year,
                "seconds": racer.seconds,
                "runs": {
                    name: {"rate": run.rate, "losses": _numbers(run.losses)}
                    for name, run in racer.runs.items()
                },
            }
            for racer in found.racers
        ],
    }


def _plane(lessons: Lessons) -> dict[str, Any]:
    plane = lessons.plane
    places = np.random.default_rng(0).uniform(plane.lows, plane.highs, (_SAMPLES, 2))
    return {
        "labels": plane.labels.tolist(),
        "penalty": plane.penalty,
        "lows": plane.lows.tolist(),
        "highs": plane.highs.tolist(),
        "fractions": plane.fractions,
        "paths": {name: _numbers(path) for name, path in plane.paths.items()},
        "samples": [[a, b, plane.loss(a, b)] for a, b in places.tolist()],
    }


def _overfitting(lessons: Lessons) -> dict[str, Any]:
    found = lessons.overfitting
    return {
        "photos": found.photos,
        "flipped": found.flipped,
        "validated": found.validated,
        "units": overfitting.UNITS,
        "epochs": overfitting.EPOCHS,
        "batch": overfitting.BATCH,
        "rate": overfitting.RATE,
        "seeds": overfitting.SEEDS,
        "found": [
            {"dropout": fits.dropout}
            | {name: _numbers(getattr(fits, name)) for name in ("train", "valid", "accuracy")}
            for fits in (found.without, found.dropped)
        ],
    }


def _learning(lessons: Lessons) -> dict[str, Any]:
    found, classes = lessons.learning, lessons.material.classes
    return {
        "changed": found.changed.tolist(),
        "accuracy": _numbers(found.accuracy),
        "shown": learned.SHOWN,
        "photos": [
            {
                "name": shown(photo.path.name),
                "picture": picture(thumbnail(photo.path)),
                "label": shown(classes[photo.label]),
                "predicted": [shown(classes[label]) for label in photo.probabilities.argmax(axis=1)],
                "changed": photo.changed,
                "probabilities": _numbers(photo.probabilities[:, photo.label]),
            }
            for photo in found.photos
        ],
    }


def _splits(lessons: Lessons) -> dict[str, Any]:
    found = lessons.splits
    counts = np.bincount(found.right, minlength=found.validated + 1)
    return {
        "splits": splits.SPLITS,
        "photos": found.photos,
        "validated": found.validated,
        "counts": counts.tolist(),  # of splits, by the number of photos that are right
        "median": found.median,
        "interval": found.interval,
        "own": [found.own_right, found.own_count],
        "ownInterval": found.own_interval,
    }


def _numbers(values: np.ndarray) -> Any:
    """Nested lists of short numbers; null for what is not finite."""
    if values.ndim > 1:
        return [_numbers(part) for part in values]
    return [float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in values.tolist()]
