"""A class is never dropped without a word: it is named, with its number of photos and the reason."""

from pathlib import Path

import pytest

from catdog.data import ClassPhotos, Photo, Skipped, few_to_validate, require_every_class, require_trainable
from catdog.errors import DataError


def photos(**counts: int) -> list[Photo]:
    return [Photo(Path(f"{c}.{i}.jpg"), c) for c, count in counts.items() for i in range(count)]


def test_what_can_be_trained():
    require_trainable(photos(cat=1, dog=1), photos(cat=2), Path("DATA"))


@pytest.mark.parametrize(
    ("train", "valid", "found"),
    [
        (photos(), photos(cat=2), "found none"),
        (photos(cat=9), photos(cat=2, dog=2), "found only 'cat' (9 photos)"),
        (photos(cat=2, dog=2), photos(), "found 0"),
        (
            photos(cat=2, dog=2),
            photos(cat=1),
            "at least two photos to validate with in DATA, found 1: add validation photos",
        ),
    ],
)
def test_what_cannot_be_trained(train: list[Photo], valid: list[Photo], found: str):
    with pytest.raises(DataError) as caught:
        require_trainable(train, valid, Path("DATA"))
    assert found in str(caught.value) and "\n" not in str(caught.value)


def test_small_classes_get_the_real_reason():
    with pytest.raises(DataError) as caught:
        require_trainable(photos(cat=1, dog=1), [], Path("DATA"), has_own_split=False)
    message = str(caught.value)
    assert "a class needs at least two different photos" in message
    assert "(photos to train on: 'cat' 1, 'dog' 1)" in message
    assert "--valid-fraction" not in message  # no other fraction helps
    with pytest.raises(DataError, match="or choose a larger --valid-fraction"):
        require_trainable(photos(cat=9, dog=1), photos(cat=1), Path("DATA"), has_own_split=False)


def test_a_class_without_a_readable_photo_is_an_error_that_names_it():
    bad = [("emu", Skipped(Path(f"emu/{i}.jpg"), "the file is empty (0 bytes)")) for i in range(3)]
    require_every_class(("cat", "dog"), photos(cat=1, dog=1), bad, Path("DATA"))
    with pytest.raises(DataError) as caught:
        require_every_class(("cat", "dog", "emu"), photos(cat=1, dog=1), bad, Path("DATA"))
    message = str(caught.value)
    assert "'emu' 3" in message
    assert "emu/0.jpg: the file is empty (0 bytes)" in message


def test_classes_without_and_with_few_validation_photos_are_all_told():
    none, few = few_to_validate(
        [
            ClassPhotos("bird", 1, 0, unreadable=2),
            ClassPhotos("cat", 90, 10),
            ClassPhotos("dog", 30, 3),
        ],
        has_own_split=False,
    )
    assert none.startswith("no photo to validate with of 1 class ('bird' 1 to train on, 2 unreadable)")
    assert few.startswith("only 3 photos of dog to validate with")
    assert few_to_validate([ClassPhotos("cat", 90, 10)], has_own_split=True) == []
    (many,) = few_to_validate([ClassPhotos(f"c{i:02}", 4, 1) for i in range(30)], has_own_split=True)
    assert "of 30 classes ('c00' 1, " in many and "'c09' 1, ...)" in many
