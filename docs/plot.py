"""Draws docs/accuracy.svg from a table of docs/accuracy.md: python docs/plot.py"""

import re
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.figure import Figure

HERE = Path(__file__).parent

# Commas in a label → where it stands beside its point: offset in points, and its end that is there.
_BESIDE = {1: ((0, 7), "center"), 2: ((3, -14), "left")}


class Variant(NamedTuple):
    """A row of the table; the cost is the time for features as a multiple."""

    photos: str
    sizes: str
    cost: float
    accuracy: float
    loss: float

    @property
    def name(self) -> str:
        """What identifies its point in the picture."""
        return f"{self.photos}: {self.sizes}: {self.cost:g}, {self.accuracy}, {self.loss}"


def variants() -> list[Variant]:
    """The rows of the table of sizes and costs."""
    section = (HERE / "accuracy.md").read_text("utf-8").partition("## Several sizes")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if re.match(r"\| (cats|breeds)", line)]
    cells = [[cell.strip().replace("*", "").replace("`", "") for cell in row] for row in rows]
    return [
        Variant(photos, sizes, float(cost), float(accuracy.split()[0]), float(loss.split()[0]))
        for photos, sizes, cost, accuracy, loss, *_ in cells
    ]


def draw() -> None:
    """Write the picture."""
    found = variants()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "accuracy", "font.size": 9}):
        figure = Figure(figsize=(9, 5.4), layout="constrained")
        for column, photos in enumerate(dict.fromkeys(variant.photos for variant in found)):
            points = [variant for variant in found if variant.photos == photos]
            for row, title in enumerate(("accuracy", "log loss")):
                axes = figure.add_subplot(2, 2, 1 + column + 2 * row)
                axes.set_title(f"{photos}: {title}", loc="left", fontsize=10)
                axes.set_xlim(0.3, 9.9)
                axes.margins(y=0.18)
                axes.set_xlabel("time for the features of a photo; 1: 224 pixels")
                axes.grid(alpha=0.3)
                axes.spines[["top", "right"]].set_visible(False)
                for point in points:
                    place = point.cost, point.loss if row else point.accuracy
                    colour = "#1d5fa8" if "(" in point.sizes else "#8a8f98"  # blue: of --quality
                    axes.plot(*place, "o", color=colour, gid=f"{point.name}, {title}")
                    label = point.sizes.partition(" (")[0].rpartition(" and ")[2]
                    offset, end = _BESIDE.get(label.count(","), ((5, 5), "left"))
                    axes.annotate(label, place, offset, textcoords="offset points", ha=end)
        written = StringIO()
        figure.savefig(written, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    # A document type is an address, and nothing needs it.
    (HERE / "accuracy.svg").write_text(re.sub(r"<!DOCTYPE[^>]*>\n", "", written.getvalue()), "utf-8")


if __name__ == "__main__":
    draw()
