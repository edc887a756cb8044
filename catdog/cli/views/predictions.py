"""The formats that `catdog predict` prints: text for people; JSON and CSV, in English only, for programs."""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import click
from rich.cells import cell_len
from rich.text import Text

from catdog import durable
from catdog.cli import console
from catdog.cli.translate import translated
from catdog.cli.views.pictures import draw_photo
from catdog.config import Output
from catdog.escapes import json_text, visible_name
from catdog.inference.inputs import Input
from catdog.inference.prediction import UNSURE, Prediction
from catdog.text import N_, Message, message, quantity

FORMATS = ("text", "json", "jsonl", "csv")

# Labels that are translated; all others stay as they are.
_LABELS = {name: message(name) for name in (N_("cat"), N_("cats"), N_("dog"), N_("dogs"), N_("unsure"))}


def class_name(label: str) -> str:
    """A label in the language of this command line, where it is known there."""
    known = _LABELS.get(label.lower())
    if known is None or (name := translated(known)) == known.template:
        return label
    return name


def captions(prediction: Prediction) -> list[str]:
    """What is written below a photo: in the language of this command line, and in English."""

    if prediction.value is not None:
        return [quantity(prediction.value, prediction.unit)]
    if prediction.labels is not None:
        return [_listed(prediction, translated), _listed(prediction, str)]

    def caption(name: Callable[[str], str]) -> str:
        best = next(iter(prediction.probabilities))
        words = f"{name(best)} {prediction.probability:.1%}"
        return f"{name(UNSURE)}: {words}" if prediction.is_unsure else words

    return [caption(class_name), caption(str)]


def _listed(prediction: Prediction, write: Callable[[Message], str]) -> str:
    """The predicted labels with their probabilities."""
    names = prediction.labels or ()
    labels = [f"{visible_name(name)} {prediction.probabilities[name]:.1%}" for name in names]
    return ", ".join(labels) or write(message("no label"))


@dataclass(frozen=True)
class Columns:
    """What a row has.

    Attributes:
        output: of the model.
        top_k: how many classes, the most probable first.
        truth: whether it is known what is true.
    """

    output: Output
    classes: tuple[str, ...]
    top_k: int
    truth: bool
    calibrated: bool


@contextmanager
def into(file: Path) -> Iterator[None]:
    """Within the block stdout is this file, which is there when it is whole."""
    with durable.named(file), durable.replacing_path(file) as temporary:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as rows:
            with redirect_stdout(rows):
                yield


@contextmanager
def writer_for(form: str, show: bool, columns: Columns) -> Iterator[Callable[[Prediction], None]]:
    """A function that prints a prediction on stdout. `show` draws the photo above it."""
    written = 0  # rows of the array
    width = 0  # of the longest path so far: on a terminal the predictions are aligned

    def write_element(prediction: Prediction) -> None:
        nonlocal written
        click.echo((",\n" if written else "[\n") + _json(prediction, columns), nl=False)
        written += 1

    def write_text(prediction: Prediction) -> None:
        nonlocal width
        if show and prediction.picture:
            draw_photo(prediction.picture)
        if console.out.is_terminal:
            path_width = cell_len(visible_name(prediction.path))
            width = min(max(width, path_width), console.out.width // 2)
        console.say(_text(prediction, columns.top_k, width))

    if form == "json":
        try:
            yield write_element
        finally:  # also after an error: what is printed is JSON
            click.echo("\n]" if written else "[]")
    elif form == "jsonl":
        yield lambda prediction: click.echo(_json(prediction, columns))
    elif form == "csv":
        _print_csv(_cells(Prediction(Input(Path())), columns))
        yield lambda prediction: _print_csv(_cells(prediction, columns).values())
    else:
        if show and not console.out.is_terminal:
            console.warn(message("--show draws only on a terminal; here the photos are not drawn"))
            show = False
        yield write_text


def _json(prediction: Prediction, columns: Columns) -> str:
    row: dict[str, object] = {"path": prediction.path}
    if columns.output == "value":
        row |= {"value": prediction.value, "unit": prediction.unit}
    elif columns.output == "labels":
        labels = None if prediction.labels is None else list(prediction.labels)
        every = {"probabilities": prediction.probabilities, "calibrated": columns.calibrated}
        row |= {"labels": labels, **every}
    else:
        row |= {
            "label": prediction.label,
            "probability": prediction.probability,
            "top": prediction.top(columns.top_k),
            "probabilities": prediction.probabilities,
            "calibrated": columns.calibrated,
        }
    row["error"] = prediction.error
    truth = prediction.source.truth
    return json_text(row if truth is None else row | {"true": truth})


def _cells(prediction: Prediction, columns: Columns) -> dict[str, object]:
    """Heading → cell; the headings do not depend on the prediction."""
    row: dict[str, object] = {"path": prediction.path}
    if columns.output == "value":
        row |= {"value": "" if prediction.value is None else prediction.value, "unit": prediction.unit}
    elif columns.output == "labels":
        row["labels"] = ";".join(prediction.labels or ())
    else:
        ranked = [*prediction.probabilities.items(), *[("", "")] * columns.top_k][: columns.top_k]
        row |= {"label": prediction.label or "", "probability": ranked[0][1]}
        for place, (label, probability) in enumerate(ranked[1:], start=2):
            row |= {f"label_{place}": label, f"probability_{place}": probability}
    if columns.truth:
        row["true"] = prediction.source.truth or ""
    if columns.output != "value":
        row |= {f"probability of {name}": prediction.probabilities.get(name, "") for name in columns.classes}
        row["calibrated"] = str(columns.calibrated).lower()
    return row | {"error": prediction.error or ""}


def _print_csv(row: Iterable[object]) -> None:
    # Elsewhere than on a terminal a program reads the names, and looks for files with them.
    if sys.stdout and sys.stdout.isatty():
        row = [visible_name(cell) if isinstance(cell, str) else cell for cell in row]
    line = io.StringIO()
    csv.writer(line).writerow(row)
    click.echo(line.getvalue(), nl=False, color=True)  # otherwise click removes what looks like a colour


def _text(prediction: Prediction, top_k: int, width: int) -> Text:
    """A row for people. Where path and prediction are on one line, the path is padded to `width` columns."""
    path, truth = visible_name(prediction.path), prediction.source.truth
    row = _row(prediction, path, top_k)
    if truth is not None and prediction.value is not None:
        row = message("{row} (true value: {value})", row=row, value=quantity(float(truth), prediction.unit))
    elif truth is not None and prediction.labels is not None:
        true = visible_name(truth.replace(";", ", ")) or translated(message("no label"))
        row = message("{row} (true labels: {labels})", row=row, labels=true)
    elif truth is not None:
        colour = "green" if prediction.label == truth else "red"
        label = click.style(visible_name(class_name(truth)), fg=colour)
        row = message("{row} (true class: {label})", row=row, label=label)
    line, start = translated(row), f"{path}: "
    if line.startswith(start):
        line = start + " " * (width - cell_len(path)) + line.removeprefix(start)
    return Text.from_ansi(line)


def _row(prediction: Prediction, path: str, top_k: int) -> Message:
    if prediction.reason is not None:
        reason = click.style(visible_name(translated(prediction.reason)), fg="red")
        return message("{path}: {reason}", path=path, reason=reason)
    if prediction.value is not None:
        value = click.style(visible_name(quantity(prediction.value, prediction.unit)), bold=True)
        return message("{path}: {value}", path=path, value=value)
    if prediction.labels is not None:
        return message(
            "{path}: {labels}", path=path, labels=click.style(_listed(prediction, translated), bold=True)
        )
    ranked = [(visible_name(class_name(label)), value) for label, value in prediction.probabilities.items()]
    listed = [f"{label} {value:.1%}" for label, value in ranked[:top_k]]
    if prediction.is_unsure:
        unsure = click.style(class_name(UNSURE), fg="yellow", bold=True)
        return message("{path}: {label}: {ranking}", path=path, label=unsure, ranking=", ".join(listed))
    best = {"path": path, "label": click.style(ranked[0][0], bold=True), "probability": ranked[0][1]}
    if top_k == 1:
        return message("{path}: {label} {probability:.1%}", **best)
    return message("{path}: {label} {probability:.1%}, {others}", **best, others=", ".join(listed[1:]))
