"""`catdog inspect PHOTO`: one photo, and what a run and the original network say of it, side by side."""

from pathlib import Path

import numpy as np

from catdog.cli import progress_bars
from catdog.cli.options import chosen_run
from catdog.cli.views import pages
from catdog.data import probe
from catdog.errors import PhotoError, RunError, WeightsError
from catdog.inference.classifier import Classifier
from catdog.inference.models import IMAGENET, open_classifier, open_imagenet
from catdog.workspace import Workspace

_TOP = 5


def photo_page(
    photo: Path,
    *,
    model: Path | None,
    runs_dir: Path,
    weights: str | None,
    preprocessing: str | None,
    workspace: Workspace,
) -> pages.Page:
    """What the file is, and the five most probable answers of each model that there is.

    Raises:
        PhotoError: it cannot be read.
        RunError, WeightsError: a model that was asked for cannot be had, or there is none at all.
    """
    try:
        header = probe(photo)
    except PhotoError as error:
        raise PhotoError("{photo}: {reason}", photo=photo, reason=error) from error
    models: dict[str, Classifier] = {}
    missing: list[str] = []
    if model != Path(IMAGENET):
        try:
            run = chosen_run(model, runs_dir)
            with progress_bars.FeatureBar() as bar:
                models[str(run.folder)] = open_classifier(run, workspace, report=bar)
        except RunError as error:
            if model:
                raise
            missing.append(str(error))
    try:
        with progress_bars.FeatureBar() as bar:
            models["ImageNet"] = open_imagenet(weights, preprocessing, workspace, report=bar)
    except WeightsError as error:
        if weights or not models:
            raise
        missing.append(str(error))
    answers = {name: _top(classifier, photo) for name, classifier in models.items()}
    return pages.photo_page(photo, header, answers, missing)


def _top(classifier: Classifier, photo: Path) -> list[tuple[str, float]]:
    with progress_bars.FeatureBar() as bar:
        found = classifier.predict([photo], report=bar)
    if found.skipped:
        raise PhotoError("{photo}: {reason}", photo=photo, reason=found.skipped[0].reason)
    shares = found.probabilities[0]
    order = np.argsort(-shares, kind="stable")[:_TOP]
    return [(classifier.classes[one], float(shares[one])) for one in order]
