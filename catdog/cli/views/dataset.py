"""What `catdog inspect DATA` shows of a data set: on the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catdog.checks import DatasetReport
from catdog.checks.findings import Findings
from catdog.cli.console import Parts, styled, table
from catdog.cli.translate import translated
from catdog.data import SplitFacts
from catdog.text import N_, bytes_for_people, message, relative, relative_path

_ROWS = 10  # of each table on the terminal
_CLASSES = 40  # that are all shown


def dataset_parts(report: DatasetReport) -> Parts:
    """Splits, classes, sizes and problems; paths are relative to the data set's folder."""
    root = report.dataset.root
    yield styled(report.title, "bold")
    headings = N_("split"), N_("photos"), N_("size"), N_("smallest"), N_("median"), N_("largest")
    made = table(*headings, N_("formats"), right=range(1, 6))
    for name, split in report.splits.items():
        shown = message("all (train splits it)") if name == "all" else name
        numbers = str(sum(split.counts.values())), bytes_for_people(split.bytes)
        sizes = (split.smallest, split.median, split.largest)
        pixels = ("×".join(map(str, size)) if size else "-" for size in sizes)
        formats = ", ".join(f"{kind} {photos}" for kind, photos in split.formats.items())
        made.add_row(styled(shown), *numbers, *pixels, formats)
    yield from (made, "")
    yield from _class_table(report.dataset.classes, report.splits)
    yield ""
    unreadable = [(bad.path, translated(bad.reason)) for bad in report.unreadable]
    yield from _table(root, (N_("unreadable file"), N_("reason")), unreadable)
    if not unreadable:
        yield message("All files are readable.")
    for remark in report.remarks:
        yield styled(relative(remark, root), "yellow")
    if report.findings:
        yield from _findings(root, report.findings)
    yield from map(styled, report.unchecked)


def _class_table(classes: Sequence[str], splits: dict[str, SplitFacts]) -> Parts:
    """A row for each class; of many classes, those with the fewest photos and those with the most."""
    made = table(N_("class"), *splits)
    for column in made.columns[1:]:
        column.no_wrap = True
    counts = [split.counts for split in splits.values()]
    rows: list[tuple[str, ...]] = [
        (label, *(str(count.get(label, 0)) for count in counts)) for label in classes
    ]
    if len(rows) > _CLASSES:
        yield message(
            "{classes:,} classes; the {rows} with the fewest photos and the {rows} with the most:",
            classes=len(classes),
            rows=_ROWS,
        )
        rows.sort(key=lambda row: (int(row[1]), row[0]))
        rows[_ROWS:-_ROWS] = [("...",) * (len(counts) + 1)]
    for row in rows:
        made.add_row(*map(styled, row))
    yield made
    if len(classes) > _CLASSES:
        left_out = len(classes) - 2 * _ROWS
        yield message("and {classes:,} classes between them: see --report or --json", classes=left_out)


def _findings(root: Path, findings: Findings) -> Parts:
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
    for headings, rows in (
        ((N_("near-duplicates"), N_("cosine")), near),
        ((N_("likely label error"), N_("label"), N_("looks like"), N_("probability")), errors),
        ((N_("outlier"), N_("label"), N_("deviations from the median")), far),
    ):
        if rows:
            yield ""
            yield from _table(root, headings, rows)
    if not (near or errors or far or findings.unchecked):
        yield message("No near-duplicates, outliers or label errors were found.")


def _table(root: Path, headings: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> Parts:
    """The first rows, each starting with a path, and the number of other rows; nothing without rows."""
    if rows:
        shown = [(str(relative_path(path, root)), *cells) for path, *cells in rows[:_ROWS]]
        yield table(*headings, rows=shown, right=())
    if len(rows) > _ROWS:
        yield message("and {rows:,} more: see --report or --json", rows=len(rows) - _ROWS)
