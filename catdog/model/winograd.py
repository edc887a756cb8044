"""Winograd's minimal filtering F(4×4, 3×3): a 3×3 convolution with a quarter of the multiplications.

A 6×6 tile of the input gives a 4×4 tile of the output. Fixed matrices transform both; between them, 36
products over channels replace the 144 of the definition. Source: Lavin & Gray, "Fast algorithms for
convolutional neural networks", arXiv:1509.09308, section 4.1 and its matrices for F(4×4, 3×3).

Everything here is written for XLA on a CPU: transforms are matrix products too (the Kronecker square of the
one-dimensional transform, 36×36 and 16×36), because XLA's code for the sums is ten times slower. The work of
frozen layers is cut into parts whose intermediate results stay in the cache of the core: large maps into
strips, small maps into groups of photos. Layers that are trained work on a batch. Measurements are in
tests/benchmarks/README.md.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

# Part of every cache key. Change it whenever the numbers change, such as a matrix or the tile.
NAME = "Winograd F(4×4, 3×3), 196 tiles"

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
_PART_BYTES = 64 * 2**20  # of the tiles of photos that are computed together, in training

# Tiles of one product: fewer make a slow product, more do not fit into the caches. A map of more tiles is
# computed in strips, maps of fewer in groups of photos. How many tiles share a product changes the last
# digits of the features, so a group always has the same size.
_TILES = 196
_LARGEST_GROUP = 4


def transform_kernel(kernel_hwio: np.ndarray) -> np.ndarray:
    """(3, 3, channels in, channels out) → (36, channels in, channels out), float32."""
    _, _, channels_in, channels_out = kernel_hwio.shape
    taps = kernel_hwio.swapaxes(0, 1).reshape(9, -1).astype(np.float32)  # columns before rows, as in _tiles
    transformed = _aligned((_IN * _IN, channels_in * channels_out))
    np.matmul(np.kron(_KERNEL, _KERNEL).astype(np.float32), taps, out=transformed)
    transformed.flags.writeable = False
    return transformed.reshape(-1, channels_in, channels_out)


def group_size(height: int, width: int) -> int:
    """How many photos share the products of maps of that size: 1, 2 or 4."""
    tiles = _tiles_along(height) * _tiles_along(width)
    return min(1 << max(-(-_TILES // tiles) - 1, 0).bit_length(), _LARGEST_GROUP)


def convolve(x_bhwc: jax.Array, kernel: jax.Array, bias: jax.Array, *, pool: bool) -> jax.Array:
    """3×3 convolution, stride 1, zero padding 1, then ReLU, then 2×2 max pooling if `pool`.

    Args:
        x_bhwc: (photos, height, width, channels in), float32: a group, see `group_size`.
        kernel: of `transform_kernel`.
        bias: (channels out,).

    Returns:
        (photos, height, width, channels out); with `pool` half the height and width, an odd row or column
        dropped.
    """
    photos, height, width, _ = x_bhwc.shape
    down, across = _tiles_along(height), _tiles_along(width)
    rows = min(-(-_TILES // across), down)  # of tiles in a strip
    strips = -(-down // rows)
    padded = _padded(x_bhwc, rows=_OUT * rows * strips + 2, columns=_OUT * across + 2)
    if strips == 1:
        y_bhwc = _filtered(padded, kernel, bias, pool)
    else:

        def strip(number: jax.Array) -> jax.Array:
            part = lax.dynamic_slice_in_dim(padded, _OUT * rows * number, _OUT * rows + 2, axis=1)
            return _filtered(part, kernel, bias, pool)

        y = lax.map(strip, jnp.arange(strips)).swapaxes(0, 1)
        y_bhwc = y.reshape(photos, -1, *y.shape[3:])
    return _cropped(y_bhwc, height, width, pool)


def convolve_twice(
    x_hwc: jax.Array,
    kernel_hwio: jax.Array,
    first_bias: jax.Array,
    kernel: jax.Array,
    second_bias: jax.Array,
    *,
    pool: bool,
) -> jax.Array:
    """Two convolutions of one photo, ReLU between them, the first by the definition.

    For the first two layers of a network: a photo has three channels, too few for Winograd, and the output of
    the first layer is the largest map of all. Here it is never in memory as a whole.

    Args:
        x_hwc: (height, width, channels in), float32.
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
        return _filtered(between[None], kernel, second_bias, pool)[0]

    y_hwc = jnp.concatenate(lax.map(strip, jnp.arange(strips)))
    return _cropped(y_hwc[None], height, width, pool)[0]


def convolve_batch(x_bhwc: jax.Array, kernel_hwio: jax.Array, bias: jax.Array) -> jax.Array:
    """3×3 convolution, stride 1, zero padding 1, for layers that are trained: fast forward and backward.

    The gradient is JAX's own: the same products, transposed. XLA:CPU has no fast gradient of its convolution,
    least of all in a loop. A large batch is computed in parts, and its tiles are made again for the gradient,
    so that they take at most 64 MB.

    Args:
        x_bhwc: (batch, height, width, channels in), float32.
        kernel_hwio: (3, 3, channels in, channels out).
        bias: (channels out,).

    Returns:
        (batch, height, width, channels out).
    """
    batch, height, width, channels_in = x_bhwc.shape
    down, across = _tiles_along(height), _tiles_along(width)
    channels_out = kernel_hwio.shape[-1]
    taps = kernel_hwio.swapaxes(0, 1).reshape(9, -1)
    kernel = (jnp.asarray(np.kron(_KERNEL, _KERNEL), x_bhwc.dtype) @ taps).reshape(
        -1, channels_in, channels_out
    )

    def convolve_part(part_bhwc: jax.Array) -> jax.Array:
        padded = _padded(part_bhwc, rows=_OUT * down + 2, columns=_OUT * across + 2)
        y = _products(_batch_tiles(padded, down, across), kernel)
        y = y.reshape(_OUT, _OUT, len(part_bhwc), down, across, channels_out)
        y = y.transpose(2, 3, 1, 4, 0, 5).reshape(-1, _OUT * down, _OUT * across, channels_out)
        return y[:, :height, :width] + bias

    photo_bytes = 4 * _IN**2 * down * across * max(channels_in, channels_out)
    parts = -(-batch // max(_PART_BYTES // photo_bytes, 1))
    if parts == 1:
        return jax.checkpoint(convolve_part)(x_bhwc)
    # Each part takes every n-th photo: if devices share the batch, each works on its own photos.
    x_bhwc = jnp.pad(x_bhwc, ((0, -batch % parts), (0, 0), (0, 0), (0, 0)))
    split = x_bhwc.reshape(-1, parts, height, width, channels_in).swapaxes(0, 1)
    y = lax.map(jax.checkpoint(convolve_part), split)
    return y.swapaxes(0, 1).reshape(-1, height, width, channels_out)[:batch]


def _products(tiles: jax.Array, kernel: jax.Array) -> jax.Array:
    """Tiles (6, 6, ..., channels in) → (16, number of tiles · channels out)."""
    spectrum = jnp.asarray(np.kron(_INPUT, _INPUT), tiles.dtype) @ tiles.reshape(_IN * _IN, -1)
    spectrum = jnp.matmul(spectrum.reshape(_IN * _IN, -1, kernel.shape[1]), kernel)
    return jnp.asarray(np.kron(_OUTPUT, _OUTPUT), tiles.dtype) @ spectrum.reshape(_IN * _IN, -1)


def _filtered(padded_bhwc: jax.Array, kernel: jax.Array, bias: jax.Array, pool: bool) -> jax.Array:
    """The convolution of padded maps: (b, 4·d + 2, 4·a + 2, c) → (b, 4·d, 4·a, k)."""
    photos, down, across = len(padded_bhwc), padded_bhwc.shape[1] // _OUT, padded_bhwc.shape[2] // _OUT
    channels_out = kernel.shape[-1]
    y = _products(_batch_tiles(padded_bhwc, down, across), kernel)
    y = y.reshape(_OUT, _OUT, photos, down, across, channels_out)  # column and row within the tile first
    if pool:
        y = y.reshape(2, 2, 2, 2, photos, down, across, channels_out).max(axis=(1, 3))
    side = y.shape[0]
    y = jax.nn.relu(y + bias)
    return y.transpose(2, 3, 1, 4, 0, 5).reshape(photos, down * side, across * side, channels_out)


def _batch_tiles(padded_bhwc: jax.Array, down: int, across: int) -> jax.Array:
    """`_tiles` of several maps: (column and row within the tile, map, down, across, channels)."""
    return jax.vmap(lambda padded: _tiles(padded, down, across), out_axes=2)(padded_bhwc)


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


def _padded(x_bhwc: jax.Array, *, rows: int, columns: int) -> jax.Array:
    """Zeros around: one row above, one column to the left, the others behind."""
    height, width = x_bhwc.shape[1:3]
    return jnp.pad(x_bhwc, ((0, 0), (1, rows - 1 - height), (1, columns - 1 - width), (0, 0)))


def _cropped(y_bhwc: jax.Array, height: int, width: int, pool: bool) -> jax.Array:
    return y_bhwc[:, : height // 2, : width // 2] if pool else y_bhwc[:, :height, :width]
