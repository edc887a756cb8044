"""How far float32 may be from float64: the spread of the rounding errors of sums and of convolutions.

Each operation in float32 multiplies its result by 1 + δ with |δ| ≤ `UNIT`, the unit roundoff. The worst case,
all δ of one sign, is hundreds of times what happens, and would let inputs in float16 pass. So the δ count as
independent and evenly spread, with the variance UNIT² / 3, in the spirit of Higham & Mary, "A new approach to
probabilistic rounding error analysis" (SIAM J. Sci. Comput. 41, 2019), and variances add up. An error is then
above `DEVIATIONS` standard deviations with a probability of at most 2 exp(-DEVIATIONS² / 2).

These bounds are about float32 and about the algorithm, not about one processor: the order of a sum counts as
random, and a fused multiply-add only saves roundings. To get the sums of a processor with AVX2 on one that
has AVX-512, set XLA_FLAGS=--xla_cpu_max_isa=AVX2 and ONEDNN_MAX_CPU_ISA=AVX2.
"""

from typing import Any

import numpy as np

UNIT = 2.0**-24  # float32: half the distance of 1 to the next number
FLOAT16_STEP = 2.0**-10  # of two float16 numbers beside each other, relative to the smaller, at most
DEVIATIONS = 6.0  # 3e-8 for each number; a test compares 1e4

# F(4×4, 3×3) as Lavin & Gray print it, arXiv:1509.09308, section 4.1; written here apart from the code.
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
_KERNEL = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


def relative_error(found: Any, expected: Any, largest: float | None = None) -> float:
    """The largest difference over the largest value, that of `expected` unless given; of no numbers, 0."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    largest = float(np.abs(expected).max()) if largest is None else largest
    return float(np.abs(found - expected).max(initial=0) / largest)


def relative_bound(variance: np.ndarray, largest: float) -> float:
    """What `relative_error` may be at most, with the variance of each error.

    ReLU and max pooling may come in between: neither makes a difference larger.
    """
    return float(DEVIATIONS * np.sqrt(variance.max()) / largest)


def defined(x_hwc: np.ndarray, kernel_hwio: np.ndarray, bias: np.ndarray | float) -> np.ndarray:
    """The 3×3 convolution with zero padding, float64: the sum over the nine neighbours, and the bias."""
    height, width, _ = x_hwc.shape
    padded = np.pad(x_hwc.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    y_hwc = np.zeros((height, width, kernel_hwio.shape[3])) + bias
    for row in range(3):
        for column in range(3):
            window = padded[row : row + height, column : column + width]
            y_hwc += window @ kernel_hwio[row, column].astype(np.float64)
    return y_hwc


def sum_variance(terms: int | np.ndarray, squares: np.ndarray, total: np.ndarray) -> np.ndarray:
    """The variance of the error of a sum of products.

    Each product is rounded, and so is each sum of the first j terms. In a random order the mean square of the
    latter is at most j / terms times the larger of: the sum of the squares of all terms, and the square of
    their sum. All together that is (terms + 3) / 2 times this larger one.

    Args:
        terms: how many.
        squares: the sum of the squares of the terms.
        total: their sum.
    """
    return UNIT**2 / 3 * (terms + 3) / 2 * np.maximum(squares, total**2)


def direct_variance(x_hwc: np.ndarray, kernel_hwio: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The variance of each error of a convolution by the definition, a sum of 9 · channels products."""
    plain = defined(x_hwc, kernel_hwio, 0.0)
    squares = carried_variance(x_hwc.astype(np.float64) ** 2, kernel_hwio)
    return sum_variance(9 * x_hwc.shape[2], squares, plain) + UNIT**2 / 3 * (plain + bias) ** 2


def carried_variance(variance_hwc: np.ndarray, kernel_hwio: np.ndarray) -> np.ndarray:
    """What errors of a convolution's inputs become in its outputs."""
    return defined(variance_hwc, kernel_hwio.astype(np.float64) ** 2, 0.0)


def winograd_variance(x_hwc: np.ndarray, kernel_hwio: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The variance of each error of a convolution by F(4×4, 3×3).

    The analysis is that of Barabasz et al., "Error analysis and improving the accuracy of Winograd
    convolution for deep neural networks", arXiv:1803.10986, with variances in place of their norms, which are
    for the worst case. There are four sums of products: over a tile of the input (Bᵀ, up to 16 terms), over
    the kernel (G, up to 9 terms, and the sixths are rounded), over the channels, and over what comes out (Aᵀ,
    up to 25 terms). The error of each is multiplied by all that follows. That is the amplification: Bᵀ and Aᵀ
    make large numbers that cancel again. For random inputs a relative error in the middle is up to 31 times
    as large at the end.
    """
    height, width, channels = x_hwc.shape
    down, across = -(-height // 4), -(-width // 4)
    below, right = 4 * down + 1 - height, 4 * across + 1 - width
    padded = np.pad(x_hwc.astype(np.float64), ((1, below), (1, right), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (6, 6), (0, 1))[::4, ::4]
    tiles = windows.reshape(-1, channels, 36)
    taps = kernel_hwio.astype(np.float64).reshape(9, channels, -1)
    of_input, of_kernel, of_output = (np.kron(matrix, matrix) for matrix in (_INPUT, _KERNEL, _OUTPUT))

    # s: place in the spectrum, t: tile, c: channel, k: channel of the output, o: place in the output's tile
    d = np.einsum("sp,tcp->stc", of_input, tiles)
    d_variance = sum_variance(_terms(of_input), np.einsum("sp,tcp->stc", of_input**2, tiles**2), d)
    g = np.einsum("sp,pck->sck", of_kernel, taps)
    g_variance = sum_variance(_terms(of_kernel) + 2, np.einsum("sp,pck->sck", of_kernel**2, taps**2), g)
    product = d @ g
    variance = d_variance @ g**2 + d**2 @ g_variance + sum_variance(channels, d**2 @ g**2, product)
    y = np.einsum("os,stk->otk", of_output, product)
    squares = np.einsum("os,stk->otk", of_output**2, product**2)
    variance = np.einsum("os,stk->otk", of_output**2, variance) + sum_variance(_terms(of_output), squares, y)
    variance += UNIT**2 / 3 * (y + bias) ** 2
    variance = variance.reshape(4, 4, down, across, -1).transpose(2, 0, 3, 1, 4)
    return variance.reshape(4 * down, 4 * across, -1)[:height, :width]


def _terms(matrix: np.ndarray) -> np.ndarray:
    """How many terms each row's sum has, as (rows, 1, 1)."""
    return np.count_nonzero(matrix, axis=1)[:, None, None]
