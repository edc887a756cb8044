"""`catdog evaluate --report`: an evaluation as one page of HTML, a model card at its end."""

import gettext
import hashlib
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from catdog import __version__, devices
from catdog.config import Scale
from catdog.data import PhotoHeader, probe, sizes_and_formats
from catdog.data.overlay import lay_over
from catdog.data.parallel import ordered_map
from catdog.errors import PhotoError
from catdog.evaluation.evaluate import Evaluation
from catdog.evaluation.predictions import AnyOutput, EvaluatedPredictions
from catdog.evaluation.several import OWN_THRESHOLDS, EvaluatedLabels
from catdog.reports.html import picture, render, thumbnail, write_file
from catdog.reports.plots import plots_of
from catdog.runs import Run
from catdog.text import Message, message, quantity, relative, relative_path

_PHOTOS = 12  # of each kind that is shown
_LINES = 50  # of a list that may be long

_Facts = list[tuple[Message, object]]


def write_report(
    evaluation: Evaluation, file: Path, *, command: str, translations: gettext.NullTranslations
) -> None:
    """Write the page of an evaluation of one model.

    Args:
        command: what makes this page, as typed.

    Raises:
        PhotoError: a photo has become unreadable while its heat map was made.
        WeightsError: the pretrained weights cannot be read, for the heat maps.
        OptionError: the file cannot be written.
    """
    (predictions,) = evaluation.models
    worst = predictions.worst(_PHOTOS)
    template, uncertain = "values.html", []
    if isinstance(predictions, EvaluatedLabels):
        template = "labels.html"
    elif isinstance(predictions, EvaluatedPredictions):
        template = "evaluation.html"
        uncertain = [row for row in predictions.least_certain(2 * _PHOTOS) if row not in worst][:_PHOTOS]
    photos = _photos(evaluation, predictions, np.unique([*worst, *uncertain]).tolist())
    page = render(
        template,
        translations,
        evaluated=predictions,
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        data=relative_path(evaluation.data, Path.cwd()),
        remarks=[relative(remark, evaluation.data) for remark in evaluation.remarks],
        plots=plots_of(predictions),
        worst=[photos[row] for row in worst],
        least_certain=[photos[row] for row in uncertain],
        counts=[*_counts(predictions), *_pictures(predictions.paths)],
        skipped=[(evaluation.shown(bad.path), bad.reason) for bad in predictions.skipped[:_LINES]],
        skipped_more=max(0, len(predictions.skipped) - _LINES),
        command=command,
        own_thresholds=OWN_THRESHOLDS,
        **_model_card(predictions),
    )
    write_file(file, page.encode("utf-8", "replace"))


def _photos(evaluation: Evaluation, predictions: AnyOutput, rows: list[int]) -> dict[int, dict[str, Any]]:
    """What the page shows of each photo, its heat map beside it."""
    pixels = {row: thumbnail(predictions.paths[row]) for row in rows}
    there = [row for row in rows if pixels[row] is not None]
    paths = [predictions.paths[row] for row in there]
    digests = {predictions.paths[row]: predictions.digests[row] for row in there}
    classifier = predictions.classifier
    heats = classifier.heat_maps(paths, predictions.evidence(there), digests=digests)
    heat = dict(zip(there, heats, strict=True))
    shown = {}
    for row, photo in pixels.items():
        prediction = predictions.photo(row)
        warm = None
        if photo is not None and heat[row].any():
            warm = lay_over(photo, heat[row], classifier.decoding)
        shown[row] = {
            "path": evaluation.shown(Path(prediction.path)),
            "picture": picture(photo),
            "heat": picture(warm),
            "prediction": prediction,
        }
    return shown


def _counts(predictions: AnyOutput) -> _Facts:
    with_label: _Facts = []
    if isinstance(predictions, EvaluatedPredictions):
        with_label = [
            (message("evaluated, of the class {label}", label=score.label), score.count)
            for score in predictions.metrics.per_class
        ]
    elif isinstance(predictions, EvaluatedLabels):
        with_label = [
            (message("evaluated, with the label {label}", label=score.label), score.count)
            for score in predictions.metrics.per_label
        ]
    counts: _Facts = [
        (message("evaluated"), len(predictions.labels)),
        *with_label,
        (message("exact duplicates among them"), len(predictions.digests) - len(set(predictions.digests))),
        (message("unreadable and skipped"), len(predictions.skipped)),
    ]
    if isinstance(predictions.model, Run):
        splits = predictions.model.split()
        counts.append((message("training photos of the run"), len(splits["train"])))
        counts.append((message("validation photos of the run"), len(splits["valid"])))
    return counts


def _pictures(paths: Sequence[Path]) -> _Facts:
    """Sizes and formats of the photos, as their headers say."""
    headers = [header for header in ordered_map(_header, paths, workers=devices.usable_cores()) if header]
    sizes, formats = sizes_and_formats(headers)
    names = message("smallest, pixels"), message("median, pixels"), message("largest, pixels")
    pixels = [(name, f"{width}×{height}") for name, (width, height) in zip(names, sizes or (), strict=False)]
    return [*pixels, (message("formats"), _listed(formats))] if sizes else []


def _header(path: Path) -> PhotoHeader | None:
    try:
        return probe(path)
    except PhotoError:  # it has been removed since it was predicted
        return None


def _model_card(predictions: AnyOutput) -> dict[str, Any]:
    model, decoding = predictions.model, predictions.classifier.decoding
    classes, scale = ", ".join(predictions.classifier.classes), predictions.classifier.scale
    what = message("Classes: {classes}.", classes=classes)
    if isinstance(predictions, EvaluatedLabels):
        what = message("It predicts several labels: {labels}.", labels=classes)
    elif scale:
        what = message("It predicts a value.")
    installed = {"catdog": __version__, "python": platform.python_version()}
    shape = message("input"), f"{decoding.size}×{decoding.size}, {decoding.resize}"
    facts: _Facts
    if isinstance(model, Path):
        about = message("A VGG16 (Simonyan and Zisserman, 2014), exported by catdog. {what}", what=what)
        facts = [shape, (message("SHA-256 of the exported file"), _sha256(model))]
        trained_by = ""
    else:
        about = message(
            "A VGG16 (Simonyan and Zisserman, 2014), pretrained on ImageNet and fine-tuned by catdog. {what}",
            what=what,
        )
        config, spec = model.config, model.read_model()[1]
        options, trained_by = config.options, config.command
        is_fitted = options.optimizer == "lbfgs"  # it has neither steps of batches nor a rate
        for name in config.versions.keys() - installed:
            with suppress(PackageNotFoundError):
                installed[name] = version(name)
        facts = [
            (message("trained layers, from"), options.unfreeze),
            (message("head"), options.head.kind),
            (message("epochs"), model.epochs_done() or options.epochs),
            (message("epoch of the checkpoint"), spec.epoch),
            (message("optimizer"), options.optimizer),
            (message("learning rate"), None if is_fitted else f"{options.learning_rate:g}"),
            (message("batch size"), None if is_fitted else options.batch_size),
            (message("L2 penalty"), penalty.l2 if (penalty := model.cross_validation()) else options.l2),
            (message("folds of the cross-validation"), options.folds),
            (message("views of each photo in predictions, beside it"), options.views),
            (message("other sizes of each photo"), ", ".join(map(str, options.other_sizes)) or None),
            *_value_facts(scale),
            (message("random seed"), options.seed),
            shape,
            (message("preprocessing"), spec.preprocessing),
            (message("pretrained weights"), spec.weights),
            (message("SHA-256 of the frozen weights"), config.prefix_digest),
            (message("SHA-256 of photos, classes and splits"), config.data_digest),
            (message("SHA-256 of model.safetensors"), _sha256(model.model_path)),
            (message("trained"), config.created),
            (message("versions for the training"), f"{_listed(config.versions)}, {config.device}"),
        ]
    facts.append((message("versions for this page"), f"{_listed(installed)}, {devices.describe()}"))
    there = [(name, fact) for name, fact in facts if fact is not None]
    return {"about": about, "trained_by": trained_by.splitlines(), "facts": there}


def _value_facts(scale: Scale | None) -> _Facts:
    if scale is None:
        return []
    mean, deviation = (quantity(number, scale.unit) for number in (scale.mean, scale.deviation))
    return [
        (message("mean of the training values"), mean),
        (message("standard deviation of the training values"), deviation),
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(versions: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
