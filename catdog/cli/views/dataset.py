"""What `catdog inspect DATA` shows of a data set: on the terminal, as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from catdog.checks import DatasetReport
from catdog.cli import console
from catdog.cli.escapes import visible_name
from catdog.cli.translate import translated
from catdog.cli.views.pages import Page
from catdog.data import SplitFacts
from catdog.data.exact_duplicates import Placed
from catdog.text import N_, Message, bytes_for_people, message, relative, relative_path

if TYPE_CHECKING:
    from catdog.checks.findings import Findings, NearDuplicates

_ROWS = 10  # of each table on the terminal
_CLASSES = 40  # that are all shown
_SPLIT_FACTS = ("counts", "bytes", "smallest", "median", "largest", "formats")


def data_page(report: DatasetReport) -> Page:
    """Splits, classes, sizes and problems; paths on the terminal are relative to the data set's folder."""
    root = report.dataset.root
    unreadable = [(bad.path, translated(bad.reason)) for bad in report.unreadable]
    parts: list[RenderableType] = [
        _line(report.title, "bold"),
        _split_table(report.splits),
        "",
        *_class_table(report.dataset.classes, report.splits),
        "",
        *(
            _table(root, (N_("unreadable file"), N_("reason")), unreadable)
            or [_line(message("All files are readable."))]
        ),
        *(_line(relative(remark, root), "yellow") for remark in report.remarks),
    ]
    if report.findings:
        parts += _findings(root, report.findings)
    parts += map(_line, report.unchecked)
    return Page(_facts(report), parts)


def _line(sentence: Message, style: str = "") -> Text:
    return Text(visible_name(translated(sentence)), style=style)


def _split_table(splits: dict[str, SplitFacts]) -> Table:
    """A row for each split."""
    headings = (
        N_("split"),
        N_("photos"),
        N_("size"),
        N_("smallest"),
        N_("median"),
        N_("largest"),
        N_("formats"),
    )
    table = console.table(*headings, right=range(1, 6))
    for name, split in splits.items():
        sizes = (split.smallest, split.median, split.largest)
        table.add_row(
            translated(message("all (train splits it)")) if name == "all" else name,
            str(sum(split.counts.values())),
            bytes_for_people(split.bytes),
            *("×".join(map(str, size)) if size else "-" for size in sizes),
            ", ".join(f"{kind} {photos}" for kind, photos in split.formats.items()),
        )
    return table


def _class_table(classes: Sequence[str], splits: dict[str, SplitFacts]) -> list[RenderableType]:
    """A row for each class; of many classes, those with the fewest photos and those with the most."""
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
            counts = [str(split.counts.get(label, 0)) for split in splits.values()]
            table.add_row(Text(label, overflow="fold"), *counts)
    if None not in shown:
        return [table]
    return [
        _line(
            message(
                "{classes:,} classes; the {rows} with the fewest photos and the {rows} with the most:",
                classes=len(classes),
                rows=_ROWS,
            )
        ),
        table,
        _line(message("and {classes:,} classes between them: see --report or --json", classes=left_out)),
    ]


def _findings(root: Path, findings: "Findings") -> list[RenderableType]:
    near = [
        (photo.path, f"{group.similarity:.3f}" if number == 0 else "")
        for group in findings.near_duplicates
        for number, photo in enumerate(group.photos)
    ]
    errors = [
        (error.photo.path, error.photo.label, error.suggested, f"{error.probability:.1%}")
        for error in findings.label_errors
    ]
    far = [(outlier.photo.path, outlier.photo.label, f"{outlier.score:.1f}") for outlier in findings.outliers]
    tables = (
        _table(root, (N_("near-duplicates"), N_("cosine")), near),
        _table(root, (N_("likely label error"), N_("label"), N_("looks like"), N_("probability")), errors),
        _table(root, (N_("outlier"), N_("label"), N_("deviations from the median")), far),
    )
    parts: list[RenderableType] = [part for table in tables if table for part in ("", *table)]
    if not parts and not findings.unchecked:
        parts.append(_line(message("No near-duplicates, outliers or label errors were found.")))
    return parts


def _table(root: Path, headings: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> list[RenderableType]:
    """The first rows, each starting with a path, and the number of other rows; nothing without rows."""
    if not rows:
        return []
    table = console.table(*headings, right=())
    for path, *cells in rows[:_ROWS]:
        shown = visible_name(str(relative_path(path, root)))
        table.add_row(Text(shown, overflow="fold"), *map(Text, cells))
    if len(rows) <= _ROWS:
        return [table]
    return [table, _line(message("and {rows:,} more: see --report or --json", rows=len(rows) - _ROWS))]


def _facts(report: DatasetReport) -> dict[str, Any]:
    dataset, duplicates, findings = report.dataset, report.exact_duplicates, report.findings
    facts = {
        "root": str(dataset.root),
        "layout": dataset.layout,
        "classes": list(dataset.classes),
        "splits": {
            name: {
                **{fact: getattr(split, fact) for fact in _SPLIT_FACTS},
                "unreadable": [
                    {"path": str(bad.path), "reason": str(bad.reason)} for bad in split.unreadable
                ],
            }
            for name, split in report.splits.items()
        },
        "exact_duplicates": _paths(duplicates.groups),
        "leaks": _paths(duplicates.leaks),
        "conflicting_labels": _paths(duplicates.conflicting_labels),
        "remarks": list(map(str, report.remarks)),
        "quick": findings is None,
    }
    if findings is None:
        return facts
    return facts | {
        "near_duplicates": [_group(group) for group in findings.near_duplicates],
        "near_leaks": [_group(group) for group in findings.leaks],
        "near_conflicting_labels": [_group(group) for group in findings.conflicting_labels],
        "label_errors": [
            _place(error.photo) | {"suggested": error.suggested, "probability": error.probability}
            for error in findings.label_errors
        ],
        "outliers": [_place(outlier.photo) | {"score": outlier.score} for outlier in findings.outliers],
        "unchecked": list(map(str, findings.unchecked.values())),
    }


def _group(group: "NearDuplicates") -> dict[str, Any]:
    return {"cosine": group.similarity, "photos": list(map(_place, group.photos))}


def _place(photo: Placed) -> dict[str, Any]:
    return {"path": str(photo.path), "label": photo.label, "split": photo.split}


def _paths(groups: tuple[tuple[Placed, ...], ...]) -> list[list[str]]:
    return [[str(photo.path) for photo in group] for group in groups]
