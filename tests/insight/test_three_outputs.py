"""A value, yes or no, and a category from the features of own photos."""

from dataclasses import replace

import numpy as np
import pytest

from catdog.data import Photo, decode_for_people
from catdog.features.features import Features
from catdog.inference.classifier import Classifier
from catdog.insight.patches import Cached
from catdog.insight.three_outputs import three_outputs
from catdog.model.architecture import CONVOLUTIONS
from tests.conftest import ROOT

PHOTOS = sorted((ROOT / "sample_data" / "train").rglob("*.jpg"))[::3][:40]


@pytest.fixture(scope="module")
def cached() -> Cached:
    """Maps whose first channel is the brightness, and whose second one tells the classes apart."""
    labels = [("a", "b", "c")[number % 3] for number in range(len(PHOTOS))]
    maps = np.zeros((len(PHOTOS), 2, 2, 3), np.float16)
    maps[..., 0] = np.array([decode_for_people(path, side=64).mean() for path in PHOTOS])[:, None, None] / 100
    maps[..., 1] = np.array(["abc".index(label) for label in labels])[:, None, None]
    maps[..., 2] = (np.array(labels) == "b")[:, None, None]
    photos = tuple(Photo(path, label) for path, label in zip(PHOTOS, labels, strict=True))
    return Cached(photos, Features.in_memory(maps), len(CONVOLUTIONS))


def test_each_output_learns_what_the_features_tell(cached: Cached, classifier: Classifier) -> None:
    assert cached.features
    maps = cached.features.gather(np.arange(2))[1].astype(np.float32)  # of class b
    found = three_outputs(PHOTOS[1], maps, 1, cached, classifier)
    assert found
    value, binary, category = found.outputs
    assert (value.output, binary.output, category.output) == ("value", "binary", "category")
    assert (found.fitted, found.held_out) == (32, 8)
    assert value.found == pytest.approx(found.brightness, abs=5)
    assert value.held_out < 0.3 * value.guessing  # the penalty makes the kernel smaller
    assert binary.held_out == category.held_out == 1.0
    assert binary.guessing > 0.5 > category.guessing
    assert min(binary.found, category.found) > 0.8


def test_without_labels_or_features_there_is_nothing(cached: Cached, classifier: Classifier) -> None:
    maps = np.ones((2, 2, 3), np.float32)
    strangers = replace(cached, photos=tuple(Photo(photo.path, None) for photo in cached.photos))
    for less in (Cached((), None, 0), strangers, replace(cached, layers=14)):
        assert three_outputs(PHOTOS[0], maps, 0, less, classifier) is None
