"""The operations on which VGG16 spends its time: 3×3 convolution and 2×2 max pooling.

Arrays are NHWC, kernels HWIO. On a CPU `catdog.model.winograd` is faster for kernels that are not trained.
"""

import jax
import jax.numpy as jnp
from jax import lax


def convolve3x3(x_bhwc: jax.Array, kernel_hwio: jax.Array, bias: jax.Array) -> jax.Array:
    """Stride 1, zero padding 1, plus bias.

    Args:
        x_bhwc: (batch, height, width, channels in); the computation has its type.
        kernel_hwio: (3, 3, channels in, channels out), of any float type.
        bias: (channels out,), of any float type.

    Returns:
        (batch, height, width, channels out), of the type of `x_bhwc`.
    """
    y_bhwc = lax.conv_general_dilated(
        x_bhwc,
        kernel_hwio.astype(x_bhwc.dtype),
        window_strides=(1, 1),
        padding=((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y_bhwc + bias.astype(x_bhwc.dtype)


def convolve3x3_as_products(x_bhwc: jax.Array, kernel_hwio: jax.Array, bias: jax.Array) -> jax.Array:
    """The same, as the sum of nine matrix products: for training on a CPU.

    XLA:CPU has no fast gradient of a convolution, least of all in a loop: for 8 photos of 14×14×512, a step
    in `lax.scan` took 9.9 s with `convolve3x3` and 0.15 s with this, on two cores with jaxlib 0.10.1. The
    forward pass is as fast up to 28×28 and slower from 56×56 on, so the frozen prefix does not use it.
    """
    height, width = x_bhwc.shape[1:3]
    padded = jnp.pad(x_bhwc, ((0, 0), (1, 1), (1, 1), (0, 0)))
    kernel = kernel_hwio.astype(x_bhwc.dtype)
    y_bhwc = bias.astype(x_bhwc.dtype)
    for row in range(3):
        for column in range(3):
            window = padded[:, row : row + height, column : column + width]
            y_bhwc = y_bhwc + window @ kernel[row, column]
    return y_bhwc


def max_pool2x2(x_bhwc: jax.Array) -> jax.Array:
    """The largest of each 2×2 window, stride 2; an odd last row or column is dropped."""
    return lax.reduce_window(
        x_bhwc,
        -jnp.inf,  # a Python number: with an array jax has no gradient
        lax.max,
        window_dimensions=(1, 2, 2, 1),
        window_strides=(1, 2, 2, 1),
        padding="VALID",
    )
