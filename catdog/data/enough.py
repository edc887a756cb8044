"""Whether every class has enough photos: an error, or sentences that name the class.

A class that a person made a folder for is never dropped without a sentence.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np

from catdog.data.fingerprint import Skipped
from catdog.data.labels import Photo
from catdog.errors import DataError
from catdog.text import N_, Message, message, numbered

FEW = 5  # validation photos of a class, training photos of a label
_IMBALANCE = 3  # times as many photos in the largest class as in the smallest: worth a sentence


@dataclass(frozen=True)
class ClassPhotos:
    """How many photos of a class each split has."""

    label: str
    train: int
    valid: int
    unreadable: int = 0  # photos that cannot be read, whatever their split


def require_trainable(
    train: Sequence[Photo], valid: Sequence[Photo], root: Path, *, has_own_split: bool = True
) -> None:
    """Check that a classifier can be trained and validated on these photos of `root`.

    A class that only one split has is no error here: see `require_every_class` and `few_to_validate`.

    Args:
        has_own_split: whether the folder has a validation split; else catdog has split the photos by content.

    Raises:
        DataError: fewer than two classes to train on, or fewer than two validation photos.
    """
    of_class = Counter(photo.label for photo in train if photo.label is not None)
    if not of_class:
        raise DataError(
            "expected training photos of at least two classes in {folder}, found none. Give each class a "
            "folder of its own, such as DATA/cats and DATA/dogs",
            folder=root,
        )
    if len(of_class) < 2:
        raise DataError(
            "expected training photos of at least two classes in {folder}, found only {photos}. Give each "
            "class a folder of its own, such as DATA/cats and DATA/dogs",
            folder=root,
            photos=numbered(of_class),
        )
    if len(valid) >= 2:
        return
    facts = {"folder": root, "photos": len(valid), "training": numbered(of_class)}
    if has_own_split:
        expected = N_(
            "expected at least two validation photos in {folder}, found {photos}. Add validation photos"
        )
    elif max(of_class.values()) < 2:
        expected = N_(
            "expected at least two validation photos in {folder}, found {photos}. A class needs at least two "
            "different photos, one for validation (training photos: {training}). Add photos"
        )
    else:
        expected = N_(
            "expected at least two validation photos in {folder}, found {photos}. A class needs at least two "
            "different photos, one for validation (training photos: {training}). Add photos, or choose a "
            "larger --valid-fraction"
        )
    raise DataError(expected, **facts)


def require_targets(train: np.ndarray, valid: np.ndarray, root: Path) -> None:
    """Check that values or several labels can be learned and validated.

    Args:
        train: those of the training photos, (n,) or (n, k), and `valid` of the validation photos.

    Raises:
        DataError: all training photos have the same value or labels, or fewer than two photos validate.
    """
    if len(np.unique(train, axis=0)) < 2 or not train.std():  # 1e-200 and 2e-200 are the same too
        raise DataError(
            "expected training photos with different values or labels in {folder}, found {photos} that are "
            "all the same. Add photos",
            folder=root,
            photos=len(train),
        )
    if len(valid) < 2:
        raise DataError(
            "expected at least two validation photos in {folder}, found {photos}. Add validation photos",
            folder=root,
            photos=len(valid),
        )


def require_every_class(
    classes: Sequence[str], train: Sequence[Photo], unreadable: Sequence[tuple[str, Skipped]], root: Path
) -> None:
    """Check that each of `classes` has a photo to train on.

    Args:
        train: the photos that can be read.
        unreadable: the others, each with its class: all photos of a class that `train` lacks.

    Raises:
        DataError: a class has none; the message names it, its number of photos, and the first reason.
    """
    labels = {photo.label for photo in train}
    missing = [label for label in classes if label not in labels]
    if not missing:
        return
    counts = Counter(label for label, _ in unreadable)
    first = min((bad for label, bad in unreadable if label == missing[0]), key=lambda bad: bad.path)
    raise DataError(
        "expected training photos of every class in {folder}, found only unreadable photos of {classes:,} of "
        "the classes ({photos}). The first is {path}: {reason}. Repair these photos, or move them out of "
        "{folder}",
        folder=root,
        classes=len(missing),
        photos=numbered({label: counts[label] for label in missing}),
        path=first.path,
        reason=first.reason,
    )


def few_to_validate(
    classes: Sequence[ClassPhotos], *, has_own_split: bool, in_turn: bool = False
) -> list[Message]:
    """Sentences about classes without validation photos, and with so few that the accuracy is only a hint.

    Each names the classes and their numbers of photos, the first ten of many.

    Args:
        in_turn: a cross-validation, so all photos train and validate.
    """
    without = [of_class for of_class in classes if not of_class.valid]
    few = {of_class.label: of_class.valid for of_class in classes if 0 < of_class.valid < FEW}
    facts = {
        "classes": len(without),
        "training": numbered({of_class.label: of_class.train for of_class in without}),
        "unreadable": sum(of_class.unreadable for of_class in without),
    }
    lacking = N_(
        "classes without validation photos: {classes:,} (training photos: {training}; unreadable: "
        "{unreadable}). A class needs at least two different readable photos, one for validation"
    )
    hint = N_(
        "classes with fewer than {few} validation photos: {classes:,} ({photos}). Their validation accuracy "
        "is only a hint. Add photos, or choose a larger --valid-fraction"
    )
    if in_turn:
        hint = N_(
            "classes with fewer than {few} validation photos: {classes:,} ({photos}). Their validation "
            "accuracy is only a hint. Add photos"
        )
    elif has_own_split:
        lacking = N_(
            "classes without validation photos: {classes:,} (training photos: {training}; unreadable: "
            "{unreadable}). Add validation photos"
        )
        hint = N_(
            "classes with fewer than {few} validation photos: {classes:,} ({photos}). Their validation "
            "accuracy is only a hint. Add validation photos"
        )
    counts = {"few": FEW, "classes": len(few), "photos": numbered(few)}
    sentences = (message(lacking, **facts), without), (message(hint, **counts), few)
    return [sentence for sentence, about in sentences if about]


def few_labels(labels: Sequence[ClassPhotos]) -> list[Message]:
    """Likewise about labels of which a photo may have several, and about those that no photo trains."""
    unlearned = [label for label in labels if not label.train]
    without = [label for label in labels if label.train and not label.valid]
    few = {label.label: label.train for label in labels if 0 < label.train < FEW}
    sentences = []
    if unlearned:
        sentences.append(
            message(
                "labels without readable training photos: {labels:,} (validation photos: {photos}; "
                "unreadable: {unreadable}). They are not learned",
                labels=len(unlearned),
                photos=numbered({label.label: label.valid for label in unlearned}),
                unreadable=sum(label.unreadable for label in unlearned),
            )
        )
    if without:
        sentences.append(
            message(
                "labels without readable validation photos: {labels:,} (training photos: {photos}; "
                "unreadable: {unreadable}). They have no metrics",
                labels=len(without),
                photos=numbered({label.label: label.train for label in without}),
                unreadable=sum(label.unreadable for label in without),
            )
        )
    if few:
        hint = N_(
            "labels of fewer than {few} training photos: {labels:,} ({photos}). Their metrics are a hint"
        )
        sentences.append(message(hint, few=FEW, labels=len(few), photos=numbered(few)))
    return sentences


def class_imbalance(counts: Mapping[str, int]) -> Message | None:
    """A sentence if the largest class has over three times the training photos (`counts`) of the smallest."""
    there = [(label, photos) for label, photos in counts.items() if photos]
    largest, most = max(there, key=itemgetter(1), default=("", 0))
    smallest, fewest = min(there, key=itemgetter(1), default=("", 0))
    if most <= _IMBALANCE * fewest:
        return None
    return message(
        "class imbalance: {most:,} photos of {largest}, {fewest:,} of {smallest}. Accuracy alone misleads: "
        "look at the recall of each class",
        most=most,
        largest=largest,
        fewest=fewest,
        smallest=smallest,
    )
