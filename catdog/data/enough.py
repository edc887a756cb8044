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
from catdog.text import count, numbered

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
        found = f"only {classes[0]!r} ({count(len(train), 'photo')})" if classes else "none"
        raise DataError(
            f"expected photos of at least two classes to train on in {root}, found {found}: "
            "give each class a folder of its own, such as DATA/cats and DATA/dogs"
        )
    if len(train) < 2:
        raise DataError(f"expected at least two photos to train on in {root}, found {len(train)}: add photos")
    if len(valid) >= 2:
        return
    expected = f"expected at least two photos to validate with in {root}, found {len(valid)}"
    if has_own_split:
        raise DataError(f"{expected}: add validation photos")
    raise DataError(
        f"{expected}: a class needs at least two different photos, so that one of them validates (photos to "
        f"train on: {numbered(of_class)}). Add photos"
        f"{', or choose a larger --valid-fraction' if max(of_class.values()) > 1 else ''}"
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
        f"expected photos of every class to train on in {root}, found only unreadable photos of "
        f"{count(len(missing), 'class', 'classes')} ({of_class}), the "
        f"first {first.path}: {first.reason}. Mend them, or move them out of {root}"
    )


def few_to_validate(classes: Sequence[ClassPhotos], *, has_own_split: bool) -> list[str]:
    """Sentences about classes with no validation photo, and with so few that one more or less right decides.

    Each names the classes and their numbers, the first ten of many.
    """
    none = {each.label: each for each in classes if not each.valid}
    few = {each.label: each.valid for each in classes if 0 < each.valid < _FEW}
    sentences = []
    if none:
        advice = (
            "Add validation photos"
            if has_own_split
            else "A class needs two different photos that can be read, so that one of them validates"
        )
        sentences.append(
            f"no photo to validate with of {count(len(none), 'class', 'classes')} "
            f"({numbered({label: each.train for label, each in none.items()})} to train on, "
            f"{sum(each.unreadable for each in none.values())} unreadable): validation says nothing about "
            f"them. {advice}"
        )
    hint = "what validation says is a hint. More photos, or a larger --valid-fraction, make it more"
    if len(few) == 1:
        label, photos = few.popitem()
        sentences.append(f"only {count(photos, 'photo')} of {label} to validate with: {hint}")
    elif few:
        sentences.append(
            f"fewer than {_FEW} photos to validate with of {len(few)} classes ({numbered(few)}): {hint}"
        )
    return sentences
