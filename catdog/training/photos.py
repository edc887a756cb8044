"""Which photos a training sees: scan, fingerprint, split, and match classes by name. No pixels yet."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from catdog.config import TrainOptions
from catdog.data import (
    ClassPhotos,
    Photo,
    Skipped,
    class_imbalance,
    few_to_validate,
    fingerprint,
    is_validation,
    require_every_class,
    require_trainable,
    scan,
    split_by_content,
)
from catdog.data.exact_duplicates import Placed, find_exact_duplicates
from catdog.errors import DataError
from catdog.progress import Progress
from catdog.text import Message, message, plural


@dataclass(frozen=True)
class Side:
    """The photos of one side of the split.

    Attributes:
        labels: index into the classes, (n,) int32.
    """

    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def photos(self, classes: tuple[str, ...]) -> list[Photo]:
        """Them with the names of their classes."""
        return [Photo(path, classes[label]) for path, label in zip(self.paths, self.labels, strict=True)]

    def select(self, photos: list[int]) -> "Side":
        """Some of the photos, in that order."""
        return Side(
            tuple(self.paths[one] for one in photos),
            tuple(self.digests[one] for one in photos),
            self.labels[photos],
        )


@dataclass(frozen=True)
class Photos:
    """A data set ready for training.

    Attributes:
        classes: those that training has, sorted by name.
        unreadable: the files that were skipped, each with its class.
        remarks: what a person should know, one sentence each.
        digest: of every photo's content, class and side, hex.
        has_own_split: whether the folder says which photos validate.
        lacking: classes that the folder's own validation split does not have; the remarks name them.
    """

    classes: tuple[str, ...]
    train: Side
    valid: Side
    unreadable: tuple[tuple[str, Skipped], ...]
    remarks: tuple[Message, ...]
    digest: str
    has_own_split: bool
    lacking: frozenset[str]

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What skipped.jsonl holds."""
        return tuple(bad for _, bad in self.unreadable)

    def sides(self) -> dict[str, list[str]]:
        """What split.json holds."""
        return {"train": sorted(self.train.digests), "valid": sorted(self.valid.digests)}

    def without(self, skipped: Sequence[Skipped], root: Path) -> "Photos":
        """The same without photos that proved unreadable later; the remarks are about what that changes.

        Raises:
            DataError: a class has no photo left to train on, or too few are left of all.
        """
        reasons = {bad.path: bad for bad in skipped}
        train, valid = (
            side.select([number for number, path in enumerate(side.paths) if path not in reasons])
            for side in (self.train, self.valid)
        )
        label_of = {
            photo.path: photo.label or ""
            for side in (self.train, self.valid)
            for photo in side.photos(self.classes)
        }
        unreadable = (*self.unreadable, *((label_of[bad.path], bad) for bad in skipped))
        kept = train.photos(self.classes), valid.photos(self.classes)
        require_every_class(self.classes, kept[0], unreadable, root)
        require_trainable(*kept, root, has_own_split=self.has_own_split)
        left = replace(self, train=train, valid=valid, unreadable=unreadable)
        said = self.few_to_validate()
        return replace(left, remarks=tuple(new for new in left.few_to_validate() if new not in said))

    def few_to_validate(self) -> list[Message]:
        """Sentences about classes with none or few, except those whose names the folder's own split lacks."""
        bad = Counter(label for label, _ in self.unreadable)
        train, valid = (
            np.bincount(side.labels, minlength=len(self.classes)).tolist()
            for side in (self.train, self.valid)
        )
        return few_to_validate(
            [
                ClassPhotos(label, train[row], valid[row], bad[label])
                for row, label in enumerate(self.classes)
                if label not in self.lacking
            ],
            has_own_split=self.has_own_split,
        )


def find_photos(
    options: TrainOptions, *, workers: int, report: Callable[[Progress], None] = lambda _: None
) -> Photos:
    """Scan `options.data`, read every file once for its fingerprint, and split.

    Raises:
        DataError: there is no data set to train on there; or a photo cannot be read and `options.strict`.
    """
    root = Path(options.data)
    dataset = scan(root)
    has_own_split = "all" not in dataset.splits
    pools = {name: list(dataset.splits.get(name, ())) for name in ("train", "valid", "all")}
    if has_own_split:
        require_trainable(pools["train"], pools["valid"], root)
    else:
        require_trainable(pools["all"], pools["all"], root, has_own_split=False)
    prints = fingerprint(
        [photo.path for pool in pools.values() for photo in pool],
        workers=workers,
        report=report,
    )
    if options.strict:
        raise_if_skipped(prints.skipped)
    label_of = {photo.path: photo.label or "" for pool in pools.values() for photo in pool}
    unreadable = tuple((label_of[bad.path], bad) for bad in prints.skipped)
    read = {
        name: [(photo, prints.digests[photo.path]) for photo in pool if photo.path in prints.digests]
        for name, pool in pools.items()
    }
    moved: list[Photo] = []
    if not has_own_split:
        train, valid = split_by_content(read["all"], fraction=options.valid_fraction)
        read["train"] = [read["all"][index] for index in train]
        read["valid"] = [read["all"][index] for index in valid]
        moved = _moved(read["train"], read["valid"], options.valid_fraction)
    classes = tuple(sorted({photo.label or "" for photo in (*pools["train"], *pools["all"])}))
    require_every_class(classes, [photo for photo, _ in read["train"]], unreadable, root)
    lines = sorted(
        f"{name} {photo.label} {digest}" for name in ("train", "valid") for photo, digest in read[name]
    )
    train_side, valid_side = (_side(read[name], classes) for name in ("train", "valid"))
    if read["valid"] and not len(valid_side):
        others = ", ".join(sorted({photo.label or "" for photo, _ in read["valid"]}))
        raise DataError(
            "expected validation photos of the classes {classes} in {root}, found only {others}. Name "
            "the class folders of training and validation alike.",
            classes=", ".join(classes),
            root=root,
            others=others,
        )
    require_trainable(
        train_side.photos(classes), valid_side.photos(classes), root, has_own_split=has_own_split
    )
    duplicates = find_exact_duplicates(
        Placed(photo.path, photo.label or "", name, digest)
        for name in ("train", "valid")
        for photo, digest in read[name]
    )
    by_name = {photo.label or "" for photo in (*pools["valid"], *pools["all"])}
    photos = Photos(
        classes=classes,
        train=train_side,
        valid=valid_side,
        unreadable=unreadable,
        remarks=dataset.remarks,
        digest=hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        has_own_split=has_own_split,
        lacking=frozenset(classes) - by_name,
    )
    imbalance = class_imbalance(Counter(photo.label or "" for photo, _ in read["train"]))
    found = (imbalance, *photos.few_to_validate(), _tell_moved(moved), *duplicates.remarks())
    return replace(photos, remarks=(*dataset.remarks, *filter(None, found)))


def _moved(
    train: Sequence[tuple[Photo, str]], valid: Sequence[tuple[Photo, str]], fraction: float
) -> list[Photo]:
    """The photos that are not where their content alone would have them, since their class is so small."""
    return [
        *(photo for photo, digest in train if is_validation(digest, fraction=fraction)),
        *(photo for photo, digest in valid if not is_validation(digest, fraction=fraction)),
    ]


def _tell_moved(moved: Sequence[Photo]) -> Message | None:
    if not moved:
        return None
    return message(
        "{count} of small classes went to the other split, so that each class has photos in both, "
        "such as {path}. That may change when photos are added to the class",
        count=plural("{count:,} photo", "{count:,} photos", len(moved)),
        path=moved[0].path,
    )


def raise_if_skipped(skipped: tuple[Skipped, ...]) -> None:
    """What `--strict` asks for.

    Raises:
        DataError: at least one photo was skipped; the message names the first.
    """
    if skipped:
        raise DataError(
            "expected every photo to be readable (--strict), found {count} that are not, the first "
            "{path}: {reason}. Mend or move them, or leave out --strict.",
            count=len(skipped),
            path=skipped[0].path,
            reason=skipped[0].reason,
        )


def _side(photos: list[tuple[Photo, str]], classes: tuple[str, ...]) -> Side:
    """The photos whose class training has; scan's remarks speak of the others."""
    index = {label: number for number, label in enumerate(classes)}
    known = [(photo, digest) for photo, digest in photos if photo.label in index]
    return Side(
        tuple(photo.path for photo, _ in known),
        tuple(digest for _, digest in known),
        np.array([index[photo.label or ""] for photo, _ in known], np.int32),
    )
