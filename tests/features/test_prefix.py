"""The frozen prefix as a function: how features are rounded, and what they do not depend on."""

from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from catdog.config import Head
from catdog.features.prefix import Prefix, _forward
from catdog.model.frozen import DENSE_ROWS, direct
from catdog.model.layers import Conv
from catdog.weights.source import find_weights
from tests.weights_files import Tensors


def test_what_is_too_large_for_float16_becomes_its_largest_number() -> None:
    """In bfloat16 65504 is 65536, which is infinite in float16."""
    biases = np.array([1e6, 70_000, 65_504, 59_904, 1, -1e6], np.float32)
    layers = (Conv("block1_conv1", "block1", 3, len(biases)),)
    tensors = {
        "block1_conv1/kernel": np.zeros((3, 3, 3, len(biases)), np.float32),
        "block1_conv1/bias": biases,
    }
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    for dtype in ("bfloat16", "float32"):
        program, arrays = direct(layers, tensors, dtype=dtype)
        features = _forward(jnp.asarray(pixels), program, arrays, "caffe", "float16")
        assert features.dtype == jnp.float16
        expected = np.broadcast_to(np.array([65_504, 65_504, 65_504, 59_904, 1, 0]), (1, 2, 2, 6))
        np.testing.assert_array_equal(features, expected)


@pytest.fixture
def with_fc1_and_fc2(whole_tensors: Tensors, tmp_path: Path) -> Iterator[Prefix]:
    path = tmp_path / "whole.safetensors"
    save_file(whole_tensors, path, {"preprocessing": "caffe"})
    yield Prefix(find_weights(str(path)), Head("imagenet", dropout=0), unfreeze="head")
    path.unlink()


@pytest.mark.slow
def test_a_photo_has_the_same_features_behind_fc2_alone_and_at_each_place_of_a_batch(
    with_fc1_and_fc2: Prefix,
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (DENSE_ROWS, 224, 224, 3), np.uint8)
    together = np.asarray(with_fc1_and_fc2(pixels))
    assert together.shape == (16, 4096)
    assert together.dtype == np.float32
    assert len(np.unique(together, axis=0)) == 16
    for row in (0, 7, 15):
        np.testing.assert_array_equal(with_fc1_and_fc2(pixels[row : row + 1])[0], together[row])
    np.testing.assert_array_equal(with_fc1_and_fc2(pixels[::-1]), together[::-1])
    np.testing.assert_array_equal(with_fc1_and_fc2(pixels[4:7]), together[4:7])
    np.testing.assert_array_equal(with_fc1_and_fc2(pixels[[6, 0, 15]]), together[[6, 0, 15]])
    # More than one product of fc1, the last one with rows that are made up.
    order = np.arange(5, 5 + DENSE_ROWS + 2) % DENSE_ROWS
    np.testing.assert_array_equal(with_fc1_and_fc2(pixels[order]), together[order])
