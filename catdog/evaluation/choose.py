"""Which labelled photos an evaluation is about: a split of a folder, or the run's own validation side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog.data import Photo, Skipped, fingerprint, scan
from catdog.errors import DataError
from catdog.progress import Progress
from catdog.runs import Run
from catdog.text import Message, first_few, message


@dataclass(frozen=True)
class Chosen:
    """Labelled photos of a run's classes.

    Attributes:
        photos: those whose class the run knows.
        digests: their content digests, by path.
        remarks: what was left out, and whether the run was trained on some of them: one sentence each.
    """

    photos: tuple[Photo, ...]
    digests: dict[Path, str]
    skipped: tuple[Skipped, ...]
    remarks: tuple[Message, ...]

    def labels(self, classes: tuple[str, ...]) -> np.ndarray:
        """Index of each photo's class among `classes`, (n,) int32."""
        index = {label: number for number, label in enumerate(classes)}
        return np.array([index[photo.label or ""] for photo in self.photos], np.int32)


@dataclass(frozen=True)
class _Pool:
    """The photos of one folder and split that several runs may choose from, read once.

    Attributes:
        has_split: whether the folder itself says that these are of the split.
        readable: those whose class the runs know and whose file could be read.
    """

    root: Path
    has_split: bool
    readable: tuple[Photo, ...]
    digests: dict[Path, str]
    skipped: tuple[Skipped, ...]
    remarks: tuple[Message, ...]


def choose(
    run: Run,
    classes: tuple[str, ...],
    data: Path | None,
    split: str | None,
    *,
    workers: int,
    report: Callable[[Progress], None] = lambda _: None,
) -> Chosen:
    """Pick the photos to evaluate on.

    Args:
        classes: those that the run tells apart.
        data: a folder; None is the run's own.
        split: a name among `SPLITS`. None is validation: the folder's own, or without one, the photos that
            the run was not trained on (of the run's own folder: its validation side).

    Raises:
        DataError: there is no such folder, or nothing in it to evaluate on.
    """
    root = data or Path(run.config.options.data)
    if data is None and not root.exists():
        raise DataError(
            "the photos that {folder} was trained with are not at {root}. Name a folder of photos: "
            "catdog evaluate DATA",
            folder=run.folder,
            root=root,
        )
    sides = run.split()  # before the photos are read: it may be damaged
    pool = _read(root, classes, split, workers=workers, report=report)
    return _chosen(run, sides, classes, pool, split, own=data is None)


def choose_for_all(
    runs: Sequence[Run],
    classes: tuple[str, ...],
    data: Path,
    split: str | None,
    *,
    workers: int,
    report: Callable[[Progress], None] = lambda _: None,
) -> list[Chosen]:
    """Pick, as `choose` does, for several runs of the same classes. Each file is read once for all."""
    sides = [run.split() for run in runs]
    pool = _read(data, classes, split, workers=workers, report=report)
    return [
        _chosen(run, of_run, classes, pool, split, own=False) for run, of_run in zip(runs, sides, strict=True)
    ]


def _read(
    root: Path,
    classes: tuple[str, ...],
    split: str | None,
    *,
    workers: int,
    report: Callable[[Progress], None],
) -> _Pool:
    dataset = scan(root)
    known = set(classes)
    has_split = split in dataset.splits or (split is None and "valid" in dataset.splits)
    if has_split:
        pool = list(dataset.splits[split or "valid"])
    elif split == "test":
        raise DataError(
            "expected a test folder in {root}, found the splits {splits}. Choose another --split.",
            root=root,
            splits=", ".join(dataset.splits),
        )
    else:
        pool = [photo for photos in dataset.splits.values() for photo in photos]
    remarks = list(dataset.remarks)
    if strangers := sorted({photo.label or "" for photo in pool} - known):
        count = sum(photo.label not in known for photo in pool)
        remarks.append(
            message(
                "{count} photos of classes that the run does not know are left out: {first_few}",
                count=count,
                first_few=first_few(strangers),
            )
        )
        pool = [photo for photo in pool if photo.label in known]
    prints = fingerprint(
        [photo.path for photo in pool],
        workers=workers,
        report=report,
    )
    return _Pool(
        root,
        has_split,
        tuple(photo for photo in pool if photo.path in prints.digests),
        prints.digests,
        prints.skipped,
        tuple(remarks),
    )


def _chosen(
    run: Run,
    sides: dict[str, set[str]],
    classes: tuple[str, ...],
    pool: _Pool,
    split: str | None,
    *,
    own: bool,
) -> Chosen:
    """The photos of the pool that this run may be evaluated on."""
    digests, readable, remarks = pool.digests, pool.readable, list(pool.remarks)
    if not pool.has_split and split != "all":
        readable = tuple(photo for photo in readable if _belongs(digests[photo.path], split, sides, own=own))
        if not own and split is None and (left_out := len(pool.readable) - len(readable)):
            remarks.append(
                message("{left_out} photos that the run was trained on are left out", left_out=left_out)
            )
            if not readable:
                raise DataError(
                    "expected photos in {root} that {folder} was not trained on, found none: it was trained on "
                    "all {left_out}. Give other photos, or --split all.",
                    root=pool.root,
                    folder=run.folder,
                    left_out=left_out,
                )
    if not readable:
        raise DataError(
            f"expected photos of {', '.join(classes)} to evaluate on in {pool.root}, found none"
            f"{'' if split is None else f' on the side {split!r}'}. See: catdog inspect {pool.root}"
        )
    trained_on = sum(digests[photo.path] in sides["train"] for photo in readable)
    if trained_on and split not in ("train", "all"):
        remarks.append(
            message(
                "the run was trained on {trained_on} of these {count} photos: the numbers are better than "
                "they should be",
                trained_on=trained_on,
                count=len(readable),
            )
        )
    return Chosen(readable, digests, pool.skipped, tuple(remarks))


def _belongs(digest: str, split: str | None, sides: dict[str, set[str]], *, own: bool) -> bool:
    if split is not None:
        return digest in sides[split]
    return digest in sides["valid"] if own else digest not in sides["train"]
