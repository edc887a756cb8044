"""Labels become numbers in work that grows with the photos, not with photos × classes."""

from pathlib import Path

from catdog.data import Photo
from catdog.evaluation.choose import Chosen
from catdog.training.photos import _of_classes


class _Label(str):
    """A class name that counts how often it is compared with another."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        _Label.compared += 1
        return super().__eq__(other)


_CLASSES = tuple(_Label(f"class {number:03}") for number in range(300))
_PHOTOS = [Photo(Path(f"{number}.jpg"), _Label(_CLASSES[-1 - number % 10])) for number in range(1000)]


def test_the_photos_of_a_training() -> None:
    _Label.compared = 0
    strangers = [(Photo(Path("x.jpg"), "no such class"), "0")]
    split = _of_classes([*((photo, str(photo.path)) for photo in _PHOTOS), *strangers], _CLASSES, "category")
    assert split.labels.tolist() == [299 - number % 10 for number in range(1000)]
    assert _Label.compared <= 3 * len(_PHOTOS)


def test_the_photos_of_an_evaluation() -> None:
    _Label.compared = 0
    labels = Chosen(tuple(_PHOTOS), {}, (), ()).targets(_CLASSES, "category")
    assert labels.tolist() == [299 - number % 10 for number in range(1000)]
    assert _Label.compared <= 3 * len(_PHOTOS)
