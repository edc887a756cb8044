"""The operations on which VGG16 spends its time: 3×3 convolution and 2×2 max pooling.

Arrays are NHWC, kernels HWIO. On a CPU `catdog.model.winograd` is faster.
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
