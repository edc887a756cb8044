"""Which labelled photos an evaluation uses: a split of a folder, or the run's own validation photos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog.archives import is_folder
from catdog.config import Output, has_classes
from catdog.data import DataSet, Photo, Skipped, find_labelled, fingerprint, labels_of, targets
from catdog.errors import DataError, OptionError
from catdog.progress import Progress
from catdog.runs import Run
from catdog.text import Message, first_few, message, plural
from catdog.workspace import Workspace

_Splits = dict[str, set[str]]  # split → content digests


@dataclass(frozen=True)
class Chosen:
    """Labelled photos of a model's classes.

    Attributes:
        photos: those whose class the model knows.
        digests: their content digests, by path.
        skipped: the unreadable photos.
        remarks: what was left out, and whether the model was trained on some of them: one sentence each.
    """

    photos: tuple[Photo, ...]
    digests: dict[Path, str]
    skipped: tuple[Skipped, ...]
    remarks: tuple[Message, ...]

    def targets(self, classes: tuple[str, ...], output: Output) -> np.ndarray:
        """See `catdog.data.targets`."""
        return targets(self.photos, output, classes)


@dataclass(frozen=True)
class _Pool(Chosen):
    """The photos of one folder and split that several models may choose from, read once.

    Attributes:
        root: the folder.
        split: as it was asked for.
        has_split: whether the folder itself has this split.
        classes: those that the models know.
    """

    root: Path
    split: str | None
    has_split: bool
    classes: tuple[str, ...]


def own_folder(models: Sequence[Run | Path]) -> Path:
    """The folder of photos of the first run among the models.

    Raises:
        OptionError: all are exported files.
        DataError: the folder is no longer there.
    """
    run = next((model for model in models if isinstance(model, Run)), None)
    if run is None:
        raise OptionError(
            "expected a folder of photos: the exported file {file} has no photos of its own. Give DATA too.",
            file=models[0],
        )
    folder = Path(run.config.options.data)
    if not is_folder(folder):
        raise DataError(
            "the photos that {run} was trained on are no longer at {folder}. Give DATA, their folder.",
            run=run.folder,
            folder=folder,
        )
    return folder


def choose(
    models: Sequence[Run | Path],
    classes: tuple[str, ...],
    data: Path | None,
    split: str | None,
    *,
    output: Output = "category",
    table: Path | None = None,
    workspace: Workspace,
    report: Callable[[Progress], None] = lambda _: None,
) -> list[Chosen]:
    """Choose the photos to evaluate each of the models on. Each file is read once for all.

    Args:
        models: runs, or exported files.
        classes: those of the models.
        data: a folder; None is that of the first run.
        split: a name among `SPLITS`. None is validation: the folder's own, or without one, the photos that
            the run was not trained on (of one run and its own folder: its validation photos).
        output: of the models.
        table: a CSV file with the values; None is the run's, if it has such a file in this folder.

    Raises:
        DataError: there is no such folder, or nothing in it to evaluate on.
        OptionError: no folder is given for exported files.
    """
    root, own = data or own_folder(models), data is None and len(models) == 1
    # Before the photos are read: one of them may be damaged.
    splits = [_splits_of(model) if isinstance(model, Run) else {} for model in models]
    dataset = find_labelled(root, output, table or _own_table(models, root))
    pool = _read(dataset, classes, split, output, workspace=workspace, report=report)
    return [
        _of_run(model, of_model, pool, own=own) if isinstance(model, Run) else _of_file(model, pool)
        for model, of_model in zip(models, splits, strict=True)
    ]


def _own_table(models: Sequence[Run | Path], root: Path) -> Path | None:
    """The CSV file of the first run that has one for this folder: in it, or for the run's own photos."""
    for model in models:
        if isinstance(model, Run) and (name := model.config.options.labels):
            is_own = Path(model.config.options.data) == root.absolute()
            file = root / name
            if is_own or (file.is_file() and not Path(name).is_absolute()):
                return file
    return None


def _splits_of(run: Run) -> _Splits:
    """After a cross-validation, a photo with a held-out prediction is none that the run was trained on."""
    splits = run.split()
    return {**splits, "train": splits["train"] - splits["valid"]} if run.has_held_out else splits


def _read(
    dataset: DataSet,
    classes: tuple[str, ...],
    split: str | None,
    output: Output,
    *,
    workspace: Workspace,
    report: Callable[[Progress], None],
) -> _Pool:
    root, known = dataset.root, set(classes)
    has_split = (split or "valid") in dataset.splits
    if has_split:
        photos = list(dataset.splits[split or "valid"])
    elif split == "test":
        raise DataError("{root} has no folder test. Choose another --split.", root=root)
    else:
        photos = [photo for group in dataset.splits.values() for photo in group]
    remarks = list(dataset.remarks)
    is_strange = has_classes(output)
    if strangers := [photo.label or "" for photo in photos if is_strange and photo.label not in known]:
        remarks.append(
            plural(
                "{count:,} photo of a class that the model does not know is left out: {classes}",
                "{count:,} photos of classes that the model does not know are left out: {classes}",
                len(strangers),
                classes=first_few(sorted(set(strangers))),
            )
        )
        photos = [photo for photo in photos if photo.label in known]
    names = {name for photo in photos for name in labels_of(photo, output)}
    if output == "labels" and (unknown := names - known):
        remarks.append(
            message(
                "labels that the model does not know are ignored: {labels:,} ({names})",
                labels=len(unknown),
                names=first_few(sorted(unknown), 10),
            )
        )
    prints = fingerprint([photo.path for photo in photos], workspace=workspace, report=report)
    readable = tuple(photo for photo in photos if photo.path in prints.digests)
    return _Pool(readable, prints.digests, prints.skipped, tuple(remarks), root, split, has_split, classes)


def _of_run(run: Run, splits: _Splits, pool: _Pool, *, own: bool) -> Chosen:
    """The photos of the pool that this run is evaluated on."""
    photos, split, remarks = pool.photos, pool.split, list(pool.remarks)
    if not pool.has_split and split != "all":
        photos = tuple(
            photo for photo in photos if _belongs(pool.digests[photo.path], split, splits, own=own)
        )
        left_out = len(pool.photos) - len(photos)
        if left_out and not own and split is None:
            remarks.append(_trained_on(run, pool, left_out))
    if run.has_held_out and any(pool.digests[photo.path] in splits["valid"] for photo in photos):
        remarks.append(
            message(
                "cross-validation: photos that {run} was trained on are predicted by heads that were not "
                "fitted to them",
                run=run.folder,
            )
        )
    trained_on = sum(pool.digests[photo.path] in splits["train"] for photo in photos)
    if trained_on and split not in ("train", "all"):
        remarks.append(
            message(
                "data leak: {run} was trained on {trained_on:,} of these {photos:,} photos. The results are "
                "too optimistic.",
                run=run.folder,
                trained_on=trained_on,
                photos=len(photos),
            )
        )
    return _found(photos, pool, remarks)


def _belongs(digest: str, split: str | None, splits: _Splits, *, own: bool) -> bool:
    if split is not None:
        return digest in splits[split]
    return digest in splits["valid"] if own else digest not in splits["train"]


def _trained_on(run: Run, pool: _Pool, count: int) -> Message:
    """The remark about photos that are left out; an error if there are no others."""
    if count == len(pool.photos):
        raise DataError(
            "expected photos in {root} that {run} was not trained on, found none: it was trained on all "
            "{photos:,}. Give other photos, or --split all.",
            root=pool.root,
            run=run.folder,
            photos=count,
        )
    return plural(
        "{count:,} photo is left out: {run} was trained on it",
        "{count:,} photos are left out: {run} was trained on them",
        count,
        run=run.folder,
    )


def _of_file(file: Path, pool: _Pool) -> Chosen:
    """The photos of the pool that this exported file is evaluated on: it does not record its own split."""
    if pool.has_split or pool.split == "all":
        return _found(pool.photos, pool, pool.remarks)
    unknown = message(
        "the exported file {file} does not record its training photos. If some of them are among these, the "
        "results are too optimistic.",
        file=file,
    )
    return _found(() if pool.split else pool.photos, pool, [*pool.remarks, unknown])


def _found(photos: tuple[Photo, ...], pool: _Pool, remarks: Sequence[Message]) -> Chosen:
    if photos:
        return Chosen(photos, pool.digests, pool.skipped, tuple(remarks))
    fields = {"classes": ", ".join(pool.classes), "root": pool.root, "split": pool.split}
    if pool.split is None:
        raise DataError(
            "expected photos of the classes {classes} in {root}, found none. See: catdog inspect {root}",
            **fields,
        )
    raise DataError(
        "expected photos of the classes {classes} in the split {split!r} of {root}, found none. See: "
        "catdog inspect {root}",
        **fields,
    )
