"""`catdog inspect DATA --report`: the problems of a data set, as one page of HTML with the photos."""

import gettext
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catdog.checks import DatasetReport
from catdog.data.exact_duplicates import Placed, has_conflicting_labels, is_leak
from catdog.reports.html import picture, render, thumbnail, write_file
from catdog.text import Message, message, relative, relative_path

_FIGURES = 60  # of each section
_IN_A_GROUP = 6  # photos that are shown of one group
_LINES = 200  # of a list of files

_Found = list[tuple[Sequence[Placed], list[Message]]]  # photos, and lines about them


def write_report(report: DatasetReport, file: Path, *, translations: gettext.NullTranslations) -> None:
    """Write the page; its paths are relative to the data set's folder.

    Raises:
        OptionError: the file cannot be written.
    """
    root = report.dataset.root
    page = render(
        "dataset.html",
        translations,
        report=report,
        splits=[
            (message("all (train splits it)") if name == "all" else name, split)
            for name, split in report.splits.items()
        ],
        total=sum(sum(split.counts.values()) for split in report.splits.values()),
        leaks=len(report.exact_duplicates.leaks) + (len(report.findings.leaks) if report.findings else 0),
        unreadable=[(relative_path(bad.path, root), bad.reason) for bad in report.unreadable[:_LINES]],
        remarks=[relative(remark, root) for remark in report.remarks],
        sections={kind: _section(root, found) for kind, found in _found(report).items()},
    )
    write_file(file, page.encode("utf-8", "replace"))


def _found(report: DatasetReport) -> dict[str, _Found]:
    """What each check found; without those that were not done."""
    findings = report.findings
    found: dict[str, _Found] = {
        "exact duplicates": [(group, _problems(group)) for group in report.exact_duplicates.groups]
    }
    if findings:
        found["near-duplicates"] = [
            (near.photos, [message("cosine {cosine:.3f}", cosine=near.similarity), *_problems(near.photos)])
            for near in findings.near_duplicates
        ]
    if findings and "label_errors" not in findings.unchecked:
        found["label errors"] = []
        for error in findings.label_errors:
            line = message(
                "labelled {label}, looks like {suggested} {probability:.1%}",
                label=error.photo.label,
                suggested=error.suggested,
                probability=error.probability,
            )
            found["label errors"].append(([error.photo], [line]))
    if findings and "outliers" not in findings.unchecked:
        found["outliers"] = [
            ([far.photo], [message("labelled {label}, {score:.1f}", label=far.photo.label, score=far.score)])
            for far in findings.outliers
        ]
    return found


def _section(root: Path, found: _Found) -> dict[str, Any]:
    figures = []
    for photos, lines in found[:_FIGURES]:
        paths = [relative_path(photo.path, root) for photo in photos]
        pictures = [picture(thumbnail(photo.path)) for photo in photos[:_IN_A_GROUP]]
        photos_shown = list(zip(paths, pictures, strict=False))
        figures.append({"paths": paths, "photos": photos_shown, "lines": lines})
    return {"count": len(found), "more": max(0, len(found) - _FIGURES), "figures": figures}


def _problems(group: Sequence[Placed]) -> list[Message]:
    """The problems of a group of duplicates, beside that it is one."""
    problems = []
    if is_leak(group):
        splits = ", ".join(sorted({photo.split for photo in group}))
        problems.append(message("leak between splits: {splits}", splits=splits))
    if has_conflicting_labels(group):
        labels = ", ".join(sorted({photo.label for photo in group}))
        problems.append(message("conflicting labels: {labels}", labels=labels))
    return problems
