"""`catdog inspect DATA --report`: what is wrong with a data set, as one page of HTML with the photos."""

from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

from catdog import __version__
from catdog.checks.findings import Findings
from catdog.data import DataSet, SplitFacts
from catdog.data.copies import Copies, Placed
from catdog.errors import PhotoError
from catdog.reports.html import picture, render, thumbnail
from catdog.text import Message

_FIGURES = 60  # of each section
_IN_A_GROUP = 6  # photos that are shown of one group
_LINES = 200  # of a list of files


def dataset_page(
    dataset: DataSet,
    splits: dict[str, SplitFacts],
    copies: Copies,
    findings: Findings | None,
    remarks: Sequence[Message],
) -> str:
    """The page; `findings` is None where nobody looked closely."""
    unreadable = [bad for one in splits.values() for bad in one.unreadable]
    sections = [
        _section(
            "The same file more than once",
            "Byte for byte. In training and in another split at once it is a leak: what was learned by heart "
            "is asked for, and the numbers are better than they should be.",
            [(group, _told(group)) for group in copies.groups],
        )
    ]
    if findings:
        sections += [
            _section(
                "Near copies",
                "Different files that show the same picture: cropped, mirrored, resized, saved again, "
                "brighter or darker. The number is the cosine of what the network sees in them.",
                [
                    (group.photos, [f"cosine {group.similarity:.3f}", *_told(group.photos)])
                    for group in findings.near_copies
                ],
            ),
            _section(
                "Wrong labels",
                "Likely ones: a model that was trained without them is sure that they are another class.",
                [
                    (
                        (one.photo,),
                        [f"labelled {one.photo.label}, looks like {one.suggested} {one.probability:.1%}"],
                    )
                    for one in findings.wrong_labels
                ],
            ),
            _section(
                "Outliers",
                "Far from all other photos, whatever their class: drawings, text, logos, or just odd photos. "
                "The number is in deviations from the median distance.",
                [
                    ((one.photo,), [f"labelled {one.photo.label}, {one.score:.1f}"])
                    for one in findings.outliers
                ],
            ),
        ]
    return render(
        "dataset.html",
        version=__version__,
        root=dataset.root,
        layout=dataset.layout,
        classes=dataset.classes,
        splits=splits,
        total=sum(sum(one.counts.values()) for one in splits.values()),
        unreadable=unreadable[:_LINES],
        unreadable_count=len(unreadable),
        remarks=remarks,
        sections=sections,
        not_looked_for={str(sentence).partition(":")[0] for sentence in findings.unchecked}
        if findings
        else set(),
        unchecked=findings.unchecked if findings else ("near copies, outliers, wrong labels: --quick",),
        copies=copies,
        findings=findings,
    )


def _section(
    title: str, explanation: str, found: Sequence[tuple[Iterable[Placed], list[str]]]
) -> dict[str, Any]:
    figures = []
    for photos, lines in found[:_FIGURES]:
        photos = list(photos)
        figures.append(
            {
                "photos": [{"path": one.path, "picture": _picture(one)} for one in photos[:_IN_A_GROUP]],
                "paths": [one.path for one in photos],
                "lines": lines,
            }
        )
    return {
        "title": title,
        "explanation": explanation,
        "figures": figures,
        "more": max(0, len(found) - _FIGURES),
        "count": len(found),
    }


def _told(group: Sequence[Placed]) -> list[str]:
    """What is worse than being there twice."""
    splits = sorted({one.split for one in group})
    labels = sorted({one.label for one in group})
    told = [f"a leak: in {' and '.join(splits)}"] if "train" in splits and len(splits) > 1 else []
    return told + ([f"under two labels: {', '.join(labels)}"] if len(labels) > 1 else [])


def _picture(photo: Placed) -> Markup | None:
    try:
        return picture(thumbnail(photo.path))
    except PhotoError:  # copies of a damaged file are listed without a picture
        return None
