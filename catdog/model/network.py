"""A network made from any contiguous slice of a table of layers, in Flax NNX.

`Network(table[:k])` followed by `Network(table[k:])` is `Network(table)`: a frozen prefix and a trainable
suffix (on a CPU, `catdog.model.frozen` computes the prefix faster). There is no softmax: the last layer gives
logits.

For `jax.jit`, split the network into its structure and its arrays, and merge them inside:

    graphdef, state = nnx.split(network)
    logits_bc = nnx.merge(graphdef, state)(x, deterministic=False, key=key)

The state holds `nnx.Param` (trained) and `Constant` (not trained), and no random numbers: dropout takes its
key with each call.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import ArrayLike, DTypeLike

from catdog.model.convolution import convolve3x3, max_pool2x2
from catdog.model.layers import (
    GEM_FLOOR,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    GlobalConcatPool,
    GlobalGemPool,
    Layer,
    MaxPool,
    Rescale,
    Shape,
    tensor_shapes,
)

Convolution = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


class Constant(nnx.Variable):
    """A number that is saved with the network, but not trained."""


class Weights(nnx.Module):
    """The kernel and bias of a convolution or a dense layer, float32, initialized as in Keras."""

    def __init__(self, shapes: Mapping[str, Shape], rngs: nnx.Rngs | None):
        if rngs is None:
            kernel, bias = (jax.ShapeDtypeStruct(shapes[part], jnp.float32) for part in ("kernel", "bias"))
        else:
            glorot = nnx.initializers.glorot_uniform()
            kernel = glorot(rngs.params(), shapes["kernel"], jnp.float32)
            bias = jnp.zeros(shapes["bias"], jnp.float32)
        self.kernel = nnx.Param(kernel)
        self.bias = nnx.Param(bias)


class Scale(nnx.Module):
    """The divisor of a Rescale layer; 1 until it is fitted."""

    def __init__(self) -> None:
        self.scale = Constant(jnp.ones((), jnp.float32))


class Network(nnx.Module):
    """The layers of a table, one after the other.

    Paths in the state are those of the weights files: `block1_conv1/kernel`, `predictions/bias`.

    Args:
        layers: any contiguous slice of a table; no name twice.
        rngs: draws the initial kernels, which takes seconds. None leaves kernels and biases without values,
            for `load_into` to set.
        dtype: of the activations, float32 or bfloat16. Parameters, and the last product and its logits, are
            float32 in any case.
        convolve: computes a convolution; see `catdog.model.convolution`.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        rngs: nnx.Rngs | None,
        dtype: DTypeLike = jnp.float32,
        convolve: Convolution = convolve3x3,
    ):
        self.convolve = convolve
        self.layers = tuple(layers)
        self.dtype = jnp.dtype(dtype)
        for layer in self.layers:
            if hasattr(self, layer.name):
                raise ValueError(f"two layers cannot both be called {layer.name!r}")
            match layer:
                case Conv() | Dense():
                    setattr(self, layer.name, Weights(tensor_shapes(layer), rngs))
                case Rescale():
                    setattr(self, layer.name, Scale())
                case _:
                    setattr(self, layer.name, None)

    def __call__(
        self,
        x: jax.Array,
        *,
        deterministic: bool,
        key: jax.Array | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> jax.Array:
        """Apply `layers[start:stop]`.

        Args:
            x: the input of the layer `start`, with a batch axis: preprocessed photos
                (batch, height, width, 3), or features.
            deterministic: dropout does nothing. Otherwise it needs a key.
            key: a typed key (`jax.random.key`). Each dropout layer derives its own from it by its name, so
                the units that are dropped do not depend on the freeze boundary.

        Returns:
            Logits (batch, classes) in float32 where the slice ends with the network, else the activations of
            the layer `stop` - 1 in the network's dtype.
        """
        x = x.astype(self.dtype)
        for layer in self.layers[start:stop]:
            x = self._apply(layer, x, None if deterministic else key, deterministic)
        return x

    def _apply(self, layer: Layer, x: jax.Array, key: jax.Array | None, deterministic: bool) -> jax.Array:
        stored = getattr(self, layer.name)
        match layer:
            case Conv():
                return nnx.relu(self.convolve(x, stored.kernel[...], stored.bias[...]))
            case MaxPool():
                return max_pool2x2(x)
            case GlobalAveragePool():
                return jnp.mean(x, axis=(1, 2))
            case GlobalConcatPool():
                return jnp.concatenate([jnp.mean(x, axis=(1, 2)), jnp.max(x, axis=(1, 2))], axis=1)
            case GlobalGemPool():
                # The floor keeps the gradient finite in a channel that is zero everywhere.
                mean = jnp.mean(x.astype(jnp.float32) ** 3, axis=(1, 2))
                pooled = jnp.cbrt(jnp.maximum(mean, GEM_FLOOR))
                return (pooled / jnp.linalg.norm(pooled, axis=1, keepdims=True)).astype(x.dtype)
            case Flatten():
                return x.reshape(x.shape[0], -1)
            case Rescale():
                return (x.astype(jnp.float32) / stored.scale[...]).astype(x.dtype)
            case Dense(activation="relu"):
                kernel, bias = stored.kernel[...], stored.bias[...]
                return nnx.relu(x @ kernel.astype(x.dtype) + bias.astype(x.dtype))
            case Dense():
                # A loss is sensitive to its logits, and the product is small: full float32, where a GPU would
                # otherwise round the factors to TF32.
                x = x.astype(jnp.float32)
                highest = jax.lax.Precision.HIGHEST
                return jnp.matmul(x, stored.kernel[...], precision=highest) + stored.bias[...]
            case Dropout():
                if deterministic:
                    return x
                if key is None:
                    raise ValueError(f"{layer.name} needs a key, or deterministic=True")
                return _dropout(x, layer, key)
            case _:
                assert_never(layer)

    def variables(self) -> dict[str, nnx.Variable]:
        """The stored tensors by path: `{"block1_conv1/kernel": …}`."""
        return {
            f"{layer.name}/{part}": getattr(getattr(self, layer.name), part)
            for layer in self.layers
            for part in tensor_shapes(layer)
        }

    def assign(self, tensors: Mapping[str, ArrayLike]) -> None:
        """Set all stored tensors, as float32, without checks; see `load_into`."""
        for path, variable in self.variables().items():
            variable.set_value(device_float32(tensors[path]))


def device_float32(tensor: ArrayLike) -> jax.Array:
    """The tensor on the default device, float32; a CPU shares the memory of an aligned, read-only array."""
    host = np.asarray(tensor)
    # The memory stays shared, so a writable array is copied. NumPy converts, since jax would compile a
    # conversion for each shape. (`jnp.asarray` always copies.)
    return jax.device_put(host.astype(np.float32, copy=host.flags.writeable))


def _dropout(x: jax.Array, layer: Dropout, key: jax.Array) -> jax.Array:
    """Inverted dropout: the expectation of the result is `x`."""
    keep = 1 - layer.rate
    key = jax.random.fold_in(key, zlib.crc32(layer.name.encode()))
    return jnp.where(jax.random.bernoulli(key, keep, x.shape), x / keep, jnp.zeros_like(x))
