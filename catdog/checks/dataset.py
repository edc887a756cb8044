"""All checks of a data set, in one call."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catdog.checks.findings import Findings, NearDuplicates
from catdog.data import DataSet, Skipped, SplitFacts, class_imbalance, find_labelled, survey
from catdog.data.exact_duplicates import ExactDuplicates, Placed, find_exact_duplicates
from catdog.progress import OnProgress, unreported
from catdog.text import Message, message
from catdog.workspace import Workspace


@dataclass(frozen=True)
class DatasetReport:
    """What the checks of a data set found."""

    dataset: DataSet
    splits: dict[str, SplitFacts]  # by their names
    exact_duplicates: ExactDuplicates
    findings: Findings | None  # of the photos' features; None where only the quick checks were done

    @property
    def title(self) -> Message:
        """The folder and its layout."""
        folder = self.dataset.root
        return {
            "split folders": message("{folder}: split folders", folder=folder),
            "class folders": message("{folder}: class folders", folder=folder),
            "flat names": message("{folder}: labels in the file names", folder=folder),
            "table": message("{folder}: labels in files beside the photos", folder=folder),
        }[self.dataset.layout]

    @property
    def unreadable(self) -> tuple[Skipped, ...]:
        """The unreadable files of all splits."""
        return tuple(bad for split in self.splits.values() for bad in split.unreadable)

    @property
    def remarks(self) -> tuple[Message, ...]:
        """One sentence for each kind of problem, with an example; unreadable files aside."""
        trained_on = self.splits.get("train") or next(iter(self.splits.values()))
        imbalance = class_imbalance(trained_on.counts)
        return (
            *self.dataset.remarks,
            *([imbalance] if imbalance else []),
            *self.exact_duplicates.remarks(),
            *(self.findings.remarks() if self.findings else ()),
        )

    @property
    def unchecked(self) -> tuple[Message, ...]:
        """What was not checked."""
        if self.findings is None:
            return (message("Not checked (--quick): near-duplicates, outliers, label errors."),)
        return tuple(self.findings.unchecked.values())

    def to_json(self) -> dict[str, Any]:
        """Everything that `catdog inspect --json` prints; sentences are in English."""
        dataset, duplicates, findings = self.dataset, self.exact_duplicates, self.findings
        facts = {
            "root": str(dataset.root),
            "layout": dataset.layout,
            "classes": list(dataset.classes),
            "splits": {name: _split_facts(split) for name, split in self.splits.items()},
            "exact_duplicates": _paths(duplicates.groups),
            "leaks": _paths(duplicates.leaks),
            "conflicting_labels": _paths(duplicates.conflicting_labels),
            "remarks": list(map(str, self.remarks)),
            "quick": findings is None,
        }
        if findings is None:
            return facts
        return facts | {
            "near_duplicates": list(map(_group, findings.near_duplicates)),
            "near_leaks": list(map(_group, findings.leaks)),
            "near_conflicting_labels": list(map(_group, findings.conflicting_labels)),
            "label_errors": [
                _place(error.photo) | {"suggested": error.suggested, "probability": error.probability}
                for error in findings.label_errors
            ],
            "outliers": [_place(outlier.photo) | {"score": outlier.score} for outlier in findings.outliers],
            "unchecked": list(map(str, findings.unchecked.values())),
        }


def check_dataset(
    folder: Path, workspace: Workspace, *, quick: bool = False, report: OnProgress = unreported
) -> DatasetReport:
    """Read every photo of the folder to its end, and look for problems. No file is changed.

    Args:
        quick: leave out the checks that need the network: near-duplicates, outliers and label errors.

    Raises:
        DataError: there is no data set in the folder.
        CacheError: the cache cannot be written.
    """
    dataset = find_labelled(folder, "category")
    splits = survey(dataset, workers=workspace.workers, report=report)
    placed = [
        Placed(photo.path, photo.label or "", split, splits[split].digests[photo.path])
        for split, photos in dataset.splits.items()
        for photo in photos
        if photo.path in splits[split].digests
    ]
    checked = DatasetReport(dataset, splits, find_exact_duplicates(placed), None)
    if quick:
        return checked
    from catdog.checks.photos import check_photos  # imports JAX and Optax

    unreadable = {bad.path for bad in checked.unreadable}
    readable = [photo for photo in placed if photo.path not in unreadable]
    return replace(checked, findings=check_photos(readable, workspace=workspace, report=report))


def _split_facts(split: SplitFacts) -> dict[str, Any]:
    names = ("counts", "bytes", "smallest", "median", "largest", "formats")
    unreadable = [{"path": str(bad.path), "reason": str(bad.reason)} for bad in split.unreadable]
    return {name: getattr(split, name) for name in names} | {"unreadable": unreadable}


def _group(group: NearDuplicates) -> dict[str, Any]:
    return {"cosine": group.similarity, "photos": list(map(_place, group.photos))}


def _place(photo: Placed) -> dict[str, Any]:
    return {"path": str(photo.path), "label": photo.label, "split": photo.split}


def _paths(groups: tuple[tuple[Placed, ...], ...]) -> list[list[str]]:
    return [[str(photo.path) for photo in group] for group in groups]
