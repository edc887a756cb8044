"""Images of what units look for: gradient ascent, and the images in the package."""

from collections.abc import Mapping
from importlib import resources

import jax.numpy as jnp
import numpy as np
import pytest

from catdog.config import Decoding
from catdog.data import decode
from catdog.inference.classifier import Classifier
from catdog.insight import unit_images as shipped
from catdog.insight.anatomy import Anatomy, applied, dissect, float32
from catdog.insight.synthetic import Recipe, UnitScore, synthesize
from catdog.insight.unit_images import unit_images
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.layers import Conv
from catdog.model.preprocess import preprocess
from tests.conftest import ROOT

PHOTOS = sorted((ROOT / "sample_data" / "photos").glob("*.jpg"))[:3]
NAMES = [layer.name for layer in CONVOLUTIONS if isinstance(layer, Conv)]


@pytest.fixture(scope="module")
def tensors(classifier: Classifier) -> Mapping[str, np.ndarray]:
    return float32(classifier.pretrained())


def test_a_score_is_the_mean_before_relu(classifier: Classifier, tensors: Mapping[str, np.ndarray]) -> None:
    photo: Anatomy = dissect(classifier, PHOTOS[0])
    score = UnitScore(CONVOLUTIONS[:2], ("block1_conv1", "block1_conv2"))
    targets = np.array([[1, 3], [0, 7]])
    inputs = jnp.asarray(np.stack([photo.input] * 2))
    arrays = {name: jnp.asarray(tensors[name]) for name in tensors}
    found = np.asarray(score(arrays, inputs, jnp.asarray(targets)))
    for (layer, unit), value in zip(targets.tolist(), found, strict=True):
        name = NAMES[layer]
        windows = np.pad(photo.before(name), ((1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(windows, (3, 3), (0, 1))
        products = np.einsum("hwcyx,yxc->hw", windows, tensors[f"{name}/kernel"][..., unit], optimize=True)
        expected = products.mean() + tensors[f"{name}/bias"][unit]
        assert value == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_gradient_ascent_finds_what_a_unit_answers_to(tensors: Mapping[str, np.ndarray]) -> None:
    score = UnitScore(CONVOLUTIONS[:2], ("block1_conv2",))
    arrays = {name: jnp.asarray(tensor) for name, tensor in tensors.items() if name.startswith("block1")}

    def found(units: list[int], recipe: Recipe) -> np.ndarray:
        targets = np.array([[0, unit] for unit in units])
        made = synthesize(score, arrays, targets, size=16, steps=24, preprocessing="caffe", recipe=recipe)
        assert made.pixels.shape == (2, 16, 16, 3) and made.pixels.dtype == np.uint8
        assert (made.after > made.before + 30).all()
        return made.pixels

    pair = found([5, 9], Recipe())
    assert np.abs(pair[0].astype(int) - pair[1]).mean() > 10
    assert np.abs(pair[::-1].astype(int) - found([9, 5], Recipe())).max() <= 1  # whatever is beside it
    still = found([5, 9], Recipe(jitter=0, turn=0, zoom=0))
    assert np.abs(still.astype(int) - pair).mean() > 5


def test_the_images_in_the_package_are_what_units_answer_to(
    classifier: Classifier, tensors: Mapping[str, np.ndarray]
) -> None:
    """A unit's mean over its own image is a multiple of that over any photo."""
    images = unit_images(classifier.pretrained())
    assert list(images) == NAMES
    assert all(len(units) >= 48 for units in images.values())
    photos = np.stack([decode(path, classifier.decoding) for path in PHOTOS])
    for name in ("block1_conv2", "block2_conv2", "block3_conv3"):
        chosen = dict(list(images[name].items())[:6])
        side = {"block1": 32, "block2": 48, "block3": 64}[name[:6]]
        own = np.stack([decode(jpeg, Decoding(side)) for jpeg in chosen.values()])
        of_photos, of_own = (_means(tensors, pixels, name)[:, list(chosen)] for pixels in (photos, own))
        assert (np.diag(of_own) > 2 * of_photos.max(axis=0)).all(), name


def _means(tensors: Mapping[str, np.ndarray], pixels: np.ndarray, name: str) -> np.ndarray:
    """(photos, units): the means of a layer's maps, with ReLU."""
    x_bhwc = preprocess(jnp.asarray(pixels), "caffe")
    for layer in CONVOLUTIONS:
        x_bhwc = applied(layer, tensors, x_bhwc)
        if layer.name == name:
            break
    return np.asarray(x_bhwc.mean(axis=(1, 2)))


def test_other_weights_have_no_images_from_the_first_difference_on(classifier: Classifier) -> None:
    tensors = dict(classifier.pretrained())
    tensors["block2_conv2/bias"] = tensors["block2_conv2/bias"] + 1
    assert list(unit_images(tensors)) == NAMES[:3]


def test_the_images_are_small() -> None:
    file = resources.files("catdog") / "pretrained" / shipped.FILE
    with resources.as_file(file) as path:
        assert path.stat().st_size < 3_000_000
