"""All checks of a data set, in one call."""

from dataclasses import dataclass, replace
from pathlib import Path

from catdog.checks.findings import Findings
from catdog.data import DataSet, Skipped, SplitFacts, class_imbalance, scan, survey
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
    dataset = scan(folder)
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
