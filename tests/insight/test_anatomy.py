"""All maps of a photo: the definition gives what the frozen prefix gives, and receptive fields are true."""

from pathlib import Path

import numpy as np
import pytest

from catdog import devices
from catdog.config import Decoding, Head, ModelSpec
from catdog.data import decode
from catdog.features.prefix import Prefix
from catdog.inference.classifier import Classifier
from catdog.insight import anatomy
from catdog.insight.anatomy import Anatomy, Maps, dissect, peaks
from catdog.insight.head import pooled_head
from catdog.model.architecture import CONVOLUTIONS, describe
from catdog.model.layers import Conv
from catdog.weights.source import find_weights
from catdog.workspace import Workspace
from tests.conftest import ROOT

PHOTO = ROOT / "sample_data" / "photos" / "pug_139.jpg"
SIZE = 96


@pytest.fixture(scope="module")
def classifier(cache_dir: Path) -> Classifier:
    """The builtin convolutions below a head of random weights, for photos of 96 pixels."""
    workspace = devices.opened(Workspace.below(cache_dir, keep=True))
    source, head = find_weights("builtin"), Head("gem")
    random = np.random.default_rng(0)
    tensors = {
        "predictions/kernel": random.normal(size=(512, 3)).astype(np.float32),
        "predictions/bias": random.normal(size=3).astype(np.float32),
        "rescale/scale": np.float32(0.04),
    }
    spec = ModelSpec(("a", "b", "c"), source.preprocessing, head, Decoding(SIZE))
    prefix = Prefix(source, head, unfreeze="head", workspace=workspace)
    return Classifier(source, prefix, tensors, spec, workspace=workspace)


@pytest.fixture(scope="module")
def dissected(classifier: Classifier) -> Anatomy:
    return dissect(classifier, PHOTO)


def test_the_last_map_is_that_of_the_frozen_prefix(dissected: Anatomy, cache_dir: Path) -> None:
    prefix = Prefix(find_weights("builtin"), Head("gem"), unfreeze="head")
    (expected,) = np.asarray(prefix(decode(PHOTO, Decoding(SIZE))[None]), np.float32)
    found = dissected.layer("block5_pool").values
    assert np.abs(found - expected).max() < 2e-3 * expected.max()


def test_each_value_is_the_sum_of_its_products(dissected: Anatomy) -> None:
    random = np.random.default_rng(1)
    for maps in dissected.layers:
        if not isinstance(maps.facts.layer, Conv):
            continue
        padded = np.pad(dissected.before(maps.name), ((1, 1), (1, 1), (0, 0))).astype(np.float64)
        kernel, bias = (dissected.tensors[f"{maps.name}/{part}"] for part in ("kernel", "bias"))
        for _ in range(20):
            y, x, unit = (int(random.integers(length)) for length in maps.values.shape)
            products = padded[y : y + 3, x : x + 3] * kernel[..., unit]
            expected = max(0.0, products.sum() + bias[unit])
            assert abs(maps.values[y, x, unit] - expected) < 1e-5 * (1 + np.abs(products).sum()), maps.name


def test_shapes_steps_and_the_effect_of_one_pixel(dissected: Anatomy) -> None:
    assert [maps.name for maps in dissected.layers] == [layer.name for layer in CONVOLUTIONS]
    for maps in dissected.layers:
        assert maps.values.shape == maps.facts.output_shape
        assert maps.step == SIZE // maps.values.shape[0]
        assert 0 < maps.moved < 1
        assert maps.seconds > 0


def test_a_receptive_field_is_what_a_value_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anatomy, "_input", lambda pixels, _: pixels.astype(np.float32))
    tensors = {}
    for layer in CONVOLUTIONS:
        if isinstance(layer, Conv):
            shape = (3, 3, layer.channels_in, layer.channels_out)
            tensors[f"{layer.name}/kernel"] = np.full(shape, 1 / (9 * layer.channels_in), np.float32)
            tensors[f"{layer.name}/bias"] = np.zeros(layer.channels_out, np.float32)
    pixel = 37, 22
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[pixel] = 255
    facts = describe(CONVOLUTIONS, input_shape=photo.shape)
    for fact, (values, seconds) in zip(facts, anatomy._passed(tensors, photo, ""), strict=True):
        maps = Maps(fact, values, seconds, 0.0)
        for y, x in np.ndindex(values.shape[:2]):
            top, left, edge = maps.field(y, x)
            sees = top <= pixel[0] < top + edge and left <= pixel[1] < left + edge
            assert (values[y, x, 0] > 0) == sees, (maps.name, y, x)


def test_peaks(classifier: Classifier, dissected: Anatomy) -> None:
    maps = dissected.layer("block2_conv2")
    fact, found = peaks(classifier, PHOTO, "block2_conv2", unit=None, count=5)
    assert fact == maps.facts
    assert [peak.unit for peak in found] == maps.strongest_units()[:5]
    assert [peak.value for peak in found] == sorted((peak.value for peak in found), reverse=True)
    for peak in found:
        assert maps.values[peak.y, peak.x, peak.unit] == peak.value == maps.values[..., peak.unit].max()
    _, places = peaks(classifier, PHOTO, "block2_conv2", unit=7, count=4)
    assert all(peak.unit == 7 and peak.value > 0 for peak in places)
    apart = [max(abs(a.y - b.y), abs(a.x - b.x)) for a in places for b in places if a is not b]
    assert min(apart) > 1


def test_the_head_as_arrays_gives_the_logits(classifier: Classifier, dissected: Anatomy) -> None:
    head = pooled_head(classifier)
    assert head
    maps = dissected.layer("block5_pool").values.astype(np.float64)
    pooled = np.cbrt(np.maximum((maps**3).mean(axis=(0, 1)), head.floor))
    logits = pooled / np.linalg.norm(pooled) / head.scale @ head.kernel + head.bias
    expected = classifier.predict([PHOTO]).logits[0]
    assert np.abs(logits - expected).max() < 1e-3 * np.abs(expected).max()


def test_layers_that_were_trained_have_their_own_weights(classifier: Classifier) -> None:
    source, head = find_weights("builtin"), Head("gem")
    random, own = np.random.default_rng(2), dict(classifier.tensors())
    tensors = {name: tensor for name, tensor in own.items() if name.startswith(("predictions", "rescale"))}
    for name in ("block5_conv1", "block5_conv2", "block5_conv3"):
        for part in ("kernel", "bias"):
            original = own[f"{name}/{part}"].astype(np.float32)
            tensors[f"{name}/{part}"] = original * random.uniform(0.5, 1.5, original.shape).astype(np.float32)
    spec = ModelSpec(("a", "b", "c"), source.preprocessing, head, Decoding(SIZE), unfreeze="block5")
    workspace = Workspace.below(Path("unused"), keep=False)
    prefix = Prefix(source, head, unfreeze="block5")
    trained = Classifier(source, prefix, tensors, spec, workspace=workspace)
    maps = dissect(trained, PHOTO).layer("block5_pool").values.astype(np.float64)
    found = np.cbrt(np.maximum((maps**3).mean(axis=(0, 1)), 1e-6))
    logits = (
        found / np.linalg.norm(found) / 0.04 @ tensors["predictions/kernel"] + tensors["predictions/bias"]
    )
    expected = trained.predict([PHOTO]).logits[0]
    assert np.abs(logits - expected).max() < 2e-3 * np.abs(expected).max()
    original = classifier.predict([PHOTO]).logits[0]
    assert np.abs(logits - original).max() > 0.05 * np.abs(expected).max()
