"""Which photo validates: decided by the photo's content alone, so the sides never mix.

A photo keeps its side when others are added or removed, when files are renamed and when the folder
moves; copies of one photo are always on the same side.
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

    Returns the indices of (training, validation) photos, ascending.

    A content's position is a number in [0, 1) drawn by hashing its digest; it validates where that
    is below `fraction`. The only exception: where all photos of a class that has at least two
    different contents would be on one side, the content of that class with the smallest position
    goes to validation (or the one with the largest to training). Classes are looked at in the order
    of their names; a content that no other class shares is preferred, so that helping one class
    does not rob another.

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
    for label in sorted(contents):
        of_class = contents[label]
        if len(of_class) < 2 or len({validates[digest] for digest in of_class}) == 2:
            continue
        movable = {digest for digest in of_class if len(owners[digest]) == 1} or of_class
        if any(validates[digest] for digest in of_class):
            validates[max(movable, key=_position)] = False
        else:
            validates[min(movable, key=_position)] = True
    train = [index for index, (_, digest) in enumerate(photos) if not validates[digest]]
    valid = [index for index, (_, digest) in enumerate(photos) if validates[digest]]
    return train, valid


def _position(digest: str) -> float:
    """A number in [0, 1), uniform over contents."""
    drawn = hashlib.sha256(_SALT + digest.encode()).digest()
    return (int.from_bytes(drawn[:8], "big") >> 11) / 2**53  # 53 bits: a float holds them exactly


def _check(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise OptionError(
            f"expected a validation share between 0 and 1, both excluded, found {fraction}: "
            "choose for example 0.2"
        )
