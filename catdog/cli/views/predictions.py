"""The forms in which `catdog predict` prints: text for people, JSON and CSV for programs."""

import csv
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import click
import numpy as np
from rich.cells import cell_len
from rich.text import Text

from catdog.cli import console
from catdog.cli.escapes import json_text, visible_name
from catdog.cli.translate import translated
from catdog.cli.views.draw import draw_photo
from catdog.inference.inputs import Input
from catdog.text import Message, message

FORMATS = ("text", "json", "jsonl", "csv")
UNSURE = "unsure"  # the answer where no class is probable enough


@dataclass(frozen=True)
class Answer:
    """What is said of one photo.

    Attributes:
        name: how its row calls the photo: its path as it was given, or `-` for stdin.
        label: the most probable class, or UNSURE; None where there is an error.
        ranked: (class, probability) of every class, the most probable first; empty where there is an error.
        truth: the true class, where it is known.
        photo: pixels that its longer side has at most → the photo, (height, width, 3) uint8, as people are to
            see it; raises PhotoError.
    """

    path: Path
    name: str
    label: str | None
    ranked: tuple[tuple[str, float], ...]
    truth: str | None
    error: Message | None = None
    photo: Callable[[int], np.ndarray] | None = None

    @classmethod
    def of(
        cls,
        photo: Input,
        probabilities: np.ndarray | None,
        classes: tuple[str, ...],
        threshold: float | None,
        error: Message | None,
    ) -> Self:
        """From the probabilities (classes,) of a photo, or the reason why there are none."""
        name = str(photo.path) if photo.name is None else photo.name
        if probabilities is None:
            return cls(photo.path, name, None, (), photo.truth, error)
        order = np.argsort(-probabilities, kind="stable")
        ranked = tuple((classes[i], float(probabilities[i])) for i in order)
        sure = threshold is None or ranked[0][1] >= threshold
        return cls(photo.path, name, ranked[0][0] if sure else UNSURE, ranked, photo.truth)

    def failed(self, reason: Message) -> "Answer":
        """The same photo with an error instead of an answer."""
        return replace(self, label=None, ranked=(), error=reason, photo=None)

    @property
    def probability(self) -> float | None:
        """Of the most probable class."""
        return self.ranked[0][1] if self.ranked else None


Writer = Callable[[Answer], None]


@contextmanager
def writer_for(
    form: str,
    lang: str | None,
    show: bool,
    *,
    classes: tuple[str, ...],
    top_k: int,
    truth: bool,
    calibrated: bool,
) -> Iterator[Writer]:
    """A function that prints one answer, on stdout, in this form.

    Args:
        classes: what the model tells apart.
        top_k: how many of them a row names beside each other.
        truth: whether the true classes are known.
        calibrated: whether the probabilities are to be taken at their word.
    """
    top_k = min(top_k, len(classes))
    if form == "json":
        with _json_array(top_k, calibrated) as write:
            yield write
    elif form == "jsonl":
        yield lambda answer: click.echo(_json(answer, top_k, calibrated))
    elif form == "csv":
        more = [f"{name}_{place}" for place in range(2, top_k + 1) for name in ("label", "probability")]
        true = ["true"] if truth else []
        each = [f"probability of {name}" for name in classes]
        _print_csv(["path", "label", "probability", *more, *true, *each, "calibrated", "error"])
        yield lambda answer: _write_csv(answer, classes, top_k, truth, calibrated)
    else:
        if show and not console.out.is_terminal:
            console.warn(message("--show draws only on a terminal; here the answers come without photos"))
            show = False
        width = 0  # of the longest name so far: on a terminal the answers stand below each other

        def write_text(answer: Answer) -> None:
            nonlocal width
            if console.out.is_terminal:
                width = min(max(width, cell_len(_shown(answer))), console.out.width // 2)
            _write_text(answer, lang, show, top_k, width)

        yield write_text


def _json(answer: Answer, top_k: int, calibrated: bool) -> str:
    row = {
        "path": answer.name,
        "label": answer.label,
        "probability": answer.probability,
        "top": [{"label": name, "probability": share} for name, share in answer.ranked[:top_k]],
        "probabilities": dict(answer.ranked),
        "calibrated": calibrated,
        "error": answer.error and str(answer.error),
    }
    if answer.truth is not None:
        row["true"] = answer.truth
    return json_text(row)


@contextmanager
def _json_array(top_k: int, calibrated: bool) -> Iterator[Writer]:
    separator = "[\n"

    def write(answer: Answer) -> None:
        nonlocal separator
        click.echo(separator + _json(answer, top_k, calibrated), nl=False)
        separator = ",\n"

    try:
        yield write
    finally:  # whatever ended it, what was said is JSON
        click.echo("\n]" if separator != "[\n" else "[]")


def _write_csv(answer: Answer, classes: tuple[str, ...], top_k: int, truth: bool, calibrated: bool) -> None:
    shares = dict(answer.ranked)
    cells: list[object] = [""] * (2 * top_k)
    if answer.ranked:
        more = (cell for pair in answer.ranked[1:top_k] for cell in pair)
        cells = [answer.label, answer.probability, *more]
    true = [answer.truth or ""] if truth else []
    each = (shares.get(name, "") for name in classes)
    _print_csv([answer.name, *cells, *true, *each, str(calibrated).lower(), str(answer.error or "")])


def _print_csv(row: list[object]) -> None:
    if (
        sys.stdout and sys.stdout.isatty()
    ):  # elsewhere a program reads them, and looks for files of these names
        row = [visible_name(cell) if isinstance(cell, str) else cell for cell in row]
    line = io.StringIO()
    csv.writer(line).writerow(row)
    click.echo(line.getvalue(), nl=False, color=True)  # else click takes away what looks like a colour


def _write_text(answer: Answer, lang: str | None, show: bool, top_k: int, width: int) -> None:
    if show and answer.photo:
        draw_photo(answer.photo)
    if lang:
        _write_sentence(answer, lang)
        return
    name = _shown(answer)
    line = Text(f"{name}: {' ' * (width - cell_len(name))}")
    if answer.error is not None:
        line.append(visible_name(translated(answer.error)), style="red")
    else:
        if answer.label == UNSURE:
            line.append(UNSURE, style="bold yellow").append(": ")
        for number, (label, share) in enumerate(answer.ranked[:top_k]):
            style = "bold" if number == 0 and answer.label == label else ""
            line.append(", " if number else "").append(visible_name(label), style=style).append(
                f" {share:.1%}"
            )
    if answer.truth is not None:
        right = answer.label == answer.truth
        line.append(f" (true class: {visible_name(answer.truth)})", style="green" if right else "red")
    console.say(line)


def _shown(answer: Answer) -> str:
    """The path as a person would type it here; what is no path, as it was given."""
    return console.short(answer.path) if answer.name == str(answer.path) else visible_name(answer.name)


def _write_sentence(answer: Answer, lang: str) -> None:
    console.say(Text(_shown(answer)))
    if answer.error is not None:
        console.say(Text(translated(message("cannot be read: {reason}", reason=answer.error)), style="red"))
    else:
        console.say(
            Text(translated(message("=====This is [{label}].=====", label=translated(answer.label or ""))))
        )
    if answer.truth is not None:
        console.say(Text(translated(message("true class: {label}", label=translated(answer.truth)))))
