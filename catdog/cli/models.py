"""The classifier that a command is about: a run's, or ImageNet's own."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catdog.cli.options import weights_from
from catdog.errors import WeightsError
from catdog.model.download import DOWNLOADS
from catdog.places import Places
from catdog.runs import Run

if TYPE_CHECKING:
    from catdog.analysis.classify import Classifier

# What --model names beside run folders.
IMAGENET = "imagenet"


def classifier_of(run: Run, where: Places, workers: int, *, calibrate: bool = True) -> "Classifier":
    """The model of a run; `calibrate` uses its temperature.

    Raises:
        RunError, WeightsError: it cannot be read, or its weights cannot.
    """
    from catdog.analysis.classify import Classifier

    return Classifier.of_run(
        run,
        find=lambda name, preprocessing: weights_from(name, preprocessing, where),
        cache=where.features,
        memo_dir=where.checked,
        workers=workers,
        calibrate=calibrate,
    )


def exported(model: Path | None) -> Path | None:
    """The file that --model names, if it is one that stands alone and not the one in a run folder."""
    if model is None or not os.path.isfile(model):
        return None
    is_runs = model.name in ("model.safetensors", "config.json") and (model.parent / "config.json").is_file()
    return None if is_runs else model


def file_classifier(path: Path, where: Places, workers: int) -> "Classifier":
    """The model of a file that `catdog export` wrote.

    Raises:
        WeightsError, RunError: it cannot be read, or is another file.
    """
    from catdog.analysis.classify import Classifier

    return Classifier.of_file(path, cache=where.features, workers=workers)


def imagenet_classifier(
    weights: str | None, preprocessing: str | None, where: Places, workers: int
) -> "Classifier":
    """The original network, with the weights that --weights names, or those downloaded before.

    Raises:
        WeightsError: there are none, they lack a layer, or they cannot be read.
    """
    from catdog.analysis.classify import Classifier

    source = weights_from(weights or _downloaded(where), preprocessing, where)
    return Classifier.of_imagenet(source, cache=where.features, memo_dir=where.checked, workers=workers)


def _downloaded(where: Places) -> str:
    for name, download in DOWNLOADS.items():
        if (where.weights / download.file_name).is_file():
            return name
    raise WeightsError(
        "the 1000 answers of ImageNet need weights with fc1, fc2 and predictions, and none have been "
        "downloaded yet: give --weights keras or --weights timm (550 MB, once), or --weights FILE"
    )


def refuse_weights(weights: str | None, preprocessing: str | None) -> None:
    """A usage error where an option is given that only ImageNet's own network has a use for."""
    if weights or preprocessing:
        flag = "--weights" if weights else "--preprocessing"
        raise click.UsageError(f"{flag} goes with --model {IMAGENET}; a run has weights of its own.")
