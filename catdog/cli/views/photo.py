"""`catdog inspect PHOTO`: what the file is, and the most probable classes of each model side by side."""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from catdog.cli import console
from catdog.cli.translate import translated
from catdog.cli.views.pages import Page
from catdog.text import Message

if TYPE_CHECKING:
    from catdog.data import PhotoHeader

Ranked = Sequence[tuple[str, float]]  # classes with their probabilities, the most probable first


def photo_page(
    photo: Path, header: "PhotoHeader", predictions: Mapping[str, Ranked], missing: Sequence[Message]
) -> Page:
    """A photo and what each model predicts, by the model's name; `missing`: why a model is not there."""
    facts = {
        "path": str(photo),
        "format": header.format,
        "width": header.width,
        "height": header.height,
        "predictions": {
            name: [{"label": label, "probability": probability} for label, probability in ranked]
            for name, ranked in predictions.items()
        },
    }
    table = console.table(*(cell for name in predictions for cell in (name, "")), right=(1, 3))
    for row, pairs in enumerate(zip_longest(*predictions.values())):
        style = "" if row else "bold"
        cells = [(Text(pair[0], style), f"{pair[1]:.1%}") if pair else ("", "") for pair in pairs]
        table.add_row(*chain.from_iterable(cells))
    title = Text(f"{photo}: {header.format}, {header.width}×{header.height}", style="bold")
    return Page(facts, (title, table, *(Text(translated(reason), style="yellow") for reason in missing)))
