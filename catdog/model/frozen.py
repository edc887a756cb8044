"""Layers with fixed weights, from the photo on, as fast as the device allows.

On a GPU or TPU they are a `Network`. On a CPU the convolutions are Winograd's, of one photo or one group of
photos after another; calls from several threads keep several cores busy.

Each form is a program and its arrays. The program's `dtype` is that of the activations and of its input. Two
programs that compute the same are equal and hold no array: a program can be a static argument of `jax.jit`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, takewhile
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from catdog.model import winograd
from catdog.model.layers import Conv, Dense, Layer, MaxPool, tensor_shapes
from catdog.model.network import Network, device_float32
from catdog.model.tensors import load_into

# Photos of one product with fc1, which reads 411 MB each time.
DENSE_ROWS = 16


@dataclass(frozen=True)
class Direct:
    """The layers of a `Network`, its state being the arrays."""

    graphdef: nnx.GraphDef
    dtype: str = "float32"

    def __call__(self, arrays: Any, images_bhwc: jax.Array) -> jax.Array:
        """Preprocessed photos (b, h, w, 3) → activations of the last layer, dropout off."""
        return nnx.merge(self.graphdef, arrays)(images_bhwc, deterministic=True)


@dataclass(frozen=True)
class Winograd:
    """The same with Winograd's convolutions, float32, on a CPU.

    Attributes:
        layers: convolutions and pools, the first two of them convolutions.
        behind: the layers behind them.
        rows: photos that go through those together; zeros fill the last group. With another number of rows, a
            product may be summed in another order and differ in the last digits.
    """

    layers: tuple[Layer, ...]
    behind: Direct
    rows: int
    dtype: str = "float32"

    def __call__(self, arrays: Any, images_bhwc: jax.Array) -> jax.Array:
        """Preprocessed photos (b, h, w, 3) → activations of the last layer, dropout off."""
        tensors, state = arrays
        (kernel_hwio, bias, _), (kernel, second_bias, first_pool), *others = (
            (tensors[f"{layer.name}/kernel"], tensors[f"{layer.name}/bias"], isinstance(following, MaxPool))
            for layer, following in zip(self.layers, (*self.layers[1:], None), strict=True)
            if isinstance(layer, Conv)
        )
        height, width = (side // 2 if first_pool else side for side in images_bhwc.shape[1:3])
        sized = list[tuple[int, _Convolution]]()  # how many photos share products, and of what
        for convolution in others:
            sized.append((winograd.group_size(height, width), convolution))
            if convolution[2]:
                height, width = height // 2, width // 2

        def first(image_hwc: jax.Array) -> jax.Array:
            x_hwc = winograd.convolve_twice(
                image_hwc, kernel_hwio, bias, kernel, second_bias, pool=first_pool
            )
            return _convolved([convolution for size, convolution in sized if size == 1], x_hwc[None])[0]

        # One group of photos at a time: more of each step fits into the processor's caches, and the features
        # of a photo do not depend on the other photos of the batch.
        maps_bhwc = lax.map(first, images_bhwc)
        for size, group in groupby(sized, key=itemgetter(0)):
            if size > 1:
                part = [convolution for _, convolution in group]
                maps_bhwc = _in_groups(partial(_convolved, part), maps_bhwc, size)
        if self.rows == 1:
            return self.behind(state, maps_bhwc)
        return _in_groups(partial(self.behind, state), maps_bhwc, self.rows)


_Convolution = tuple[jax.Array, jax.Array, bool]  # kernel, bias, whether a pool is behind it


def _convolved(convolutions: Sequence[_Convolution], x_bhwc: jax.Array) -> jax.Array:
    for kernel, bias, pool in convolutions:
        x_bhwc = winograd.convolve(x_bhwc, kernel, bias, pool=pool)
    return x_bhwc


def _in_groups(function: Callable[[jax.Array], jax.Array], x_b: jax.Array, size: int) -> jax.Array:
    """`function` of groups of `size` photos; zeros fill the last."""
    count = len(x_b)
    padded = jnp.pad(x_b, ((0, -count % size), *[(0, 0)] * (x_b.ndim - 1)))
    y = lax.map(function, padded.reshape(-1, size, *padded.shape[1:]))
    return y.reshape(-1, *y.shape[2:])[:count]


Program = Direct | Winograd


def direct(layers: Sequence[Layer], tensors: Mapping[str, np.ndarray], *, dtype: str) -> tuple[Direct, Any]:
    """The program for any device, activations of `dtype`, and its arrays.

    Raises:
        WeightsError: the tensors are not those of the layers.
    """
    network = Network(layers, rngs=None, dtype=dtype)
    load_into(network, tensors)
    graphdef, state = nnx.split(network)
    return Direct(graphdef, dtype), state


def for_cpu(layers: Sequence[Layer], tensors: Mapping[str, np.ndarray]) -> tuple[Winograd, Any]:
    """The program for a CPU, and its arrays; 235 MB for all of VGG16's convolutions.

    Args:
        layers: from the start of VGG16's table, block1 at least.
        tensors: of these layers, from `catdog.weights.source.read_tensors`.
    """
    first = tuple(takewhile(lambda layer: isinstance(layer, Conv | MaxPool), layers))
    placed: dict[str, jax.Array] = {}
    for layer in first:
        for name in tensor_shapes(layer):
            tensor = tensors[f"{layer.name}/{name}"]
            if name == "kernel" and layer is not first[0]:
                tensor = winograd.transform_kernel(tensor)
            placed[f"{layer.name}/{name}"] = device_float32(tensor)
    rest = {name: tensor for name, tensor in tensors.items() if name not in placed}
    behind, state = direct(layers[len(first) :], rest, dtype="float32")
    rows = DENSE_ROWS if any(isinstance(layer, Dense) for layer in layers) else 1
    return Winograd(first, behind, rows), (placed, state)
