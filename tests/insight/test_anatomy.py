"""All maps of a photo: the definition gives what the frozen prefix gives, and receptive fields are true."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from catdog.config import Decoding, Head
from catdog.data import decode
from catdog.features.prefix import Prefix
from catdog.inference.classifier import Classifier
from catdog.insight import anatomy
from catdog.insight.anatomy import Anatomy, Maps, dissect, peaks
from catdog.insight.head import pooled_head
from catdog.model.architecture import CONVOLUTIONS, describe
from catdog.model.layers import Conv
from catdog.weights.source import find_weights
from tests.conftest import ROOT

PHOTO = ROOT / "sample_data" / "photos" / "pug_139.jpg"
SIZE = 96


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
    alone, found = peaks(classifier, PHOTO, "block2_conv2", unit=None, count=5)
    assert alone.facts == maps.facts and np.array_equal(alone.values, maps.values)
    assert [peak.unit for peak in found] == maps.strongest_units()[:5]
    assert [peak.value for peak in found] == sorted((peak.value for peak in found), reverse=True)
    for peak in found:
        assert maps.values[peak.y, peak.x, peak.unit] == peak.value == maps.values[..., peak.unit].max()
    _, places = peaks(classifier, PHOTO, "block2_conv2", unit=7, count=4)
    assert all(peak.unit == 7 and peak.value > 0 for peak in places)
    apart = [max(abs(a.y - b.y), abs(a.x - b.x)) for a in places for b in places if a is not b]
    assert min(apart) > 1


def test_maps_as_pictures(dissected: Anatomy) -> None:
    large, small = dissected.layer("block1_conv2"), dissected.layer("block5_conv3")
    picture = large.picture([7], 48)
    assert picture.shape == (48, 48, 3) and picture.max() == 255
    values = large.values[..., 7].reshape(48, 2, 48, 2).max(axis=(1, 3))
    assert np.abs(picture[..., 0] - 255 * values / values.max()).max() <= 0.5
    units = small.strongest_units()[:5]
    four = small.picture(units, 48)
    assert four.shape == (38, 38, 3)  # 6 × 6 places, each of 3 × 3 pixels, and a line between
    for unit, (y, x) in zip(units, [(0, 0), (0, 19), (19, 0), (19, 19)], strict=False):
        map_hw = small.values[..., unit]
        assert (
            np.abs(four[y + 1 : y + 18 : 3, x + 1 : x + 18 : 3, 1] - 255 * map_hw / map_hw.max()).max() <= 0.5
        )


def test_the_head_as_arrays_gives_the_logits(classifier: Classifier, dissected: Anatomy) -> None:
    head = pooled_head(classifier)
    assert head
    maps = dissected.layer("block5_pool").values.astype(np.float64)
    pooled = np.cbrt(np.maximum((maps**3).mean(axis=(0, 1)), head.floor))
    logits = pooled / np.linalg.norm(pooled) / head.scale @ head.kernel + head.bias
    expected = classifier.predict([PHOTO]).logits[0]
    assert np.abs(logits - expected).max() < 1e-3 * np.abs(expected).max()


def test_layers_that_were_trained_have_their_own_weights(classifier: Classifier, trained: Classifier) -> None:
    maps, tensors = dissect(trained, PHOTO).layer("block5_pool").values.astype(np.float64), trained.tensors()
    found = np.cbrt(np.maximum((maps**3).mean(axis=(0, 1)), 1e-6))
    logits = (
        found / np.linalg.norm(found) / 0.04 @ tensors["predictions/kernel"] + tensors["predictions/bias"]
    )
    expected = trained.predict([PHOTO]).logits[0]
    assert np.abs(logits - expected).max() < 2e-3 * np.abs(expected).max()
    original = classifier.predict([PHOTO]).logits[0]
    assert np.abs(logits - original).max() > 0.05 * np.abs(expected).max()


def test_without_a_cpu_it_computes_on_the_device_that_there_is(
    classifier: Classifier, dissected: Anatomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices_of = jax.local_devices

    def only_the_default(**asked: str) -> list[Any]:
        if asked:
            raise RuntimeError("Unknown backend cpu")
        return devices_of()

    monkeypatch.setattr(jax, "local_devices", only_the_default)
    _, found = peaks(classifier, PHOTO, "block2_conv2", unit=7, count=4)
    assert found == dissected.layer("block2_conv2").peaks(7, 4)
