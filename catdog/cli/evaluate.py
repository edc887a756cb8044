"""`catdog evaluate [DATA]`: how good is a run, and on which photos is it wrong."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.table import Table
from rich.text import Text

from catdog.analysis.choose import SPLITS, Chosen, choose
from catdog.analysis.metrics import Evaluation, evaluate
from catdog.cli import look
from catdog.cli.models import classifier_of
from catdog.cli.options import cache_options, chosen_run, model_options, places
from catdog.errors import DataError
from catdog.runs import Run

if TYPE_CHECKING:
    from catdog.analysis.classify import Answers


@click.command("evaluate", short_help="how good is a run, and on which photos is it wrong")
@click.argument("data", type=click.Path(path_type=Path), required=False)
@model_options
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    help="Which photos.  [default: validation; where DATA has none, what the run was not trained on]",
)
@click.option(
    "--worst",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="How many of the photos with the largest loss to list.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@cache_options
def command(
    data: Path | None,
    model: Path | None,
    runs_dir: Path,
    split: str | None,
    worst: int,
    as_json: bool,
    cache_dir: Path | None,
    no_cache: bool,
    workers: int,
) -> None:
    """Measure a run on labelled photos: those in DATA, or the run's own validation photos."""
    run = chosen_run(model, runs_dir)
    with places(cache_dir, no_cache) as where, look.FeatureBar() as bar:
        classifier = classifier_of(run, where, workers)
        chosen = choose(run, classifier.classes, data, split, workers=workers, report=bar)
        paths = [photo.path for photo in chosen.photos]
        answers = classifier.answer(paths, digests=chosen.digests, report=bar)
        labels = chosen.labels(classifier.classes)[answers.photos]
        if not len(labels):
            raise DataError(
                f"none of the {len(paths)} photos can be read, the first {answers.skipped[0].path}: "
                f"{answers.skipped[0].reason}"
            )
        losses = classifier.losses(answers, labels)
    report = evaluate(answers.probabilities, labels, losses, classes=classifier.classes)
    rows = _worst(chosen, answers, labels, losses, classifier.classes, worst)
    skipped = [{"path": str(one.path), "reason": one.reason} for one in (*chosen.skipped, *answers.skipped)]
    for remark in chosen.remarks:
        look.note(remark)
    if as_json:
        extra = {"model": str(run.folder), "worst": rows, "skipped": skipped}
        click.echo(json.dumps(report.to_json() | extra, indent=2, ensure_ascii=False))
        return
    if skipped:
        first = skipped[0]
        look.warn(f"{len(skipped)} photos could not be read, the first {first['path']}: {first['reason']}")
    _show(run, report, rows)


def _worst(
    chosen: Chosen,
    answers: "Answers",
    labels: np.ndarray,
    losses: np.ndarray,
    classes: tuple[str, ...],
    count: int,
) -> list[dict[str, Any]]:
    """The photos with the largest loss, largest first."""
    return [
        {
            "path": str(chosen.photos[answers.photos[row]].path),
            "true": classes[labels[row]],
            "label": classes[answers.probabilities[row].argmax()],
            "probability": float(answers.probabilities[row].max()),
            "loss": float(losses[row]),
        }
        for row in np.argsort(-losses, kind="stable")[:count]
    ]


def _show(run: Run, report: Evaluation, worst: list[dict[str, Any]]) -> None:
    low, high = report.accuracy_interval
    look.say(Text(f"{run.folder} on {report.count} photos", style="bold"))
    look.say(f"loss: {report.loss:.4f} - acc: {report.accuracy:.4f}")
    look.say(f"{report.right} of {report.count} right; with 95 % confidence between {low:.2%} and {high:.2%}")
    look.say()

    scores = look.table("class", "photos", "precision", "recall", "F1")
    for score in report.per_class:
        shares = (score.precision, score.recall, score.f1)
        cells = ["-" if share is None else f"{share:.4f}" for share in shares]
        scores.add_row(Text(score.label), str(score.count), *cells)
    look.out.print(scores)
    look.say()

    confusion: Table = look.table("true class", *(f"said {label}" for label in report.classes))
    for row, label in enumerate(report.classes):
        cells = [
            Text(str(cell), style="green" if row == column else "red" if cell else "dim")
            for column, cell in enumerate(report.confusion[row])
        ]
        confusion.add_row(Text(label), *cells)
    look.out.print(confusion)
    look.say()

    if worst:
        photos = look.table("photo", "true class", "answer", "probability", "loss", right=(3, 4))
        for one in worst:
            right = one["true"] == one["label"]
            photos.add_row(
                Text(look.short(Path(one["path"])), overflow="fold"),
                Text(one["true"]),
                Text(one["label"], style="green" if right else "red"),
                f"{one['probability']:.1%}",
                f"{one['loss']:.3f}",
            )
        look.say("Photos with the largest loss:")
        look.out.print(photos)
