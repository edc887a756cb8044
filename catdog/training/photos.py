"""Which photos a training sees: scan, fingerprint, split, and match classes by name. No pixels yet."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog.config import TrainOptions
from catdog.data import (
    Photo,
    Skipped,
    few_to_validate,
    fingerprint,
    imbalance,
    require_trainable,
    scan,
    split_by_content,
)
from catdog.data.copies import Placed, find_copies
from catdog.errors import DataError
from catdog.features.progress import Progress


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
        remarks: what a person should know, one sentence each.
        digest: of every photo's content, class and side, hex.
        has_own_split: whether the folder says which photos validate.
    """

    classes: tuple[str, ...]
    train: Side
    valid: Side
    skipped: tuple[Skipped, ...]
    remarks: tuple[str, ...]
    digest: str
    has_own_split: bool

    def sides(self) -> dict[str, list[str]]:
        """What split.json holds."""
        return {"train": sorted(self.train.digests), "valid": sorted(self.valid.digests)}


def find_photos(
    options: TrainOptions, *, workers: int, report: Callable[[Progress], None] = lambda _: None
) -> Photos:
    """Scan `options.data`, read every file once for its fingerprint, and split.

    Raises:
        DataError: there is no data set to train on there; or a photo cannot be read and `options.strict`.
    """
    root = Path(options.data)
    dataset = scan(root)
    pools = {name: list(dataset.splits.get(name, ())) for name in ("train", "valid", "all")}
    if "all" in dataset.splits:
        require_trainable(pools["all"], pools["all"], root)
    else:
        require_trainable(pools["train"], pools["valid"], root)
    prints = fingerprint(
        [photo.path for pool in pools.values() for photo in pool],
        workers=workers,
        on_progress=lambda done, total: report(Progress("hash", done, total)),
    )
    if options.strict:
        raise_if_skipped(prints.skipped)
    read = {
        name: [(photo, prints.digests[photo.path]) for photo in pool if photo.path in prints.digests]
        for name, pool in pools.items()
    }
    if "all" in dataset.splits:
        train, valid = split_by_content(read["all"], fraction=options.valid_fraction)
        read["train"] = [read["all"][index] for index in train]
        read["valid"] = [read["all"][index] for index in valid]
    classes = tuple(sorted({photo.label or "" for photo, _ in read["train"]}))
    lines = sorted(
        f"{name} {photo.label} {digest}" for name in ("train", "valid") for photo, digest in read[name]
    )
    train_side, valid_side = (_side(read[name], classes) for name in ("train", "valid"))
    if read["valid"] and not len(valid_side):
        others = ", ".join(sorted({photo.label or "" for photo, _ in read["valid"]}))
        raise DataError(
            f"expected validation photos of the classes {', '.join(classes)} in {root}, found only {others}. "
            "Name the class folders of training and validation alike."
        )
    require_trainable(train_side.photos(classes), valid_side.photos(classes), root)
    copies = find_copies(
        Placed(photo.path, photo.label or "", name, digest)
        for name in ("train", "valid")
        for photo, digest in read[name]
    )
    few = few_to_validate({label: int((valid_side.labels == row).sum()) for row, label in enumerate(classes)})
    uneven = imbalance(Counter(photo.label or "" for photo, _ in read["train"]))
    return Photos(
        classes=classes,
        train=train_side,
        valid=valid_side,
        skipped=prints.skipped,
        remarks=(*dataset.remarks, *filter(None, (uneven, few)), *copies.remarks()),
        digest=hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        has_own_split="all" not in dataset.splits,
    )


def raise_if_skipped(skipped: tuple[Skipped, ...]) -> None:
    """What `--strict` asks for.

    Raises:
        DataError: at least one photo was skipped; the message names the first.
    """
    if skipped:
        raise DataError(
            f"expected every photo to be readable (--strict), found {len(skipped)} that are not, "
            f"the first {skipped[0].path}: {skipped[0].reason}. Mend or move them, or leave out --strict."
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
