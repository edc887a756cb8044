"""Which photos validate: decided by their content, so that the splits never mix.

Names, places and the order of the files do not matter, and exact duplicates are always in the same split. If
a class has photos in both splits by their content alone, all of them stay where they are when photos are
added (except photos with conflicting labels).

A small class may have no photo in one of the splits; then one photo of the class is moved (see
`split_by_content`). It may move back when photos are added, and another may move when photos are removed. No
rule avoids that: if adding photos never moved a photo, then every photo would be where it is when it is alone
in its class, that is in training. At the usual fraction of 0.2, a third of all classes of 5 photos need this,
a tenth of those of 10, a hundredth of those of 20.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from catdog.data.labels import Photo
from catdog.errors import OptionError

_SALT = b"catdog split 1:"  # never change it: photos would change splits between two versions


def is_validation(digest: str, *, fraction: float) -> bool:
    """Whether the content with this digest validates, if `fraction` of all contents should.

    A larger fraction only moves photos from training to validation.

    Raises:
        OptionError: `fraction` is not strictly between 0 and 1.
    """
    _check(fraction)
    return _position(digest) < fraction


def split_by_content(photos: Sequence[tuple[Photo, str]], *, fraction: float) -> tuple[list[int], list[int]]:
    """Split labelled photos, each given with its digest, into training and validation.

    Returns the indices of (training, validation) photos, ascending. Every class has a training photo, and
    each class of two different contents or more has a validation photo, unless other classes need its
    contents for training.

    A content's position is a number in [0, 1), a hash of its digest; it validates if that is below
    `fraction`. The exceptions: the only content of a class trains. If all contents of a larger class would be
    in one split, the content with the smallest position validates, or the one with the largest trains. A
    content that no other class shares is preferred, so that other classes keep theirs.

    Raises:
        OptionError: `fraction` is not strictly between 0 and 1.
    """
    _check(fraction)
    contents: dict[str, set[str]] = defaultdict(set)  # of each class
    owners: dict[str, set[str]] = defaultdict(set)  # of each content
    for photo, digest in photos:
        if photo.label is not None:
            contents[photo.label].add(digest)
            owners[digest].add(photo.label)
    validates = {digest: _position(digest) < fraction for _, digest in photos}

    def unshared(digests: set[str]) -> set[str]:
        return {digest for digest in digests if len(owners[digest]) == 1} or digests

    def can_go(digest: str) -> bool:
        """Whether every class with this content has another content for training."""
        others = ((other for other in contents[label] if other != digest) for label in owners[digest])
        return all(any(not validates[other] for other in each) for each in others)

    for label in sorted(contents):  # first a training photo for every class, then a validation photo
        if all(validates[digest] for digest in contents[label]):
            validates[max(unshared(contents[label]), key=_position)] = False
    for label in sorted(contents):
        if not any(validates[digest] for digest in contents[label]):
            if spare := set(filter(can_go, contents[label])):
                validates[min(unshared(spare), key=_position)] = True
    train = [index for index, (_, digest) in enumerate(photos) if not validates[digest]]
    valid = [index for index, (_, digest) in enumerate(photos) if validates[digest]]
    return train, valid


def folds_by_content(labels: Sequence[int], digests: Sequence[str], *, count: int) -> list[int]:
    """The fold of each photo, from 0 to `count` - 1, for cross-validation.

    Exact duplicates are in the same fold. Each class is dealt to the folds in turn, in an order that its
    contents decide, so all folds have about the same number of its photos.
    """
    fold_of: dict[str, int] = {}
    dealt = 0
    for _, digest in sorted(
        set(zip(labels, digests, strict=True)), key=lambda photo: (photo[0], _position(photo[1]))
    ):
        if digest not in fold_of:
            fold_of[digest] = dealt % count
            dealt += 1
    return [fold_of[digest] for digest in digests]


def _position(digest: str) -> float:
    """A number in [0, 1), uniform over contents."""
    drawn = hashlib.sha256(_SALT + digest.encode()).digest()
    return (int.from_bytes(drawn[:8], "big") >> 11) / 2**53  # 53 bits: a float holds them exactly


def _check(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise OptionError(
            "expected a validation fraction above 0 and below 1, found {fraction}. Choose for example 0.2",
            fraction=fraction,
        )
