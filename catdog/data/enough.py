"""Whether there are photos enough of every class: an error, or sentences that name the class.

A class that a person made a folder for is never dropped without a word.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catdog.data.fingerprint import Skipped
from catdog.data.labels import Photo
from catdog.errors import DataError
from catdog.text import Message, message, numbered, plural

_FEW = 5  # validation photos of a class


@dataclass(frozen=True)
class ClassPhotos:
    """How many photos of a class each split has.

    Attributes:
        unreadable: those that a person put there and nobody can read, whatever their split.
    """

    label: str
    train: int
    valid: int
    unreadable: int = 0


def require_trainable(
    train: Sequence[Photo], valid: Sequence[Photo], root: Path, *, has_own_split: bool = True
) -> None:
    """Check that a classifier can be trained and validated on these photos of `root`.

    A class that only one split has is no error here: see `require_every_class` and `few_to_validate`.

    Args:
        has_own_split: whether the folder says which photos validate; else catdog has split them by content.

    Raises:
        DataError: fewer than two classes to train on, or fewer than two photos in a split.
    """
    of_class = Counter(photo.label for photo in train if photo.label is not None)
    classes = sorted(of_class)
    if len(classes) < 2:
        found = message("none")
        if classes:
            found = plural(
                "only {label!r} ({count:,} photo)",
                "only {label!r} ({count:,} photos)",
                len(train),
                label=classes[0],
            )
        raise DataError(
            "expected photos of at least two classes to train on in {root}, found {found}: give each "
            "class a folder of its own, such as DATA/cats and DATA/dogs",
            root=root,
            found=found,
        )
    if len(train) < 2:
        raise DataError(
            "expected at least two photos to train on in {root}, found {count}: add photos",
            root=root,
            count=len(train),
        )
    if len(valid) >= 2:
        return
    if has_own_split:
        raise DataError(
            "expected at least two validation photos in {root}, found {count}: add validation photos",
            root=root,
            count=len(valid),
        )
    advice = message("Add photos")
    if max(of_class.values()) > 1:
        advice = message("Add photos, or choose a larger --valid-fraction")
    raise DataError(
        "expected at least two validation photos in {root}, found {count}: a class needs at least two "
        "different photos, so that one of them validates (training photos: {training}). {advice}",
        root=root,
        count=len(valid),
        training=numbered(of_class),
        advice=advice,
    )


def require_every_class(
    classes: Sequence[str],
    train: Sequence[Photo],
    unreadable: Sequence[tuple[str, Skipped]],
    root: Path,
) -> None:
    """Check that each of `classes` has a photo to train on.

    Args:
        train: the photos that can be read.
        unreadable: the others, each with its class: all photos of a class that `train` lacks.

    Raises:
        DataError: a class has none; the message names it, its number of photos, and why the first is none.
    """
    there = {photo.label for photo in train}
    missing = [label for label in classes if label not in there]
    if not missing:
        return
    counts = Counter(label for label, _ in unreadable)
    first = min((bad for label, bad in unreadable if label == missing[0]), key=lambda bad: bad.path)
    of_class = numbered({label: counts[label] for label in missing})
    raise DataError(
        "expected photos of every class to train on in {root}, found only unreadable photos of "
        "{count} ({of_class}), the first {path}: {reason}. Mend them, or move them out of {root}",
        root=root,
        count=plural("{count:,} class", "{count:,} classes", len(missing)),
        of_class=of_class,
        path=first.path,
        reason=first.reason,
    )


def few_to_validate(classes: Sequence[ClassPhotos], *, has_own_split: bool) -> list[Message]:
    """Sentences about classes with no validation photo, and with so few that one more or less right decides.

    Each names the classes and their numbers, the first ten of many.
    """
    none = {each.label: each for each in classes if not each.valid}
    few = {each.label: each.valid for each in classes if 0 < each.valid < _FEW}
    sentences = []
    if none:
        advice = message("Add validation photos")
        if not has_own_split:
            advice = message(
                "A class needs two different photos that can be read, so that one of them validates"
            )
        sentences.append(
            message(
                "no photo to validate with of {count} ({numbered} to train on, {unreadable} unreadable): "
                "validation says nothing about them. {advice}",
                count=plural("{count:,} class", "{count:,} classes", len(none)),
                numbered=numbered({label: each.train for label, each in none.items()}),
                unreadable=sum(each.unreadable for each in none.values()),
                advice=advice,
            )
        )
    hint = message(
        "the validation accuracy of so few photos is only a hint. Add photos, or choose a larger --valid-fraction"
    )
    if len(few) == 1:
        label, photos = few.popitem()
        sentences.append(
            message(
                "only {count} of {label} to validate with: {hint}",
                count=plural("{count:,} photo", "{count:,} photos", photos),
                label=label,
                hint=hint,
            )
        )
    elif few:
        sentences.append(
            message(
                "fewer than {few} photos to validate with of {count} classes ({numbered}): {hint}",
                few=_FEW,
                count=len(few),
                numbered=numbered(few),
                hint=hint,
            )
        )
    return sentences
