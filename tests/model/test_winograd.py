"""Winograd's convolution against the definition in float64: by itself, and through all of VGG16."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from catdog.config import Decoding
from catdog.data import decode
from catdog.features.prefix import Prefix
from catdog.model import frozen, weights, winograd
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.layers import Conv, MaxPool
from catdog.model.preprocess import preprocess
from tests.prefixes import builtin_prefix

PHOTOS = sorted((Path(__file__).parent.parent.parent / "sample_data" / "photos").glob("*.jpg"))

# One tile, less than a tile, an odd rest each way, a single row; whole maps and, from 64 tiles, strips.
SIDES = [(4, 4), (1, 1), (2, 3), (5, 9), (1, 40), (14, 14), (33, 34), (35, 29), (64, 16)]


def _defined(x_hwc: np.ndarray, kernel_hwio: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The sum over the nine neighbours, float64, then ReLU."""
    height, width, _ = x_hwc.shape
    padded = np.pad(x_hwc.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    y_hwc = np.zeros((height, width, kernel_hwio.shape[3])) + bias
    for row in range(3):
        for column in range(3):
            window = padded[row : row + height, column : column + width]
            y_hwc += window @ kernel_hwio[row, column].astype(np.float64)
    return np.maximum(y_hwc, 0)


def _pooled(y_hwc: np.ndarray) -> np.ndarray:
    height, width, channels = y_hwc.shape
    even = y_hwc[: height // 2 * 2, : width // 2 * 2]
    return even.reshape(height // 2, 2, width // 2, 2, channels).max(axis=(1, 3))


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("sides", SIDES)
def test_one_convolution(sides: tuple[int, int], pool: bool, random: np.random.Generator) -> None:
    x_hwc = random.standard_normal((*sides, 5), np.float32)
    kernel_hwio = random.standard_normal((3, 3, 5, 7), np.float32)
    bias = random.standard_normal(7, np.float32)
    expected = _defined(x_hwc, kernel_hwio, bias)
    kernel = jnp.asarray(winograd.transform_kernel(kernel_hwio))
    found = winograd.convolve(jnp.asarray(x_hwc), kernel, jnp.asarray(bias), pool=pool)
    np.testing.assert_allclose(found, _pooled(expected) if pool else expected, atol=1e-4)


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("sides", SIDES)
def test_two_convolutions(sides: tuple[int, int], pool: bool, random: np.random.Generator) -> None:
    x_hwc = random.standard_normal((*sides, 3), np.float32)
    first, second = (
        random.standard_normal((3, 3, 3, 6), np.float32),
        random.standard_normal((3, 3, 6, 4), np.float32),
    )
    biases = random.standard_normal(6, np.float32), random.standard_normal(4, np.float32)
    expected = _defined(_defined(x_hwc, first, biases[0]), second, biases[1])
    found = winograd.convolve_twice(
        jnp.asarray(x_hwc),
        jnp.asarray(first),
        jnp.asarray(biases[0]),
        jnp.asarray(winograd.transform_kernel(second)),
        jnp.asarray(biases[1]),
        pool=pool,
    )
    np.testing.assert_allclose(found, _pooled(expected) if pool else expected, atol=3e-4)


@pytest.mark.slow
def test_pool5_of_real_photos_is_that_of_float64() -> None:
    tensors = weights.read_tensors(weights.find_weights("builtin"), CONVOLUTIONS)
    program, arrays = frozen.for_cpu(CONVOLUTIONS, tensors)
    pixels = np.stack([decode(path, Decoding()) for path in PHOTOS])
    images = preprocess(jnp.asarray(pixels), "caffe")
    found = np.asarray(jax.jit(program)(arrays, images))
    assert found.shape == (4, 7, 7, 512)
    for image_hwc, mine in zip(np.asarray(images), found, strict=True):
        expected = image_hwc
        for layer in CONVOLUTIONS:
            if isinstance(layer, Conv):
                kernel, bias = tensors[f"{layer.name}/kernel"], tensors[f"{layer.name}/bias"]
                expected = _defined(expected, kernel, bias.astype(np.float64))
            else:
                assert isinstance(layer, MaxPool)
                expected = _pooled(expected)
        error = np.abs(mine - expected).max() / expected.max()
        print(f"relative error of pool5: {error:.1e}")
        assert error < 1e-5  # 1e-4 is what is asked for


@pytest.mark.parametrize("unfreeze", ["block2", "block4", "head"])
def test_a_photo_has_the_same_numbers_in_any_batch(unfreeze: str, random: np.random.Generator) -> None:
    prefix: Prefix = builtin_prefix(unfreeze)
    pixels = random.integers(0, 256, (4, 64, 64, 3), np.uint8)
    together = np.asarray(prefix(pixels))
    for size in (1, 2):
        for start in range(0, 4, size):
            apart = np.asarray(prefix(pixels[start : start + size]))
            np.testing.assert_array_equal(apart, together[start : start + size])


def test_programs_that_compute_the_same_are_equal() -> None:
    tensors = weights.read_tensors(weights.find_weights("builtin"), CONVOLUTIONS)
    (one, _), (other, _) = frozen.for_cpu(CONVOLUTIONS, tensors), frozen.for_cpu(CONVOLUTIONS, tensors)
    assert one == other
    assert hash(one) == hash(other)


def test_many_threads_compile_once(random: np.random.Generator, compiled: list[str]) -> None:
    # Sizes that no other test has.
    before = len(compiled)
    builtin_prefix()(random.integers(0, 256, (1, 36, 36, 3), np.uint8))
    alone = len(compiled) - before
    prefix: Prefix = builtin_prefix()
    pixels = random.integers(0, 256, (8, 1, 44, 44, 3), np.uint8)
    start = Barrier(8)

    def call(photo: np.ndarray) -> np.ndarray:
        start.wait()
        return np.asarray(prefix(photo))

    before = len(compiled)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(call, pixels))
    at_once = len(compiled) - before
    for photo, features in zip(pixels, found, strict=True):
        np.testing.assert_array_equal(features, np.asarray(prefix(photo)))
    assert len(compiled) - before == at_once
    assert 0 < at_once <= alone
