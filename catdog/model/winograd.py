"""Winograd's minimal filtering F(4×4, 3×3): a 3×3 convolution with a quarter of the multiplications.

A 6×6 tile of the input gives a 4×4 tile of the output. Fixed matrices transform both; between them, 36
products over channels replace the 144 of the definition. Source: Lavin & Gray, "Fast algorithms for
convolutional neural networks", arXiv:1509.09308, section 4.1 and its matrices for F(4×4, 3×3).

Everything here works on one photo, (height, width, channels), and is written for XLA on a CPU: transforms
are matrix products too (the Kronecker square of the one-dimensional transform, 36×36 and 16×36), because
XLA's code for the sums is ten times slower; and a large map is computed in strips, so that intermediate
results stay in the cache of the core. Measurements are in tests/benchmarks/README.md.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

# Part of every cache key. Change it whenever the numbers change, such as a matrix or the tile.
NAME = "Winograd F(4×4, 3×3)"

_OUT, _IN = 4, 6  # edges of an output tile and of its input tile

_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])

_ALIGNMENT = 64  # bytes

# A map of at least so many tiles is computed in strips. At 28×28, 49 tiles, a layer's kernels take 38 MB:
# reading them for each strip costs more than strips save.
_STRIPS_FROM = 64


def transform_kernel(kernel_hwio: np.ndarray) -> np.ndarray:
    """(3, 3, channels in, channels out) → (36, channels in, channels out), float32."""
    _, _, channels_in, channels_out = kernel_hwio.shape
    taps = kernel_hwio.swapaxes(0, 1).reshape(9, -1).astype(np.float32)  # columns before rows, as in _tiles
    transformed = _aligned((_IN * _IN, channels_in * channels_out))
    np.matmul(np.kron(_KERNEL, _KERNEL).astype(np.float32), taps, out=transformed)
    transformed.flags.writeable = False
    return transformed.reshape(-1, channels_in, channels_out)


def convolve(x_hwc: jax.Array, kernel: jax.Array, bias: jax.Array, *, pool: bool) -> jax.Array:
    """3×3 convolution, stride 1, zero padding 1, then ReLU, then 2×2 max pooling if `pool`.

    Args:
        x_hwc: (height, width, channels in), float32.
        kernel: of `transform_kernel`.
        bias: (channels out,).

    Returns:
        (height, width, channels out); with `pool` half the height and width, an odd row or column dropped.
    """
    height, width, _ = x_hwc.shape
    down, across = _tiles_along(height), _tiles_along(width)
    padded = _padded(x_hwc, rows=_OUT * down + 2, columns=_OUT * across + 2)
    if down * across < _STRIPS_FROM:
        y_hwc = _filtered(padded, kernel, bias, pool)
    else:

        def strip(number: jax.Array) -> jax.Array:
            return _filtered(lax.dynamic_slice_in_dim(padded, _OUT * number, _IN), kernel, bias, pool)

        y_hwc = jnp.concatenate(lax.map(strip, jnp.arange(down)))
    return _cropped(y_hwc, height, width, pool)


def convolve_twice(
    x_hwc: jax.Array,
    kernel_hwio: jax.Array,
    first_bias: jax.Array,
    kernel: jax.Array,
    second_bias: jax.Array,
    *,
    pool: bool,
) -> jax.Array:
    """Two convolutions as in `convolve`, ReLU between them, the first by the definition.

    For the first two layers of a network: a photo has three channels, too few for Winograd, and the output of
    the first layer is the largest map of all. Here it is never in memory as a whole.

    Args:
        kernel_hwio: of the first convolution, (3, 3, channels in, channels between).
        kernel: of the second, from `transform_kernel`.
    """
    height, width, _ = x_hwc.shape
    across = _tiles_along(width)
    strips = -(-_tiles_along(height) // 2)  # of two rows of tiles
    rows = 2 * _OUT + 2  # of the map between them, for one strip
    padded = jnp.pad(x_hwc, ((2, strips * 2 * _OUT + 2 - height), (1, 1), (0, 0)))

    def strip(number: jax.Array) -> jax.Array:
        start = 2 * _OUT * number
        between = lax.conv_general_dilated(
            lax.dynamic_slice_in_dim(padded, start, rows + 2)[None],
            kernel_hwio,
            window_strides=(1, 1),
            padding="VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )[0]
        row = start - 1 + jnp.arange(rows)[:, None, None]
        # Outside the photo, the second convolution's input is zero, not the first one's output for zeros.
        between = jnp.where((row >= 0) & (row < height), jax.nn.relu(between + first_bias), 0)
        between = jnp.pad(between, ((0, 0), (1, _OUT * across + 1 - width), (0, 0)))
        return _filtered(between, kernel, second_bias, pool)

    return _cropped(jnp.concatenate(lax.map(strip, jnp.arange(strips))), height, width, pool)


def _filtered(padded: jax.Array, kernel: jax.Array, bias: jax.Array, pool: bool) -> jax.Array:
    """The convolution of a padded map: (4·d + 2, 4·a + 2, c) → (4·d, 4·a, k)."""
    down, across = padded.shape[0] // _OUT, padded.shape[1] // _OUT
    channels_in, channels_out = kernel.shape[1:]
    tiles = _tiles(padded, down, across)
    spectrum = jnp.asarray(np.kron(_INPUT, _INPUT), padded.dtype) @ tiles.reshape(_IN * _IN, -1)
    spectrum = jnp.matmul(spectrum.reshape(_IN * _IN, -1, channels_in), kernel)
    y = jnp.asarray(np.kron(_OUTPUT, _OUTPUT), padded.dtype) @ spectrum.reshape(_IN * _IN, -1)
    y = y.reshape(_OUT, _OUT, down, across, channels_out)  # column and row within the tile, then which tile
    if pool:
        y = y.reshape(2, 2, 2, 2, down, across, channels_out).max(axis=(1, 3))
    side = y.shape[0]
    y = jax.nn.relu(y + bias)
    return y.transpose(2, 1, 3, 0, 4).reshape(down * side, across * side, channels_out)


def _tiles(padded: jax.Array, down: int, across: int) -> jax.Array:
    """All 6×6 tiles, each 4 from the next: (column and row within the tile, down, across, channels)."""
    rows, columns, channels = padded.shape
    squares = jnp.pad(padded, ((0, _OUT * (down + 1) - rows), (0, _OUT * (across + 1) - columns), (0, 0)))
    squares = squares.reshape(down + 1, _OUT, across + 1, _OUT, channels).transpose(3, 1, 0, 2, 4)
    # Without the barrier XLA fuses the copy with the next step, and makes it number by number.
    squares = lax.optimization_barrier(squares)
    # A tile is a square with the first two rows and columns of the squares below it and to its right.
    tall = jnp.concatenate([squares[:, :, :-1], squares[:, : _IN - _OUT, 1:]], axis=1)
    return jnp.concatenate([tall[..., :-1, :], tall[: _IN - _OUT, ..., 1:, :]], axis=0)


def _aligned(shape: tuple[int, int]) -> np.ndarray:
    """Memory for float32 numbers, aligned so that XLA uses it without a copy."""
    count = shape[0] * shape[1]
    room = np.empty(count + _ALIGNMENT // 4, np.float32)
    start = -room.ctypes.data % _ALIGNMENT // 4
    return room[start : start + count].reshape(shape)


def _tiles_along(side: int) -> int:
    return -(-side // _OUT)


def _padded(x_hwc: jax.Array, *, rows: int, columns: int) -> jax.Array:
    """Zeros around: one row above, one column to the left, the others behind."""
    height, width, _ = x_hwc.shape
    return jnp.pad(x_hwc, ((1, rows - 1 - height), (1, columns - 1 - width), (0, 0)))


def _cropped(y_hwc: jax.Array, height: int, width: int, pool: bool) -> jax.Array:
    return y_hwc[: height // 2, : width // 2] if pool else y_hwc[:height, :width]
