"""A class is never dropped without a sentence with its name, its number of photos and the reason."""

from pathlib import Path

import pytest

from catdog.data import (
    ClassPhotos,
    Photo,
    Skipped,
    class_imbalance,
    few_to_validate,
    require_every_class,
    require_trainable,
)
from catdog.errors import DataError
from catdog.text import message


def photos(**counts: int) -> list[Photo]:
    return [Photo(Path(f"{c}.{i}.jpg"), c) for c, count in counts.items() for i in range(count)]


def test_what_can_be_trained():
    require_trainable(photos(cat=1, dog=1), photos(cat=2), Path("DATA"))


@pytest.mark.parametrize(
    ("train", "valid", "found"),
    [
        (photos(), photos(cat=2), "found none"),
        (photos(cat=9), photos(cat=2, dog=2), "found only 'cat' 9"),
        (photos(cat=2, dog=2), photos(), "found 0"),
        (
            photos(cat=2, dog=2),
            photos(cat=1),
            "at least two validation photos in DATA, found 1. Add validation photos",
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
    error = str(caught.value)
    assert "A class needs at least two different photos" in error
    assert "(training photos: 'cat' 1, 'dog' 1)" in error
    assert "--valid-fraction" not in error  # no other fraction helps
    with pytest.raises(DataError, match="or choose a larger --valid-fraction"):
        require_trainable(photos(cat=9, dog=1), photos(cat=1), Path("DATA"), has_own_split=False)


def test_a_class_without_a_readable_photo_is_an_error_that_names_it():
    empty = message("the file is empty (0 bytes)")
    bad = [("emu", Skipped(Path(f"emu/{i}.jpg"), empty)) for i in range(3)]
    require_every_class(("cat", "dog"), photos(cat=1, dog=1), bad, Path("DATA"))
    with pytest.raises(DataError) as caught:
        require_every_class(("cat", "dog", "emu"), photos(cat=1, dog=1), bad, Path("DATA"))
    assert "only unreadable photos of 1 of the classes ('emu' 3)" in str(caught.value)
    assert "emu/0.jpg: the file is empty (0 bytes)" in str(caught.value)


def test_classes_without_and_with_few_validation_photos_are_all_reported():
    none, few = few_to_validate(
        [ClassPhotos("bird", 1, 0, unreadable=2), ClassPhotos("cat", 90, 10), ClassPhotos("dog", 30, 3)],
        has_own_split=False,
    )
    assert "without validation photos: 1 (training photos: 'bird' 1; unreadable: 2)" in str(none)
    assert str(none).endswith("A class needs at least two different readable photos, one for validation")
    assert "fewer than 5 validation photos: 1 ('dog' 3)" in str(few)
    (none,) = few_to_validate([ClassPhotos("bird", 1, 0)], has_own_split=True)
    assert str(none).endswith("Add validation photos")
    assert few_to_validate([ClassPhotos("cat", 90, 10)], has_own_split=True) == []
    (many,) = few_to_validate([ClassPhotos(f"c{i:02}", 4, 1) for i in range(30)], has_own_split=True)
    assert "validation photos: 30 ('c00' 1, " in str(many) and "'c09' 1, ...)" in str(many)


def test_class_imbalance_is_reported_from_three_times_on():
    assert class_imbalance({}) is class_imbalance({"cat": 30, "dog": 10, "emu": 0}) is None
    assert str(class_imbalance({"cat": 3100, "dog": 1000})).startswith(
        "class imbalance: 3,100 photos of cat, 1,000 of dog. "
    )
