"""The forms in which `catdog predict` prints: text for people, JSON and CSV for programs."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click
import numpy as np
from rich.text import Text

from catdog.cli import look
from catdog.cli.draw import draw_photo
from catdog.cli.language import LANGUAGES

FORMATS = ("text", "json", "csv")


@dataclass(frozen=True)
class Answer:
    """What is said of one photo.

    Attributes:
        top: (label, probability), the most probable first; empty where there is an error.
        truth: the true class, where it is known.
    """

    path: Path
    top: tuple[tuple[str, float], ...]
    truth: str | None
    error: str | None = None

    @classmethod
    def of(
        cls,
        path: Path,
        probabilities: np.ndarray,
        classes: tuple[str, ...],
        top_k: int,
        truth: str | None,
    ) -> Self:
        """From the probabilities (classes,) of a photo."""
        order = np.argsort(-probabilities, kind="stable")[:top_k]
        return cls(path, tuple((classes[i], float(probabilities[i])) for i in order), truth)


Writer = Callable[[Answer], None]


@contextmanager
def writer_for(form: str, lang: str | None, show: bool, *, columns: int, truth: bool) -> Iterator[Writer]:
    """A function that prints one answer, on stdout, in this form.

    Args:
        columns: how many labels a row has.
        truth: whether the true classes are known.
    """
    if form == "json":
        with _json_array() as write:
            yield write
    elif form == "csv":
        more = [f"{name}_{place}" for place in range(2, columns + 1) for name in ("label", "probability")]
        true = ["true"] if truth else []
        _print_csv(["path", "label", "probability", *more, *true, "error"])
        yield lambda answer: _write_csv(answer, columns, truth)
    else:
        if show and not look.out.is_terminal:
            look.warn("--show draws only on a terminal; here the answers come without photos")
            show = False
        yield lambda answer: _write_text(answer, lang, show)


@contextmanager
def _json_array() -> Iterator[Writer]:
    separator = "[\n"

    def write(answer: Answer) -> None:
        nonlocal separator
        label, probability = answer.top[0] if answer.top else (None, None)
        row = {
            "path": str(answer.path),
            "label": label,
            "probability": probability,
            "top": [{"label": name, "probability": share} for name, share in answer.top],
            "error": answer.error,
        }
        if answer.truth is not None:
            row["true"] = answer.truth
        click.echo(separator + json.dumps(row, ensure_ascii=False), nl=False)
        separator = ",\n"

    yield write
    click.echo("\n]" if separator != "[\n" else "[]")


def _write_csv(answer: Answer, columns: int, truth: bool) -> None:
    cells: list[object] = [cell for pair in answer.top for cell in pair] or [""] * (2 * columns)
    true = [answer.truth or ""] if truth else []
    _print_csv([str(answer.path), *cells, *true, answer.error or ""])


def _print_csv(row: list[object]) -> None:
    line = io.StringIO()
    csv.writer(line).writerow(row)
    click.echo(line.getvalue(), nl=False)


def _write_text(answer: Answer, lang: str | None, show: bool) -> None:
    if show and answer.error is None:
        draw_photo(answer.path)
    if lang:
        _write_sentence(answer, lang)
        return
    line = Text(f"{look.short(answer.path)}: ")
    if answer.error is not None:
        line.append(answer.error, style="red")
    else:
        for number, (label, share) in enumerate(answer.top):
            style = "bold" if number == 0 else ""
            line.append(", " if number else "").append(label, style=style).append(f" {share:.1%}")
    if answer.truth is not None:
        right = bool(answer.top) and answer.top[0][0] == answer.truth
        line.append(f" (true class: {answer.truth})", style="green" if right else "red")
    look.say(line)


def _write_sentence(answer: Answer, lang: str) -> None:
    language = LANGUAGES[lang]
    look.say(Text(look.short(answer.path)))
    if answer.error is not None:
        look.say(Text(language.error.format(reason=answer.error), style="red"))
    else:
        look.say(Text(language.answer.format(label=language.name(answer.top[0][0]))))
    if answer.truth is not None:
        look.say(Text(language.truth.format(label=language.name(answer.truth))))
