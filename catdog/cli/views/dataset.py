"""What `catdog inspect DATA` shows of a data set: on the terminal, as JSON, as a page of HTML."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from catdog import durable
from catdog.cli import console
from catdog.cli.translate import translated
from catdog.cli.views.pages import Page
from catdog.data import DataSet, SplitFacts
from catdog.data.copies import Copies, Placed
from catdog.errors import OptionError
from catdog.text import Message, bytes_for_people, message

if TYPE_CHECKING:
    from catdog.checks.findings import Findings, NearCopies

_ROWS = 10  # of each table on the terminal
_CLASSES = 40  # that are all shown


def data_page(
    dataset: DataSet,
    splits: dict[str, SplitFacts],
    copies: Copies,
    findings: "Findings | None",
    remarks: Sequence[Message],
) -> Page:
    """Splits, classes, counts, sizes, and what is wrong; `findings` is None where nobody looked closely."""
    unreadable = [(bad.path, bad.reason) for one in splits.values() for bad in one.unreadable]
    parts: list[RenderableType] = [
        Text(f"{dataset.root}: {dataset.layout}", style="bold"),
        _split_table(splits),
        "",
        *_class_table(dataset.classes, splits),
        "",
        *(_table(("unreadable file", "reason"), unreadable) or ["Every file can be read."]),
        *(Text(translated(remark), style="yellow") for remark in remarks),
    ]
    if findings is None:
        parts.append("Near copies, outliers and wrong labels were not looked for (--quick).")
    else:
        parts += _found(findings)
    return Page(_facts(dataset, splits, copies, findings, remarks), parts)


def write_report(
    file: Path,
    dataset: DataSet,
    splits: dict[str, SplitFacts],
    copies: Copies,
    findings: "Findings | None",
    remarks: Sequence[Message],
) -> None:
    """The same as a page of HTML, with the photos.

    Raises:
        OptionError: the file cannot be written.
    """
    from catdog.reports.dataset_page import dataset_page

    page = dataset_page(dataset, splits, copies, findings, remarks)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        durable.write_bytes(file, page.encode("utf-8", "replace"))
    except OSError as error:
        raise OptionError(
            "expected to write {file}: {reason}. Name another place.",
            file=file,
            reason=error.strerror or error,
        ) from error
    console.tell(message("Wrote {file}", file=file))


def _split_table(splits: dict[str, SplitFacts]) -> Table:
    """A row a split."""
    table = console.table(
        "split", "photos", "size", "smallest", "median", "largest", "formats", right=range(1, 6)
    )
    for name, one in splits.items():
        pixels = [
            "×".join(map(str, size)) if size else "-" for size in (one.smallest, one.median, one.largest)
        ]
        table.add_row(
            "all (train will split it)" if name == "all" else name,
            str(sum(one.counts.values())),
            bytes_for_people(one.bytes),
            *pixels,
            ", ".join(f"{kind} {count}" for kind, count in one.formats.items()),
        )
    return table


def _class_table(classes: Sequence[str], splits: dict[str, SplitFacts]) -> list[RenderableType]:
    """A row a class; of more than a screen holds, those with the fewest photos and those with the most."""
    first = next(iter(splits.values()))
    shown, left_out = [*classes], len(classes) - 2 * _ROWS
    if len(classes) > _CLASSES:
        by_size = sorted(classes, key=lambda label: (first.counts.get(label, 0), label))
        shown = [*by_size[:_ROWS], None, *by_size[-_ROWS:]]
    table = console.table("class", *splits)
    for column in table.columns[1:]:
        column.no_wrap = True
    for label in shown:
        if label is None:
            table.add_row("...", *("..." for _ in splits))
        else:
            counts = [str(one.counts.get(label, 0)) for one in splits.values()]
            table.add_row(Text(label, overflow="fold"), *counts)
    if None not in shown:
        return [table]
    return [
        f"{len(classes)} classes; the {_ROWS} with the fewest photos and the {_ROWS} with the most:",
        table,
        f"and {left_out} between them: --report or --json has them all",
    ]


def _found(findings: "Findings") -> list[RenderableType]:
    near = [
        (path, f"{group.similarity:.3f}" if number == 0 else "")
        for group in findings.near_copies
        for number, path in enumerate(one.path for one in group.photos)
    ]
    wrong = [
        (one.photo.path, one.photo.label, one.suggested, f"{one.probability:.1%}")
        for one in findings.wrong_labels
    ]
    far = [(one.photo.path, one.photo.label, f"{one.score:.1f}") for one in findings.outliers]
    tables = (
        _table(("near copies", "cosine"), near),
        _table(("likely wrong label", "label", "looks like", "probability"), wrong),
        _table(("outlier", "label", "deviations from the median"), far),
    )
    parts: list[RenderableType] = [part for table in tables if table for part in ("", *table)]
    if not parts and not findings.unchecked:
        parts.append("No near copies, outliers or labels that are likely wrong.")
    return [*parts, *(Text(f"Not checked: {sentence}.") for sentence in findings.unchecked)]


def _table(headings: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> list[RenderableType]:
    """The first rows, whose first cell is a path, and how many more there are; nothing without rows."""
    if not rows:
        return []
    table = console.table(*headings, right=())
    for path, *cells in rows[:_ROWS]:
        table.add_row(Text(console.short(path), overflow="fold"), *map(Text, cells))
    more = len(rows) - _ROWS
    return [table, *([f"and {more} more: --report or --json has them all"] if more > 0 else [])]


def _facts(
    dataset: DataSet,
    splits: dict[str, SplitFacts],
    copies: Copies,
    findings: "Findings | None",
    remarks: Sequence[Message],
) -> dict[str, Any]:
    facts = {
        "root": str(dataset.root),
        "layout": dataset.layout,
        "classes": list(dataset.classes),
        "splits": {
            name: {
                "counts": one.counts,
                "bytes": one.bytes,
                "smallest": one.smallest,
                "median": one.median,
                "largest": one.largest,
                "formats": one.formats,
                "unreadable": [{"path": str(bad.path), "reason": str(bad.reason)} for bad in one.unreadable],
            }
            for name, one in splits.items()
        },
        "copies": _paths(copies.groups),
        "leaks": _paths(copies.leaks),
        "contradictions": _paths(copies.contradictions),
        "remarks": list(map(str, remarks)),
    }
    if findings is None:
        return facts | {"quick": True}
    return facts | {
        "quick": False,
        "near_copies": [_group(group) for group in findings.near_copies],
        "near_leaks": [_group(group) for group in findings.leaks],
        "near_contradictions": [_group(group) for group in findings.contradictions],
        "wrong_labels": [
            _place(one.photo) | {"suggested": one.suggested, "probability": one.probability}
            for one in findings.wrong_labels
        ],
        "outliers": [_place(one.photo) | {"score": one.score} for one in findings.outliers],
        "unchecked": list(map(str, findings.unchecked)),
    }


def _group(group: "NearCopies") -> dict[str, Any]:
    return {"cosine": group.similarity, "photos": [_place(one) for one in group.photos]}


def _place(photo: Placed) -> dict[str, Any]:
    return {"path": str(photo.path), "label": photo.label, "split": photo.split}


def _paths(groups: tuple[tuple[Placed, ...], ...]) -> list[list[str]]:
    return [[str(one.path) for one in group] for group in groups]
