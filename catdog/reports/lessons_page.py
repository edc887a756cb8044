"""`catdog inspect DATA --lessons`: the lecture's ideas as experiments on the user's photos, as one page.

The page's script is in the folder `lessons`.
"""

import gettext
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from catdog.insight.architectures import COMPUTED, PUBLISHED, architectures
from catdog.insight.lessons import gradients, overfitting, race, splits, stack
from catdog.insight.lessons.findings import findings
from catdog.insight.lessons.material import PENALTY
from catdog.insight.lessons.run import Lessons
from catdog.reports.html import picture, shown, thumbnail
from catdog.reports.packing import packed
from catdog.reports.script_page import write_script_page
from catdog.text import message

SCRIPTS = (
    "view chart gradients race rules surface ball overfitting learned splits architectures start".split()
)
_ARRAYS = ("first", "second")  # of the plane, whole
_SAMPLES = 64  # places of the plane whose loss the page compares with its own


def write_lessons(lessons: Lessons, file: Path, *, translations: gettext.NullTranslations) -> None:
    """Write the page.

    Raises:
        OptionError: the file cannot be written.
    """
    folder = shown(lessons.material.folder.absolute().name)
    title = message("The lecture on your photos: {folder}", folder=folder)
    write_script_page(file, "lessons", SCRIPTS, _facts(lessons), title=title, translations=translations)


def _facts(lessons: Lessons) -> dict[str, Any]:
    material, plane = lessons.material, vars(lessons.plane)
    experiments = sum(seconds for name, seconds in lessons.seconds.items() if name != "features")
    return {
        "classes": [shown(name) for name in material.classes],
        "train": len(material.train),
        "valid": len(material.valid),
        "size": material.size,
        "featureSeconds": round(lessons.seconds["features"]),
        "seconds": round(experiments),
        "found": findings(lessons) | {"computed": COMPUTED, "published": PUBLISHED},
        "gradients": {
            "photos": min(gradients.PHOTOS, len(material.train)),
            "pixels": gradients.SIZE,
            "found": lessons.gradients,
            **_settings(gradients, "SEEDS LAYERS"),
        },
        "stacks": {"found": lessons.stacks, **_settings(stack, "DEPTH UNITS STEPS EVERY BATCH RATES SEEDS")},
        "race": _race(lessons),
        "plane": {name: fact for name, fact in plane.items() if name not in _ARRAYS} | _samples(lessons),
        "overfitting": {
            **vars(lessons.overfitting),
            **_settings(overfitting, "UNITS EPOCHS BATCH RATE SEEDS"),
        },
        "learning": _learning(lessons),
        "splits": _splits(lessons),
        "architectures": architectures(),
        "arrays": {name: packed(plane[name]) for name in _ARRAYS},
    }


def _settings(experiment: ModuleType, names: str) -> dict[str, Any]:
    """What an experiment does not vary."""
    return {name.lower(): getattr(experiment, name) for name in names.split()}


def _samples(lessons: Lessons) -> dict[str, Any]:
    """Places of the plane, with their losses."""
    plane = lessons.plane
    places = np.random.default_rng(0).uniform(plane.lows, plane.highs, (_SAMPLES, 2))
    return {"samples": [[a, b, plane.loss(a, b)] for a, b in places.tolist()]}


def _race(lessons: Lessons) -> dict[str, Any]:
    found, rates = lessons.race, race.RATES
    racers = [
        {
            "name": racer.optimizer.name,
            "year": racer.optimizer.year,
            "seconds": racer.seconds,
            "runs": {name: {"rate": run.rate, "losses": run.losses} for name, run in racer.runs.items()},
        }
        for racer in found.racers
    ]
    return {
        "penalty": PENALTY,
        "rates": len(rates),
        "slowest": rates[0],
        "fastest": rates[-1],
        "photos": len(found.samples.labels),
        "lowest": found.lowest,
        "racers": racers,
        **_settings(race, "EPOCHS BATCH APART"),
    }


def _learning(lessons: Lessons) -> dict[str, Any]:
    found, classes = lessons.learning, lessons.material.classes
    photos = [
        {
            "name": shown(photo.path.name),
            "picture": picture(thumbnail(photo.path)),
            "label": shown(classes[photo.label]),
            "predicted": [shown(classes[label]) for label in photo.probabilities.argmax(axis=1)],
            "changed": photo.changed,
            "probabilities": photo.probabilities[:, photo.label],
        }
        for photo in found.photos
    ]
    return {"shown": len(photos), "epochs": len(found.accuracy), "photos": photos}


def _splits(lessons: Lessons) -> dict[str, Any]:
    found = lessons.splits
    return {
        "splits": splits.SPLITS,
        "photos": found.photos,
        "validated": found.validated,
        "counts": np.bincount(found.right, minlength=found.validated + 1),  # of splits, by photos right
        "median": found.median,
        "interval": found.interval,
        "own": [found.own_right, found.own_count],
        "ownInterval": found.own_interval,
    }
