"""`catdog inspect DATA --report`: the problems of a data set, as one page of HTML with the photos."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from catdog import __version__
from catdog.checks import DatasetReport
from catdog.checks.findings import Findings
from catdog.data.exact_duplicates import Placed, has_conflicting_labels, is_leak
from catdog.errors import PhotoError
from catdog.reports.html import picture, render, thumbnail
from catdog.text import relative, relative_path

_FIGURES = 60  # of each section
_IN_A_GROUP = 6  # photos that are shown of one group
_LINES = 200  # of a list of files

_Found = Sequence[tuple[Iterable[Placed], list[str]]]  # photos, and lines about them


def dataset_page(report: DatasetReport) -> str:
    """The page; its paths are relative to the data set's folder."""
    root, findings = report.dataset.root, report.findings
    sections = [
        _section(
            root,
            "Exact duplicates",
            "Files with the same bytes. In training and in another split they are a leak: the model is "
            "tested on photos that it was trained on, and the metrics are too good.",
            [(group, _problems(group)) for group in report.exact_duplicates.groups],
        ),
        *(_sections_of(root, findings) if findings else ()),
    ]
    return render(
        "dataset.html",
        version=__version__,
        dataset=report.dataset,
        splits=report.splits,
        total=sum(sum(split.counts.values()) for split in report.splits.values()),
        leaks=len(report.exact_duplicates.leaks) + (len(findings.leaks) if findings else 0),
        unreadable=[(relative_path(bad.path, root), bad.reason) for bad in report.unreadable[:_LINES]],
        unreadable_count=len(report.unreadable),
        remarks=[relative(remark, root) for remark in report.remarks],
        sections=sections,
        unchecked=findings.unchecked.values()
        if findings
        else ("near-duplicates, outliers and label errors were not checked (--quick)",),
    )


def _sections_of(root: Path, findings: Findings) -> list[dict[str, Any]]:
    return [
        _section(
            root,
            "Near-duplicates",
            "Different files that show the same picture: cropped, mirrored, resized, saved again, brighter "
            "or darker. The number is the cosine of their features.",
            [
                (group.photos, [f"cosine {group.similarity:.3f}", *_problems(group.photos)])
                for group in findings.near_duplicates
            ],
        ),
        _section(
            root,
            "Label errors",
            "Likely label errors: a model that was trained without these photos is sure of another class.",
            [
                (
                    [error.photo],
                    [f"labelled {error.photo.label}, looks like {error.suggested} {error.probability:.1%}"],
                )
                for error in findings.label_errors
            ],
            is_checked="label_errors" not in findings.unchecked,
        ),
        _section(
            root,
            "Outliers",
            "Far from all other photos, whatever their class: drawings, text, logos, or just odd photos. The "
            "number is the distance in standard deviations from the median.",
            [
                ([outlier.photo], [f"labelled {outlier.photo.label}, {outlier.score:.1f}"])
                for outlier in findings.outliers
            ],
            is_checked="outliers" not in findings.unchecked,
        ),
    ]


def _section(
    root: Path, title: str, explanation: str, found: _Found, *, is_checked: bool = True
) -> dict[str, Any]:
    figures = []
    for photos, lines in found[:_FIGURES]:
        shown = [(relative_path(photo.path, root), photo) for photo in photos]
        figures.append(
            {
                "photos": [{"path": path, "picture": _picture(photo)} for path, photo in shown[:_IN_A_GROUP]],
                "paths": [path for path, _ in shown],
                "lines": lines,
            }
        )
    return {
        "title": title,
        "explanation": explanation,
        "figures": figures,
        "more": max(0, len(found) - _FIGURES),
        "count": len(found),
        "is_checked": is_checked,
    }


def _problems(group: Sequence[Placed]) -> list[str]:
    """The problems of a group of duplicates, beside that it is one."""
    problems = []
    if is_leak(group):
        problems.append(f"leak between splits: {', '.join(sorted({photo.split for photo in group}))}")
    if has_conflicting_labels(group):
        problems.append(f"conflicting labels: {', '.join(sorted({photo.label for photo in group}))}")
    return problems


def _picture(photo: Placed) -> Markup | None:
    try:
        return picture(thumbnail(photo.path))
    except PhotoError:  # duplicates of a damaged file are listed without a picture
        return None
