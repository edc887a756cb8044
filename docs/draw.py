"""Draws the pictures of docs/architecture.md from the code's own imports: `python docs/draw.py`.

rooms.svg shows the rooms from the top floor down, and which imports which. way.svg shows the way of a photo's
data through `catdog train` and `catdog predict`; a step is drawn if its module defines what the step names.
tests/test_architecture.py fails if a picture is not what this draws.
"""

import ast
from collections import Counter
from html import escape
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "catdog"

# From the top floor down: a room imports from the rooms below it, and from itself.
ROOMS = (
    *("cli", "api", "reports", "export", "insight", "evaluation", "checks", "inference", "training"),
    *("features", "data", "archives", "weights", "model", "runs", "records", "devices", "hosts", "workspace"),
    *("progress", "config", "durable", "large", "memory", "errors", "text", "escapes", "interrupt"),
)
BASE = ROOMS[ROOMS.index("progress") :]  # nearly every room imports these

# What a command does with the photos, step by step: (module, what it defines there, what comes out).
TRAIN = (
    ("data.layout", "scan", "files with class and split"),
    ("data.fingerprint", "fingerprint", "content digests"),
    ("data.split", "split_by_content", "training and validation photos"),
    ("data.decode", "decode", "uint8 pixels (224, 224, 3)"),
    ("features.prefix", "Prefix", "features (7, 7, 512), once per photo"),
    ("features.store", "FeatureStore", "the same from the cache"),
    ("features.forward", "condense", "vectors (1024,) for the head"),
    ("training.step", "Trainer", "parameters, epoch by epoch"),
    ("runs", "Run", "runs/NAME/ on disk"),
)
PREDICT = (
    ("inference.inputs", "expand", "files, folders, patterns, addresses"),
    ("data.fingerprint", "fingerprint", "content digests"),
    ("data.decode", "decode", "uint8 pixels (224, 224, 3)"),
    ("features.prefix", "Prefix", "features (7, 7, 512)"),
    ("features.store", "FeatureStore", "the same from the cache"),
    ("features.forward", "logits", "logits of the run's suffix"),
    ("inference.classifier", "Classifier", "calibrated probabilities"),
    ("inference.prediction", "Prediction", "one prediction per photo"),
)

_STYLE = (
    "text{font-family:ui-sans-serif,system-ui,sans-serif;font-size:13px;fill:#1f2937}"
    ".name{font-weight:600}.small{font-size:11px;fill:#6b7280}"
    "rect.room{fill:#eef2ff;stroke:#6366f1}rect.base{fill:#f3f4f6;stroke:#9ca3af}"
    "path{fill:none;stroke:#6366f1;stroke-opacity:.45;stroke-width:1.3}path.up{stroke:#dc2626;stroke-opacity:1}"
)


def main() -> None:
    """Write both pictures."""
    for name, picture in pictures().items():
        (ROOT / "docs" / name).write_text(picture, "utf-8")


def pictures() -> dict[str, str]:
    """File name → SVG."""
    return {"rooms.svg": _rooms_picture(), "way.svg": _way_picture()}


def room_of(path: Path) -> str:
    """The room that a module of the package belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports() -> Counter[tuple[str, str]]:
    """(room, room that it imports) → how many of its modules do so."""
    found: set[tuple[Path, str]] = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "catdog":
                full = [f"{node.module}.{alias.name}".split(".")[1] for alias in node.names]
                found |= {(path, target) for target in full if target in ROOMS and target != room_of(path)}
    return Counter((room_of(path), target) for path, target in found if room_of(path) in ROOMS)


def lines_of(room: str) -> int:
    """Lines of Python in a room."""
    return sum(
        len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py") if room_of(path) == room
    )


def sentence_of(room: str) -> str:
    """What a room says of itself: the first sentence of its docstring."""
    folder = PACKAGE / room
    path = folder / "__init__.py" if folder.is_dir() else PACKAGE / f"{room}.py"
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def _rooms_picture() -> str:
    upper = [room for room in ROOMS if room not in BASE]
    height, width, top = 40, 560, 16
    middle = {room: top + row * 46 + height / 2 for row, room in enumerate(upper)}
    parts = []
    arrows = {pair: count for pair, count in imports().items() if not set(pair) & set(BASE)}
    for (room, target), count in sorted(arrows.items()):
        start, end = middle[room], middle[target]
        reach = width + 34 + 16 * abs(end - start) / 46
        kind = ' class="up"' if end < start else ""
        curve = f"M{width + 8} {start:g} C{reach:g} {start:g} {reach:g} {end:g} {width + 8} {end:g}"
        parts.append(f'<path{kind} d="{curve}"><title>{room} imports {target} ({count})</title></path>')
    for room, y in middle.items():
        parts.append(_box("room", 8, y - height / 2, width, height, room, sentence_of(room), lines_of(room)))
    bottom = top + len(upper) * 46 + 8
    base = ", ".join(f"{room} {lines_of(room)}" for room in BASE)
    parts.append(f'<rect class="base" x="8" y="{bottom}" width="{width}" height="{height}" rx="6"/>')
    parts.append(f'<text class="name" x="20" y="{bottom + 17}">imported by nearly every room</text>')
    parts.append(f'<text class="small" x="20" y="{bottom + 32}">lines: {escape(base)}</text>')
    return _svg(width + 260, bottom + height + 12, parts)


def _box(kind: str, x: float, y: float, width: float, height: float, name: str, text: str, lines: int) -> str:
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>'
        f'<text class="name" x="{x + 12:g}" y="{y + 17:g}">{escape(name)}</text>'
        f'<text class="small" x="{x + 12:g}" y="{y + 32:g}">{escape(text[:92])}</text>'
        f'<text class="small" text-anchor="end" x="{x + width - 12:g}" y="{y + 17:g}">{lines} lines</text>'
    )


def _way_picture() -> str:
    parts = []
    for column, (title, steps) in enumerate((("catdog train", TRAIN), ("catdog predict", PREDICT))):
        x = 8 + column * 400
        parts.append(f'<text class="name" x="{x}" y="24">{title}</text>')
        for row, (module, name, outcome) in enumerate(steps):
            _require(module, name)
            y = 40 + row * 58
            parts.append(f'<rect class="room" x="{x}" y="{y}" width="360" height="36" rx="6"/>')
            parts.append(f'<text class="name" x="{x + 12}" y="{y + 15}">{module}.{name}</text>')
            parts.append(f'<text class="small" x="{x + 12}" y="{y + 30}">{escape(outcome)}</text>')
        for row, _ in enumerate(pairwise(steps)):
            y = 40 + row * 58 + 36
            parts.append(f'<path d="M{x + 180} {y + 2} v14 m-4 -5 l4 5 l4 -5"/>')
    return _svg(784, 40 + max(len(TRAIN), len(PREDICT)) * 58, parts)


def _require(module: str, name: str) -> None:
    path = PACKAGE / f"{module.replace('.', '/')}.py"
    defined = {getattr(node, "name", None) for node in ast.parse(path.read_text("utf-8")).body}
    if name not in defined:
        raise LookupError(f"{path} does not define {name}: mend the steps in {__file__}")


def _svg(width: float, height: float, parts: list[str]) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}">\n'
        f"<style>{_STYLE}</style>\n"
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{inside}\n</svg>\n'
    )


if __name__ == "__main__":
    main()
