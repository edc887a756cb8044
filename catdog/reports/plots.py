"""Plots of a run and of its answers, drawn by matplotlib; as PNG files, or as SVG for a page.

Each comes with a sentence that says what it shows, for who cannot see it.
"""

import io
import re
import warnings
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import cache

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import MaxNLocator

from catdog.evaluation.calibration import Calibration, Reliability
from catdog.evaluation.judge import Judged
from catdog.runs import EpochRecord
from catdog.text import spelt

_INK = "#010203"  # becomes the page's own text colour, light or dark
_BLUE, _ORANGE = "#3f7fd6", "#d9772b"  # told apart by those who see few colours, on white and on black
_SIZE = (5.0, 3.8)  # inches
_DPI = 160
_MOST_NAMES = 20  # classes whose names still fit along an axis
_MOST_CURVES = 8
_LONG_NAME = 14  # letters; longer ones are written aslant

# Beside matplotlib's own font, for class names in other scripts; in a page the browser has fonts of its own.
_FONTS = ("DejaVu Sans", "Noto Sans CJK KR", "Noto Sans CJK JP", "Malgun Gothic", "AppleGothic")


@dataclass(frozen=True)
class Plot:
    """One picture.

    Attributes:
        name: of its file, without the ending.
        title: what a person would call it.
        alt: what it shows, in a sentence.
    """

    name: str
    title: str
    alt: str
    _draw: Callable[[Figure, Callable[[str], str]], None]  # and what makes a class name one that can be drawn
    _size: tuple[float, float] = _SIZE

    @property
    def is_wide(self) -> bool:
        """Whether it wants a page's whole width."""
        return self._size[0] > 1.2 * _SIZE[0]

    def png(self) -> bytes:
        """Black on white; letters that no font here has are spelt as their code points."""
        with _style("black"):
            return self._saved("png", _spelt, facecolor="white", dpi=_DPI)

    def svg(self) -> Markup:
        """For a page of HTML: text stays text, in the page's colour, with the sentence as its label."""
        with _style(_INK), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has more fonts
            text = self._saved("svg", str, transparent=True).decode("utf-8")
        drawing = text[text.index("<svg") :].replace(_INK, "currentColor")
        drawing = re.sub(r'^<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", drawing)
        label = f'<svg role="img" aria-label="{escape(self.alt)}" '
        return Markup(drawing.replace("<svg ", label, 1))

    def _saved(self, form: str, write: Callable[[str], str], **how: object) -> bytes:
        figure = Figure(figsize=self._size, layout="constrained")
        self._draw(figure, write)
        figure.axes[0].set_title(self.title)
        file = io.BytesIO()
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type") if form == "svg" else ("Software",))
        figure.savefig(file, format=form, metadata=metadata, **how)  # pyright: ignore[reportArgumentType]
        return file.getvalue()


def plots_of(judged: Judged, history: Sequence[EpochRecord], *, best_epoch: int) -> list[Plot]:
    """All plots that an evaluation has: confusion, ROC, reliability; and of the run its learning curves."""
    curves = [_curves(history, best_epoch, name) for name in ("loss", "accuracy")] if history else []
    return [_confusion(judged), *_roc(judged), _reliability(judged.calibration), *curves]


def _style(ink: str):
    """Settings for the time of one drawing; class names are no formulas."""
    return matplotlib.rc_context(
        {
            "font.family": list(_fonts()),
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.fonttype": "none",
            "svg.hashsalt": "catdog",
            "text.parse_math": False,
            "grid.color": "#8888884d",
            **dict.fromkeys(
                ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), ink
            ),
        }
    )


@cache
def _fonts() -> dict[str, Set[int]]:
    """Those of `_FONTS` that are here, and the code points that they have."""
    known = {font.name for font in fontManager.ttflist}
    return {name: FT2Font(findfont(name)).get_charmap().keys() for name in _FONTS if name in known}


def _spelt(text: str) -> str:
    has = set().union(*_fonts().values())
    return spelt(text, lambda letter: ord(letter) in has or letter == " ")


def _axes(figure: Figure) -> Axes:
    axes = figure.add_subplot()
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    return axes


def _confusion(judged: Judged) -> Plot:
    report = judged.evaluation
    counts = np.array(report.confusion)

    def draw(figure: Figure, write: Callable[[str], str]) -> None:
        names = [_short(write(name)) for name in report.classes]
        axes = figure.add_subplot()
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xlabel("answer")
        axes.set_ylabel("true class")
        if len(names) > _MOST_NAMES:
            return
        axes.set_xticks(range(len(names)), names)
        if len(names) > 4 or max(map(len, names)) > _LONG_NAME:
            axes.tick_params(axis="x", rotation=45)
            for label in axes.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        for row, column in np.ndindex(counts.shape):
            ink = "white" if shares[row, column] > 0.5 else "#20242a"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=ink)

    alt = f"Confusion matrix: {report.right} of {report.count} photos are on its diagonal, which is right."
    named = min(len(report.classes), _MOST_NAMES)
    size = (max(_SIZE[0], 2.5 + 0.35 * named), max(_SIZE[1], 2.5 + 0.3 * named))
    return Plot("confusion", "Confusion matrix", alt, draw, size)


def _roc(judged: Judged) -> list[Plot]:
    report = judged.evaluation
    scored = [index for index, score in enumerate(report.per_class) if score.roc_auc is not None]
    if not scored:
        return []
    # Of two classes one is the other's mirror image; of many, those with the smallest area say most.
    scored = scored[1:] if len(report.classes) == 2 else scored
    areas = {index: report.per_class[index].roc_auc or 0.0 for index in scored}
    shown = sorted(scored, key=lambda index: areas[index])[:_MOST_CURVES]

    def draw(figure: Figure, write: Callable[[str], str]) -> None:
        axes = _axes(figure)
        for index in shown:
            order = np.argsort(-judged.probabilities[:, index], kind="stable")
            hit = (judged.labels == index)[order]
            ends = np.append(np.diff(judged.probabilities[order, index]) != 0, True)  # ties move together
            true = np.concatenate([[0], np.cumsum(hit)[ends]]) / hit.sum()
            false = np.concatenate([[0], np.cumsum(~hit)[ends]]) / (~hit).sum()
            colour = _BLUE if len(shown) == 1 else None
            axes.plot(
                false, true, label=f"{areas[index]:.4f} {_short(write(report.classes[index]))}", color=colour
            )
        axes.plot([0, 1], [0, 1], color="#888888", linestyle=":")
        axes.set_xlabel("false positive rate")
        axes.set_ylabel("true positive rate")
        if len(shown) == 1:
            axes.legend(title="area", loc="lower right", frameon=False)
        else:
            figure.legend(title="area", loc="outside lower center", ncols=2, frameon=False)

    worst = shown[0]
    alt = f"ROC curves; the smallest area is {areas[worst]:.4f}, of the class {report.classes[worst]}."
    if len(shown) == 1:
        return [Plot("roc", "ROC curve", alt, draw)]
    return [Plot("roc", "ROC curves, each class against all others", alt, draw, (_SIZE[0], _SIZE[1] + 1))]


def _reliability(calibration: Calibration) -> Plot:
    def line(axes: Axes, one: Reliability, label: str, colour: str, marker: str) -> None:
        full = [part for part in one.bins if part.count]
        axes.plot(
            [part.confidence or 0.0 for part in full],
            [part.accuracy or 0.0 for part in full],
            marker=marker,
            color=colour,
            label=f"{label}: error {one.error:.4f}",
        )

    def draw(figure: Figure, write: Callable[[str], str]) -> None:
        axes = _axes(figure)
        axes.plot([0, 1], [0, 1], color="#888888", linestyle=":")
        line(axes, calibration.before, "as trained", _ORANGE, "o")
        if calibration.after:
            line(axes, calibration.after, f"at temperature {calibration.temperature:.2f}", _BLUE, "s")
        axes.set_xlabel("probability of the answer")
        axes.set_ylabel("share of right answers")
        axes.legend(loc="lower right" if not calibration.after else "best", frameon=False)

    alt = f"Reliability diagram: expected calibration error {calibration.before.error:.4f} as trained"
    alt += f", {calibration.after.error:.4f} after temperature scaling." if calibration.after else "."
    return Plot("reliability", "Reliability diagram", alt, draw)


def _curves(history: Sequence[EpochRecord], best_epoch: int, name: str) -> Plot:
    """By epoch, on training and on validation photos: `loss` or `accuracy`."""
    field = {"loss": "loss", "accuracy": "acc"}[name]
    training, validation = ([getattr(one, f"{side}{field}") for one in history] for side in ("", "val_"))
    title = f"{name.capitalize()} by epoch"
    alt = (
        f"{name.capitalize()} over {len(history)} epochs: of training photos from {training[0]:.4f} to "
        f"{training[-1]:.4f}, of validation photos from {validation[0]:.4f} to {validation[-1]:.4f}; kept "
        f"is epoch {best_epoch}."
    )
    epochs = [one.epoch for one in history]

    def draw(figure: Figure, write: Callable[[str], str]) -> None:
        axes = _axes(figure)
        marker = "o" if len(epochs) < 30 else ""
        axes.plot(epochs, training, color=_ORANGE, marker=marker, markersize=4, label="training")
        axes.plot(epochs, validation, color=_BLUE, marker=marker, markersize=4, label="validation")
        axes.axvline(best_epoch, color="#888888", linestyle=":", label=f"kept: epoch {best_epoch}")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False)

    return Plot(name, title, alt, draw)


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
