"""Convolution and pooling against the definition, written as loops over positions in float64."""

import jax.numpy as jnp
import numpy as np
import pytest

from catdog.model.convolution import convolve3x3, max_pool2x2
from tests.model.rounding import direct_variance, relative_bound, relative_error


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 5, 4, 3), (1, 7, 2, 8)])
def test_a_convolution_is_the_sum_over_its_neighbours(
    shape: tuple[int, ...], random: np.random.Generator
) -> None:
    x_bhwc = random.standard_normal(shape, np.float32)
    kernel_hwio = random.standard_normal((3, 3, shape[-1], 5), np.float32)
    bias = random.standard_normal(5, np.float32)

    batch, height, width, _ = shape
    padded = np.pad(x_bhwc.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((batch, height, width, 5)) + bias
    for row in range(height):
        for column in range(width):
            window = padded[:, row : row + 3, column : column + 3]
            expected[:, row, column] += np.einsum("bhwi,hwio->bo", window, kernel_hwio)

    found = convolve3x3(jnp.asarray(x_bhwc), jnp.asarray(kernel_hwio), jnp.asarray(bias))
    largest = np.abs(expected).max()
    variances = [direct_variance(photo, kernel_hwio, bias) for photo in x_bhwc]
    assert relative_error(found, expected) < relative_bound(np.stack(variances), largest)


def test_the_type_of_the_input_is_the_type_that_is_computed_in() -> None:
    x_bhwc = jnp.ones((1, 2, 2, 3), jnp.bfloat16)
    y_bhwc = convolve3x3(x_bhwc, jnp.ones((3, 3, 3, 4)), jnp.ones(4))
    assert y_bhwc.dtype == jnp.bfloat16
    np.testing.assert_array_equal(y_bhwc, jnp.full((1, 2, 2, 4), 13))  # 4 pixels × 3 channels + 1


def test_a_pool_takes_the_largest_and_drops_the_odd_rest() -> None:
    x_bhwc = jnp.arange(15.0).reshape(1, 3, 5, 1) - 100  # negative: padding would show as a zero
    expected = np.array([[-94.0, -92.0]]).reshape(1, 1, 2, 1)
    np.testing.assert_array_equal(max_pool2x2(x_bhwc), expected)
