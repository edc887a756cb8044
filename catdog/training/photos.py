"""The photos of a training: found, read for their digests, split, classes matched by name. No pixels yet."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from catdog.config import Output, TrainOptions, has_classes
from catdog.data import (
    ClassPhotos,
    Photo,
    Skipped,
    class_imbalance,
    few_labels,
    few_to_validate,
    find_labelled,
    fingerprint,
    is_validation,
    labels_of,
    named,
    require_every_class,
    require_targets,
    require_trainable,
    split_by_content,
    targets,
)
from catdog.data.exact_duplicates import Placed, find_exact_duplicates
from catdog.errors import DataError
from catdog.progress import Progress
from catdog.text import Message, plural
from catdog.training.options import DEFAULT_FOLDS, SMALL
from catdog.workspace import Workspace


@dataclass(frozen=True)
class SplitPhotos:
    """The photos of one split, training or validation.

    Attributes:
        paths: the files, (n,).
        digests: of their contents, hex, (n,).
        labels: see `catdog.data.targets`, (n,) or (n, k).
    """

    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def labelled(self, classes: tuple[str, ...]) -> list[Photo]:
        """The photos with the names of their classes, or labels."""
        return list(map(Photo, self.paths, named(self.labels, classes)))

    def select(self, rows: list[int]) -> "SplitPhotos":
        """Some of the photos, in that order."""
        return SplitPhotos(
            tuple(self.paths[row] for row in rows),
            tuple(self.digests[row] for row in rows),
            self.labels[rows],
        )


@dataclass(frozen=True)
class Photos:
    """A data set ready for training.

    Attributes:
        classes: the classes that have training photos, sorted by name; of a `labels` output the
            labels, of a `value` output none.
        unreadable: the files that were skipped, each with its class.
        remarks: what a person should know, one sentence each.
        digest: of every photo's content, class and split, hex.
        has_own_split: whether the folder says which photos are for validation.
        lacking: classes that the folder's own validation split does not have; the remarks name them.
        unlearned: of a `labels` output the labels that no readable training photo has.
        folds: of a cross-validation over `train`, which then has all photos, and `valid` none; else 0.
    """

    classes: tuple[str, ...]
    train: SplitPhotos
    valid: SplitPhotos
    unreadable: tuple[tuple[str, Skipped], ...]
    remarks: tuple[Message, ...]
    digest: str
    has_own_split: bool
    lacking: frozenset[str]
    folds: int = 0
    output: Output = "category"
    unlearned: tuple[ClassPhotos, ...] = ()

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What skipped.jsonl holds."""
        return tuple(photo for _, photo in self.unreadable)

    def digests_by_split(self) -> dict[str, list[str]]:
        """What split.json holds. In a cross-validation a photo is in both splits, but see `in_turn`."""
        return {"train": sorted(self.train.digests), "valid": sorted(self._validation.digests)}

    def by_digest(self) -> dict[str, Path]:
        """A file for each content digest, hex."""
        return {
            digest: path
            for split in (self.train, self.valid)
            for digest, path in zip(split.digests, split.paths, strict=True)
        }

    def without(self, skipped: Sequence[Skipped], root: Path) -> "Photos":
        """The same without photos that proved unreadable later; the remarks are about what that changes.

        Raises:
            DataError: a class has no photo left to train on, or too few are left of all.
        """
        paths = {photo.path for photo in skipped}
        train, valid = (
            split.select([row for row, path in enumerate(split.paths) if path not in paths])
            for split in (self.train, self.valid)
        )
        label_of = {
            photo.path: photo.label or ""
            for split in ((self.train, self.valid) if self.output != "value" else ())
            for photo in split.labelled(self.classes)
        }
        unreadable = (*self.unreadable, *((label_of.get(photo.path, ""), photo) for photo in skipped))
        left = replace(self, train=train, valid=valid, unreadable=unreadable)
        left.require_trainable(root)
        told = self.few_to_validate()
        return replace(left, remarks=tuple(remark for remark in left.few_to_validate() if remark not in told))

    def require_trainable(self, root: Path) -> None:
        """Check that there are photos enough.

        Raises:
            DataError: a class has no photo to train on, or there are too few of all, or all are copies.
        """
        if len(set(self.train.digests)) < 2 <= len(self.train):
            raise DataError(
                "expected different training photos in {folder}, found {photos} copies of one. Add photos",
                folder=root,
                photos=len(self.train),
            )
        if not has_classes(self.output):
            return require_targets(self.train.labels, self._validation.labels, root)
        train, valid = self.train.labelled(self.classes), self._validation.labelled(self.classes)
        require_every_class(self.classes, train, self.unreadable, root)
        require_trainable(train, valid, root, has_own_split=self.has_own_split)

    def few_to_validate(self) -> list[Message]:
        """Sentences about classes with few or no validation photos, except those in `lacking`.

        Of labels also about those with few or no training photos.
        """
        if self.output == "value":
            return []
        unreadable = _counts((Photo(bad.path, label) for label, bad in self.unreadable), self.output)
        train, valid = (
            np.bincount(split.labels, minlength=len(self.classes))
            if has_classes(self.output)
            else split.labels.sum(axis=0).astype(int)
            for split in (self.train, self._validation)
        )
        classes = [
            ClassPhotos(label, int(train[row]), int(valid[row]), unreadable[label])
            for row, label in enumerate(self.classes)
            if label not in self.lacking
        ]
        if not has_classes(self.output):
            return few_labels([*self.unlearned, *classes])
        return few_to_validate(classes, has_own_split=self.has_own_split, in_turn=bool(self.folds))

    @property
    def in_turn(self) -> np.ndarray:
        """Which training photos a cross-validation predicts, (n,) bool.

        All but those of classes with one content only: the heads without it do not know such a class.
        """
        if not has_classes(self.output):
            return np.ones(len(self.train), bool)
        labels = self.train.labels.tolist()
        contents = Counter(label for label, _ in set(zip(labels, self.train.digests, strict=True)))
        return np.array([contents[label] > 1 for label in labels], bool)

    @property
    def _validation(self) -> SplitPhotos:
        """The validation photos."""
        return self.train.select(np.flatnonzero(self.in_turn).tolist()) if self.folds else self.valid


def find_photos(
    options: TrainOptions, *, workspace: Workspace, report: Callable[[Progress], None] = lambda _: None
) -> Photos:
    """Scan `options.data`, read every file once for its digest, and split.

    Raises:
        DataError: there is no data set to train on there; or a photo cannot be read and `options.strict`.
    """
    root, output = Path(options.data), options.head.output
    dataset = find_labelled(root, output, root / options.labels if options.labels else None)
    has_own_split = "all" not in dataset.splits
    pools = {name: list(dataset.splits.get(name, ())) for name in ("train", "valid", "all")}
    folds = options.folds
    if folds is None:
        folds = 0 if has_own_split or len(pools["all"]) >= SMALL else DEFAULT_FOLDS
    if folds:
        train = valid = [*pools["train"], *pools["valid"], *pools["all"]]
        pools = {"train": train, "valid": []}
    else:
        train, valid = (pools["train"], pools["valid"]) if has_own_split else (pools["all"], pools["all"])
    if has_classes(output):
        require_trainable(train, valid, root, has_own_split=has_own_split)
    read, unreadable = _read(pools, workspace, report)
    if options.strict:
        raise_if_skipped(tuple(photo for _, photo in unreadable))
    if not has_own_split and not folds:
        read = _split(read["all"], options.valid_fraction, output)
    if has_classes(output):
        classes = tuple(sorted({photo.label or "" for photo in train}))
    else:
        classes = tuple(sorted(_counts((photo for photo, _ in read["train"]), output)))
    photos = Photos(
        classes=classes,
        train=_of_classes(read["train"], classes, output),
        valid=_of_classes(read["valid"], classes, output),
        unreadable=unreadable,
        remarks=dataset.remarks,
        digest=_digest(read),
        has_own_split=has_own_split,
        lacking=frozenset(classes) - {photo.label or "" for photo in valid}
        if has_classes(output)
        else frozenset(),
        folds=min(folds, len({digest for _, digest in read["train"]})),
        output=output,
        unlearned=() if has_classes(output) else _unlearned(read, unreadable, classes, output),
    )
    _require_same_classes(photos, read["valid"], root)
    photos.require_trainable(root)
    moved = [] if has_own_split or folds or not has_classes(output) else _moved(read, options.valid_fraction)
    return replace(photos, remarks=(*dataset.remarks, *_remarks(photos, read, moved)))


_Read = dict[str, list[tuple[Photo, str]]]  # split → photos with their content digests


def _read(
    pools: dict[str, list[Photo]], workspace: Workspace, report: Callable[[Progress], None]
) -> tuple[_Read, tuple[tuple[str, Skipped], ...]]:
    """The photos with their digests, and the unreadable ones with their classes."""
    label_of = {photo.path: photo.label or "" for pool in pools.values() for photo in pool}
    prints = fingerprint(
        [photo.path for pool in pools.values() for photo in pool], workspace=workspace, report=report
    )
    read = {
        name: [(photo, prints.digests[photo.path]) for photo in pool if photo.path in prints.digests]
        for name, pool in pools.items()
    }
    return read, tuple((label_of[photo.path], photo) for photo in prints.skipped)


def _split(photos: list[tuple[Photo, str]], fraction: float, output: Output) -> _Read:
    alike = [
        (replace(photo, label=""), digest) for photo, digest in photos
    ]  # values and several labels are no classes
    train, valid = split_by_content(photos if has_classes(output) else alike, fraction=fraction)
    return {"train": [photos[row] for row in train], "valid": [photos[row] for row in valid]}


def _counts(photos: Iterable[Photo], output: Output) -> Counter[str]:
    """Class, or label → how many of the photos have it."""
    return Counter(label for photo in photos for label in labels_of(photo, output))


def _unlearned(
    read: _Read, unreadable: tuple[tuple[str, Skipped], ...], classes: tuple[str, ...], output: Output
) -> tuple[ClassPhotos, ...]:
    """The labels that are not among `classes`, which have training photos."""
    valid = _counts((photo for photo, _ in read["valid"]), output)
    bad = _counts((Photo(photo.path, label) for label, photo in unreadable), output)
    return tuple(
        ClassPhotos(label, 0, valid[label], bad[label])
        for label in sorted((valid.keys() | bad.keys()) - set(classes))
    )


def _digest(read: _Read) -> str:
    lines = sorted(
        f"{name} {photo.label} {digest}" for name in ("train", "valid") for photo, digest in read[name]
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _require_same_classes(photos: Photos, valid: list[tuple[Photo, str]], root: Path) -> None:
    if valid and not len(photos.valid):
        raise DataError(
            "expected validation photos of the classes {classes} in {root}, found only {others}. Give the "
            "class folders of training and validation the same names.",
            classes=", ".join(photos.classes),
            root=root,
            others=", ".join(sorted({photo.label or "" for photo, _ in valid})),
        )


def _remarks(photos: Photos, read: _Read, moved: Sequence[Photo]) -> Iterator[Message]:
    """Sentences about class imbalance, small classes, and exact duplicates."""
    counts = Counter(photo.label or "" for photo, _ in read["train"])
    if has_classes(photos.output) and (uneven := class_imbalance(counts)):
        yield uneven
    yield from photos.few_to_validate()
    if moved:
        yield plural(
            "{count:,} photo of a small class went to the other split, so that the class has photos in both: "
            "{path}. That may change when photos are added to the class",
            "{count:,} photos of small classes went to the other split, so that each class has photos in "
            "both, such as {path}. That may change when photos are added to the classes",
            len(moved),
            path=moved[0].path,
        )
    yield from find_exact_duplicates(
        Placed(photo.path, photo.label or "", name, digest)
        for name in ("train", "valid")
        for photo, digest in read[name]
    ).remarks()


def _moved(read: _Read, fraction: float) -> list[Photo]:
    """The photos that are not in the split of their content, because their class is so small."""
    return [
        photo
        for name in ("train", "valid")
        for photo, digest in read[name]
        if is_validation(digest, fraction=fraction) != (name == "valid")
    ]


def raise_if_skipped(skipped: tuple[Skipped, ...]) -> None:
    """What `--strict` asks for.

    Raises:
        DataError: at least one photo was skipped; the message names the first.
    """
    if skipped:
        raise DataError(
            "expected every photo to be readable (--strict), found {count} that are not, the first "
            "{path}: {reason}. Repair or move them, or leave out --strict.",
            count=len(skipped),
            path=skipped[0].path,
            reason=skipped[0].reason,
        )


def _of_classes(photos: list[tuple[Photo, str]], classes: tuple[str, ...], output: Output) -> SplitPhotos:
    """The photos whose class has training photos; the remarks of `scan` name the others."""
    names = set(classes)
    known = [(photo, digest) for photo, digest in photos if not has_classes(output) or photo.label in names]
    return SplitPhotos(
        tuple(photo.path for photo, _ in known),
        tuple(digest for _, digest in known),
        targets([photo for photo, _ in known], output, classes),
    )
