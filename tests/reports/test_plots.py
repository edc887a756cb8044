"""Plots without a network: their text, in any language and any script."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from catdog.evaluation.predictions import EvaluatedPredictions
from catdog.reports.plots import Plot, plots_of
from catdog.text import Message
from tests.reports.test_html import Marked


@pytest.fixture(scope="module")
def plots() -> dict[str, Plot]:
    """Of predictions for 40 photos, a quarter of them wrong."""
    probabilities = np.linspace(0.01, 0.99, 40).astype(np.float32)
    logits = np.log(np.stack([1 - probabilities, probabilities], axis=1))
    labels = (probabilities > 0.5).astype(np.int64)
    labels[::4] = 1 - labels[::4]

    def softmax(logits_nk: np.ndarray, *, temperature: float) -> np.ndarray:
        exponentials = np.exp(logits_nk / temperature)
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    classifier: Any = SimpleNamespace(
        classes=("<a>", "b\ue000 é"), probabilities=softmax, is_scaled=False, calibrated=False
    )
    predictions = EvaluatedPredictions(
        model=Path("exported.safetensors"),
        classifier=classifier,
        paths=tuple(Path(f"{number}.jpg") for number in range(40)),
        digests=tuple(f"{number:064x}" for number in range(40)),
        labels=labels,
        logits=logits,
        plain_logits=logits,
        probabilities=softmax(logits, temperature=1),
        losses=-logits[np.arange(40), labels],
        skipped=(),
        fitted_on=frozenset(),
    )
    return {plot.name: plot for plot in plots_of(predictions)}


def test_an_exported_file_has_no_learning_curves(plots: dict[str, Plot]) -> None:
    assert plots.keys() == {"confusion", "roc", "reliability"}


@pytest.mark.parametrize("name", ["confusion", "roc", "reliability"])
def test_text_is_translated_and_names_are_not(plots: dict[str, Plot], name: str) -> None:
    english, marked = plots[name].svg(), plots[name].svg(Marked())
    assert f'aria-label="⟦{str(plots[name].alt)[:10]}' in marked
    words = {
        "confusion": "predicted class",
        "roc": "true positive rate",
        "reliability": "uncalibrated: error",
    }
    assert words[name] in english
    assert f"⟦{words[name]}" in marked
    if name == "confusion":
        assert "&lt;a&gt;" in marked


def test_letters_that_no_font_has_are_written_as_code_points(plots: dict[str, Plot]) -> None:
    written = []
    plot = plots["confusion"]

    def draw(axes: Axes, write: Callable[[str | Message], str]) -> None:
        plot.draw(axes, write)
        written.append(write("b\ue000 é"))

    recorded = replace(plot, draw=draw)
    recorded.png()
    assert written == ["b[U+E000] é"]
    assert "b\ue000 é" in plot.svg()
