"""Which photo validates: decided by its content, so that the splits never mix.

Names, places and the order of the files do not matter, and copies of one photo are always in the same split.
Where a class has photos in both splits by their content alone, each of them stays there whatever is added
(photos under two labels aside).

A class so small that it would miss one of the splits is the exception: one photo of it is moved (see
`split_by_content`). It may move back when photos of its class are added, and another may take its place when
photos are removed. No rule avoids that: if adding photos never moved one, then each would be where it is when
it is alone in its class, that is in training, and no photo would ever validate. At the usual fraction of 0.2,
a third of all classes of 5 photos are such exceptions, a tenth of those of 10, a hundredth of those of 20.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from catdog.data.layout import Photo
from catdog.errors import OptionError

_SALT = b"catdog split 1:"  # never change it: photos would change sides between two versions


def is_validation(digest: str, *, fraction: float) -> bool:
    """Whether the content with this digest validates, when `fraction` of all contents should.

    Depends on nothing else. Raising the fraction only moves photos from training to validation.

    Raises:
        OptionError: `fraction` is not strictly between 0 and 1.
    """
    _check(fraction)
    return _position(digest) < fraction


def split_by_content(photos: Sequence[tuple[Photo, str]], *, fraction: float) -> tuple[list[int], list[int]]:
    """Split labelled photos, each given with its digest, into training and validation.

    Returns the indices of (training, validation) photos, ascending. Every class has a photo to train on, and
    each class of two different contents or more has one to validate with, unless its contents are needed to
    train other classes.

    A content's position is a number in [0, 1) drawn by hashing its digest; it validates where that
    is below `fraction`. The exceptions: the only content of a class trains. Where all contents of a larger
    class would be in one split, the one with the smallest position validates, or the one with the largest
    trains. A content that no other class shares is preferred, so that helping one class does not rob another.

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

    for label in sorted(contents):  # first a photo to train on for every class, then the rest
        if all(validates[digest] for digest in contents[label]):
            validates[max(unshared(contents[label]), key=_position)] = False
    for label in sorted(contents):
        if any(validates[digest] for digest in contents[label]):
            continue
        spare = {digest for digest in contents[label] if _can_go(digest, owners, contents, validates)}
        if spare:
            validates[min(unshared(spare), key=_position)] = True
    train = [index for index, (_, digest) in enumerate(photos) if not validates[digest]]
    valid = [index for index, (_, digest) in enumerate(photos) if validates[digest]]
    return train, valid


def _can_go(
    digest: str, owners: dict[str, set[str]], contents: dict[str, set[str]], validates: dict[str, bool]
) -> bool:
    """Whether each class of this content keeps another to train on."""
    return all(
        any(not validates[other] for other in contents[label] if other != digest) for label in owners[digest]
    )


def _position(digest: str) -> float:
    """A number in [0, 1), uniform over contents."""
    drawn = hashlib.sha256(_SALT + digest.encode()).digest()
    return (int.from_bytes(drawn[:8], "big") >> 11) / 2**53  # 53 bits: a float holds them exactly


def _check(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise OptionError(
            "expected a validation share between 0 and 1, both excluded, found {fraction}: choose for "
            "example 0.2",
            fraction=fraction,
        )
