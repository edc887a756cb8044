"""The two recipes: by hand for one pixel, against Keras for whole photos."""

from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from catdog.errors import OptionError
from catdog.model.preprocess import Preprocessing, preprocess
from tests.model.rounding import UNIT, relative_error


@pytest.fixture
def photos_bhwc(random: np.random.Generator) -> np.ndarray:
    return random.integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)


def test_caffe_reverses_the_channels_and_takes_the_mean_off() -> None:
    pixel = jnp.array([[[[255, 128, 0]]]], jnp.uint8)
    expected = [0 - 103.939, 128 - 116.779, 255 - 123.68]
    np.testing.assert_allclose(preprocess(pixel, "caffe")[0, 0, 0], expected, rtol=1e-6)


def test_torch_keeps_the_channels_and_standardises() -> None:
    pixel = jnp.array([[[[255, 51, 0]]]], jnp.uint8)
    expected = [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    np.testing.assert_allclose(preprocess(pixel, "torch")[0, 0, 0], expected, rtol=1e-6)


@pytest.mark.peer
@pytest.mark.parametrize("kind", list(Preprocessing))
def test_keras_gives_the_same(kind: Preprocessing, photos_bhwc: np.ndarray, keras: ModuleType) -> None:
    preprocess_keras = keras.applications.imagenet_utils.preprocess_input
    expected = preprocess_keras(photos_bhwc.astype(np.float32), mode=kind.value)
    found = jax.jit(preprocess, static_argnums=1)(photos_bhwc, kind)
    # Three operations at most, or one with a constant that is rounded too: a few roundings of the largest.
    assert relative_error(found, expected) < 4 * UNIT


@pytest.mark.parametrize("kind", list(Preprocessing))
def test_bfloat16_rounds_once(kind: Preprocessing, photos_bhwc: np.ndarray) -> None:
    exact = preprocess(jnp.asarray(photos_bhwc), kind)
    rounded = preprocess(jnp.asarray(photos_bhwc), kind, jnp.bfloat16)
    np.testing.assert_array_equal(rounded, exact.astype(jnp.bfloat16))


def test_the_name_is_the_json_form() -> None:
    assert [Preprocessing(kind.value) for kind in Preprocessing] == list(Preprocessing)
    with pytest.raises(OptionError) as caught:
        Preprocessing("tf")
    assert str(caught.value) == "unknown preprocessing 'tf': expected one of caffe, torch"
