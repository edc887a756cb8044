"""The classifier that a command is about: a run's, or ImageNet's own."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from catdog.cli import progress_bars
from catdog.cli.options import weights_from
from catdog.cli.translate import UsageError
from catdog.errors import WeightsError
from catdog.runs import Run
from catdog.weights.download import DOWNLOADS
from catdog.workspace import Workspace

if TYPE_CHECKING:
    from catdog.inference.classifier import Classifier

# What --model names beside run folders.
IMAGENET = "imagenet"


def classifier_of(run: Run, workspace: Workspace, *, calibrate: bool = True) -> "Classifier":
    """The model of a run; `calibrate` uses its temperature.

    Raises:
        RunError, WeightsError: it cannot be read, or its weights cannot.
    """
    from catdog.inference.classifier import Classifier

    with progress_bars.FeatureBar() as bar:
        return Classifier.of_run(run, workspace=workspace, calibrate=calibrate, report=bar)


def exported(model: Path | None) -> Path | None:
    """The file that --model names, if it is one that stands alone and not the one in a run folder."""
    if model is None or not os.path.isfile(model):
        return None
    is_runs = model.name in ("model.safetensors", "config.json") and (model.parent / "config.json").is_file()
    return None if is_runs else model


def file_classifier(path: Path, workspace: Workspace) -> "Classifier":
    """The model of a file that `catdog export` wrote.

    Raises:
        WeightsError, RunError: it cannot be read, or is another file.
    """
    from catdog.inference.classifier import Classifier

    return Classifier.of_file(path, workspace=workspace)


def imagenet_classifier(weights: str | None, preprocessing: str | None, workspace: Workspace) -> "Classifier":
    """The original network, with the weights that --weights names, or those downloaded before.

    Raises:
        WeightsError: there are none, they lack a layer, or they cannot be read.
    """
    from catdog.inference.classifier import Classifier

    source = weights_from(weights or _downloaded(workspace), preprocessing, workspace)
    return Classifier.of_imagenet(source, workspace=workspace)


def _downloaded(workspace: Workspace) -> str:
    for name, download in DOWNLOADS.items():
        if workspace.weights and (workspace.weights / download.file_name).is_file():
            return name
    raise WeightsError(
        "the 1000 answers of ImageNet need weights with fc1, fc2 and predictions, and none have been "
        "downloaded yet: give --weights keras or --weights timm (550 MB, once), or --weights FILE"
    )


def refuse_weights(weights: str | None, preprocessing: str | None) -> None:
    """A usage error where an option is given that only ImageNet's own network has a use for."""
    if weights or preprocessing:
        flag = "--weights" if weights else "--preprocessing"
        raise UsageError(
            "{flag} goes with --model {imagenet}; a run has weights of its own.", flag=flag, imagenet=IMAGENET
        )
