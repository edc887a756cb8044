"""Plots of predictions and of a run's training, drawn by matplotlib: as PNG files, or as SVG for a page.

Each has a sentence that describes it, for people who cannot see it.
"""

import gettext
import io
import re
import warnings
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import MaxNLocator

from catdog.evaluation.calibration import Calibration
from catdog.evaluation.predictions import AnyOutput, EvaluatedPredictions
from catdog.evaluation.several import EvaluatedLabels, precision_recall
from catdog.evaluation.values import EvaluatedValues
from catdog.large import by_block
from catdog.reports.html import ENGLISH, shown, write_file
from catdog.runs import EpochRecord, Run
from catdog.text import Message, message, quantity, spelt

_INK = "#010203"  # becomes the page's own text colour, light or dark
_BLUE, _ORANGE = "#3f7fd6", "#d9772b"  # distinguishable for colour-blind people, on white and on black
_SIZE = (5.0, 3.8)  # inches
_DPI = 160
_MOST_NAMES = 20  # classes whose names still fit along an axis
_MOST_CURVES = 8
_LONG_NAME = 14  # letters; longer ones are written aslant

# Beside matplotlib's own font, for class names in other scripts; in a page the browser has fonts of its own.
_FONTS = ("DejaVu Sans", "Noto Sans CJK KR", "Noto Sans CJK JP", "Malgun Gothic", "AppleGothic")

# Makes text that can be drawn of a class name, or of a message, which it translates.
Write = Callable[[str | Message], str]


@dataclass(frozen=True)
class Plot:
    """One picture."""

    name: str  # of its file, without the extension
    title: Message
    alt: Message  # a sentence that says what the plot shows
    labels: tuple[Message, Message]  # of the x and the y axis
    draw: Callable[[Axes, Write], None]
    size: tuple[float, float] = _SIZE

    @property
    def is_wide(self) -> bool:
        """Whether it needs a page's whole width."""
        return self.size[0] > 1.2 * _SIZE[0]

    def png(self) -> bytes:
        """Black on white; letters that no font here has are written as their code points."""
        with _style("black"):
            return self._saved("png", lambda text: spelt(shown(text), _has), facecolor="white", dpi=_DPI)

    def svg(self, translations: gettext.NullTranslations = ENGLISH) -> Markup:
        """For a page of HTML: text stays text, in the page's colour, with the sentence as its label."""
        write = partial(shown, translations=translations)
        with _style(_INK), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has more fonts
            text = self._saved("svg", write, transparent=True).decode("utf-8")
        drawing = text[text.index("<svg") :].replace(_INK, "currentColor")
        drawing = re.sub(r'^<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", drawing)
        return Markup(drawing.replace("<svg ", f'<svg role="img" aria-label="{escape(write(self.alt))}" ', 1))

    def _saved(self, form: str, write: Write, **how: object) -> bytes:
        figure = Figure(figsize=self.size, layout="constrained")
        axes = figure.add_subplot()
        self.draw(axes, write)
        x, y = map(write, self.labels)
        axes.set(title=write(self.title), xlabel=x, ylabel=y)
        file = io.BytesIO()
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type") if form == "svg" else ("Software",))
        figure.savefig(file, format=form, metadata=metadata, **how)  # pyright: ignore[reportArgumentType]
        return file.getvalue()


def plots_of(predictions: AnyOutput) -> list[Plot]:
    """All plots of an evaluation: confusion matrix, ROC, reliability; of a run its learning curves too.

    Of values, true against predicted; of several labels, precision by recall.
    """
    score = "accuracy", "acc", message("accuracy"), message("Accuracy by epoch")
    if isinstance(predictions, EvaluatedValues):
        plots = [_scatter(predictions)]
        score = "mae", "mae", message("mean absolute error"), message("Mean absolute error by epoch")
    elif isinstance(predictions, EvaluatedLabels):
        plots = _precision_recall(predictions)
    else:
        plots = [_confusion(predictions), *_roc(predictions), _reliability(predictions.calibration)]
    run = predictions.model
    if isinstance(run, Run) and (history := run.history()):
        best = run.read_model()[1].epoch
        plots += [
            _curve(history, best, "loss", "loss", message("loss"), message("Loss by epoch")),
            _curve(history, best, *score),
        ]
    return plots


def write_plots(predictions: AnyOutput, folder: Path) -> int:
    """Write all plots as PNG files into a folder; returns how many there are.

    Raises:
        OptionError: one cannot be written.
    """
    plots = plots_of(predictions)
    for plot in plots:
        write_file(folder / f"{plot.name}.png", plot.png())
    return len(plots)


def _style(ink: str):
    """Settings for one drawing; a class name is never parsed as a formula."""
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    return matplotlib.rc_context(
        {
            "axes.axisbelow": True,
            "axes.grid": True,
            "font.family": list(_fonts()),
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.fonttype": "none",
            "svg.hashsalt": "catdog",
            "text.parse_math": False,
            "grid.color": "#8888884d",
            **dict.fromkeys(inked, ink),
        }
    )


@cache
def _fonts() -> dict[str, Set[int]]:
    """Those of `_FONTS` that are here, and the code points that they have."""
    known = {font.name for font in fontManager.ttflist}
    return {name: FT2Font(findfont(name)).get_charmap().keys() for name in _FONTS if name in known}


def _has(letter: str) -> bool:
    return letter == " " or any(ord(letter) in letters for letters in _fonts().values())


def _confusion(predictions: EvaluatedPredictions) -> Plot:
    metrics = predictions.metrics
    counts = np.array(metrics.confusion)

    def draw(axes: Axes, write: Write) -> None:
        names = [_short(write(name)) for name in metrics.classes]
        fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.grid(visible=False)
        axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        if len(names) > _MOST_NAMES:
            return
        axes.set_xticks(range(len(names)), names)
        if len(names) > 4 or max(map(len, names)) > _LONG_NAME:
            axes.tick_params(axis="x", rotation=45)
            for label in axes.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        for row, column in np.ndindex(counts.shape):
            ink = "white" if fractions[row, column] > 0.5 else "#20242a"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=ink)

    alt = message(
        "Confusion matrix: {right} of {photos} photos are on its diagonal, which means a correct prediction.",
        right=metrics.right,
        photos=metrics.count,
    )
    named = min(len(metrics.classes), _MOST_NAMES)
    size = (max(_SIZE[0], 2.5 + 0.35 * named), max(_SIZE[1], 2.5 + 0.3 * named))
    labels = message("predicted class"), message("true class")
    return Plot("confusion", message("Confusion matrix"), alt, labels, draw, size)


def _precision_recall(predictions: EvaluatedLabels) -> list[Plot]:
    scores = [
        (score.average_precision, index)
        for index, score in enumerate(predictions.metrics.per_label)
        if score.average_precision is not None
    ]
    if not scores:
        return []
    drawn = sorted(scores)[:_MOST_CURVES]

    def draw(axes: Axes, write: Write) -> None:
        for mean, index in drawn:
            true = predictions.labels[:, index] > 0
            precision, recall = precision_recall(predictions.probabilities[:, index], true)
            label = f"{mean:.4f} {_short(write(predictions.names[index]))}"
            axes.step([0, *recall], [precision[0], *precision], where="pre", label=label)
        axes.set_ylim(0, 1.03)
        if isinstance(figure := axes.figure, Figure):
            title = write(message("average precision"))
            figure.legend(title=title, loc="outside lower center", ncols=2, frameon=False)

    alt = message(
        "Precision by recall: the smallest average precision is {mean:.4f}, that of the label {label}.",
        mean=drawn[0][0],
        label=predictions.names[drawn[0][1]],
    )
    labels, size = (message("recall"), message("precision")), (_SIZE[0], _SIZE[1] + 1)
    return [Plot("precision-recall", message("Precision by recall"), alt, labels, draw, size)]


def _scatter(predictions: EvaluatedValues) -> Plot:
    true, values, unit = predictions.labels, predictions.values, predictions.unit
    ends = float(min(true.min(), values.min())), float(max(true.max(), values.max()))

    def draw(axes: Axes, _: Write) -> None:
        axes.plot(ends, ends, color="#888888", linestyle=":")
        axes.scatter(true, values, s=12, alpha=0.5, color=_BLUE, linewidths=0)
        axes.set_aspect("equal", adjustable="datalim")

    error = quantity(predictions.metrics.mae, unit)
    alt = message(
        "Predicted against true values of {photos} photos: the mean absolute error is {error}.",
        photos=len(true),
        error=error,
    )
    labels = message("true value"), message("predicted value")
    if unit:
        labels = (message("true value ({unit})", unit=unit), message("predicted value ({unit})", unit=unit))
    return Plot("values", message("Predicted against true values"), alt, labels, draw)


def _roc(predictions: EvaluatedPredictions) -> list[Plot]:
    metrics = predictions.metrics
    scored = [index for index, score in enumerate(metrics.per_class) if score.roc_auc is not None]
    if not scored:
        return []
    # The curves of two classes are mirror images; of many, those with the smallest area say most.
    scored = scored[1:] if len(metrics.classes) == 2 else scored
    areas = {index: metrics.per_class[index].roc_auc or 0.0 for index in scored}
    drawn = sorted(scored, key=lambda index: areas[index])[:_MOST_CURVES]

    def draw(axes: Axes, write: Write) -> None:
        for index in drawn:
            scores = by_block(lambda block, index=index: block[:, index].copy(), predictions.probabilities)
            order = np.argsort(-scores, kind="stable")
            positive = (predictions.labels == index)[order]
            ends = np.append(np.diff(scores[order]) != 0, True)  # ties move together
            true = np.concatenate([[0], np.cumsum(positive)[ends]]) / positive.sum()
            false = np.concatenate([[0], np.cumsum(~positive)[ends]]) / (~positive).sum()
            label = f"{areas[index]:.4f} {_short(write(metrics.classes[index]))}"
            axes.plot(false, true, label=label, color=_BLUE if len(drawn) == 1 else None)
        axes.plot([0, 1], [0, 1], color="#888888", linestyle=":")
        title = write(message("area under the curve"))
        if len(drawn) == 1:
            axes.legend(title=title, loc="lower right", frameon=False)
        elif isinstance(figure := axes.figure, Figure):
            figure.legend(title=title, loc="outside lower center", ncols=2, frameon=False)

    alt = message(
        "ROC curves: the smallest area is {area:.4f}, that of the class {label}.",
        area=areas[drawn[0]],
        label=metrics.classes[drawn[0]],
    )
    labels = message("false positive rate"), message("true positive rate")
    if len(drawn) == 1:
        return [Plot("roc", message("ROC curve"), alt, labels, draw)]
    title = message("ROC curves, one class against all others")
    return [Plot("roc", title, alt, labels, draw, (_SIZE[0], _SIZE[1] + 1))]


def _reliability(calibration: Calibration) -> Plot:
    before, after = calibration.before, calibration.after

    def draw(axes: Axes, write: Write) -> None:
        axes.plot([0, 1], [0, 1], color="#888888", linestyle=":")
        for reliability, label, colour, marker in (
            (before, message("uncalibrated: error {error:.4f}", error=before and before.error), _ORANGE, "o"),
            (after, message("calibrated: error {error:.4f}", error=after and after.error), _BLUE, "s"),
        ):
            if reliability:
                full = [part for part in reliability.bins if part.count]
                confidence, accuracy = ([part.confidence for part in full], [part.accuracy for part in full])
                axes.plot(confidence, accuracy, marker=marker, color=colour, label=write(label))  # pyright: ignore
        axes.legend(loc="lower right", frameon=False)

    error = calibration.final.error
    alt = message("Reliability diagram: the expected calibration error is {error:.4f}.", error=error)
    labels = message("probability of the predicted class"), message("fraction of correct predictions")
    return Plot("reliability", message("Reliability diagram"), alt, labels, draw)


def _curve(
    history: Sequence[EpochRecord], best: int, name: str, field: str, label: Message, title: Message
) -> Plot:
    """A field of the records by epoch, on training and on validation photos."""
    training, validation = ([getattr(record, side + field) for record in history] for side in ("", "val_"))
    alt = message(
        "{title}, {epochs} epochs: training from {training_first:.4f} to {training_last:.4f}, validation "
        "from {validation_first:.4f} to {validation_last:.4f}. The checkpoint is that of epoch {best}.",
        title=title,
        epochs=history[-1].epoch,
        training_first=training[0],
        training_last=training[-1],
        validation_first=validation[0],
        validation_last=validation[-1],
        best=best,
    )
    epochs = [record.epoch for record in history]

    def draw(axes: Axes, write: Write) -> None:
        style: dict[str, Any] = {"marker": "o" if len(epochs) < 30 else "", "markersize": 4}
        axes.plot(epochs, training, color=_ORANGE, label=write(message("training")), **style)
        axes.plot(epochs, validation, color=_BLUE, label=write(message("validation")), **style)
        checkpoint = write(message("checkpoint: epoch {epoch}", epoch=best))
        axes.axvline(best, color="#888888", linestyle=":", label=checkpoint)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False)

    return Plot(name, title, alt, (message("epoch"), label), draw)


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
