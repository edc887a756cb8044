"""From inputs to predictions: order, reasons, thresholds, heat maps, files from the web."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import catdog
from catdog import large
from catdog.data import decode_for_people
from catdog.errors import PhotoError
from catdog.inference.classifier import Classifier
from catdog.inference.inputs import Input
from catdog.inference.prediction import UNSURE, Prediction
from catdog.inference.stream import predictions
from catdog.text import message

PHOTOS = Path(__file__).parents[2] / "sample_data" / "photos"
CAT, DOG = PHOTOS / "Abyssinian_14.jpg", PHOTOS / "pug_139.jpg"


@pytest.fixture(scope="module")
def classifier(cache_dir: Path) -> Classifier:
    return catdog.load(cache_dir=cache_dir)._classifier


def _all(classifier: Classifier, *inputs: Input, **options: Any) -> list[Prediction]:
    return list(predictions(classifier, inputs, **options))


def test_each_input_has_a_prediction_in_order(classifier: Classifier, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    given = (
        Input(DOG, truth="cats"),
        Input(tmp_path / "*.png", name="*.png", error=message("no file matches this pattern")),
        Input(broken),
        Input(CAT, name=".//Abyssinian_14.jpg"),
        Input(DOG),
    )
    idle: list[int] = []
    found = _all(classifier, *given, idle=lambda: idle.append(1))
    assert [prediction.source for prediction in found] == list(given)
    assert [prediction.label for prediction in found] == ["dogs", None, None, "cats", "dogs"]
    assert [prediction.error for prediction in found] == [
        None,
        "no file matches this pattern",
        "not an image that Pillow can read",
        None,
        None,
    ]
    assert found[0].probabilities == found[4].probabilities
    assert found[3].path == ".//Abyssinian_14.jpg"
    assert idle


@pytest.mark.parametrize("in_memory", [0, 2**28])
def test_the_arrays_of_many_predictions_are_those_of_single_ones(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    monkeypatch.setattr(large, "_IN_MEMORY", in_memory)
    paths = [DOG, tmp_path / "missing.jpg", CAT, DOG]
    many = classifier.predict(paths)
    assert many.photos.tolist() == [0, 2, 3]
    assert [skipped.path for skipped in many.skipped] == [paths[1]]
    assert (many.logits.shape, len(many.digests), len(set(many.digests))) == ((3, 2), 3, 2)
    streamed = [found for found in classifier.stream(paths) if found.reason is None]
    for row, prediction in zip(classifier.probabilities(many.logits), streamed, strict=True):
        assert {
            label: float(row[i]) for i, label in enumerate(classifier.classes)
        } == prediction.probabilities
    nothing = classifier.predict(paths[1:2])
    assert nothing.logits.shape == classifier.probabilities(nothing.logits).shape == (0, 2)


def test_the_label_is_unsure_below_the_threshold(classifier: Classifier) -> None:
    (sure,) = _all(classifier, Input(CAT))
    assert sure.probability is not None
    for threshold, label in ((sure.probability, "cats"), (1.0, UNSURE)):
        (found,) = _all(classifier, Input(CAT), threshold=threshold)
        assert (found.label, found.probabilities) == (label, sure.probabilities)
    failed = sure.failed(message("the file does not exist"))
    assert (failed.label, failed.probability, failed.is_unsure, failed.picture) == (None, None, False, None)


def test_a_photo_that_is_gone_costs_only_its_own_heat_map(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    def heat_maps(paths: Sequence[Path], classes: Sequence[int]) -> np.ndarray:
        asked.append(list(classes))
        if DOG in paths:
            raise PhotoError("the file does not exist")
        return np.ones((len(paths), 14, 14), np.float32)

    monkeypatch.setitem(classifier.__dict__, "heat_maps", heat_maps)
    found = _all(classifier, Input(CAT), Input(DOG), Input(tmp_path / "missing.jpg"), heat_maps=True)
    assert asked == [[0, 1], [0], [1], []]
    changed = []
    for prediction, path in zip(found[:2], (CAT, DOG), strict=True):
        assert prediction.picture
        changed.append(not np.array_equal(prediction.picture(64), decode_for_people(path, side=64)))
    assert changed == [True, False]
    assert found[2].picture is None


def test_a_download_is_deleted_when_the_next_prediction_is_asked_for(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catdog.inference.web.fetch_photo", lambda address, **_: CAT.read_bytes())

    def inputs() -> Iterator[Input]:
        for number in range(2):
            address = f"http://photo.invalid/{number}.jpg?size=large"
            yield Input(Path(address), name=address, is_address=True)

    downloads: list[Path] = []
    for prediction in predictions(classifier, inputs()):
        assert not any(path.exists() for path in downloads)
        downloads.append(prediction.source.path)
        assert downloads[-1].read_bytes() == CAT.read_bytes()
        assert (prediction.label, prediction.source.file_name) == ("cats", f"{len(downloads) - 1}.jpg")
    assert len(downloads) == 2
    assert not downloads[-1].parent.exists()
