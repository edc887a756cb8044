"""The trainable suffix as pure functions of its parameters: used by training, evaluation and prediction.

Parameters are a flat dict, `predictions/kernel` → array, with the names of model.safetensors.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from catdog.config import Loss, Output
from catdog.errors import RunError
from catdog.model import outputs
from catdog.model.architecture import describe
from catdog.model.convolution import convolve3x3
from catdog.model.layers import Dense, Dropout, GlobalPool, Layer, Rescale, tensor_shapes
from catdog.model.network import Constant, Convolution, Network
from catdog.model.preprocess import preprocess
from catdog.model.tensors import all_differences, expected_shapes

Tensors = dict[str, jax.Array]


class Suffix:
    """The layers from the freeze boundary on.

    Its tensors are `params`, which are trained, and `constants`, which are not: the divisor of a Rescale, and
    pretrained layers that are frozen behind the boundary. The suffix holds none of them, because compiled
    programs keep it for ever.

    Attributes:
        layers: its layers.
        output: a softmax, a sigmoid or a value.
        frozen: the names of the constants that are pretrained. They are in a weights file, not in a run.
        condensed: how many of its first layers run once per photo, not once per epoch: those that are neither
            trained nor random, if they shrink the features (a global pool; flatten and fc1).
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        output: Output,
        *,
        loss: Loss | None = None,
        preprocessing: str,
        dtype: str,
        convolve: Convolution = convolve3x3,
        frozen: Iterable[str] = (),
    ):
        self.layers = tuple(layers)
        self.output: Output = output
        self.loss: Loss | None = loss
        self.frozen = frozenset(frozen)
        self.condensed = self._count_condensed()
        self._preprocessing = preprocessing
        self._dtype = jnp.dtype(dtype)
        self._convolve = convolve

    def initial(self, seed: int) -> tuple[Tensors, Tensors]:
        """Initial (params, constants) of the new layers for a seed, without the pretrained ones.

        Hidden layers start as in Keras. A last layer directly behind the features starts at zero: its loss is
        convex, so a random start would only add noise.
        """
        new = [layer for layer in self.layers if layer.stage == "head"]
        network = Network(new, rngs=nnx.Rngs(seed), dtype=self._dtype)
        _, state, constants = nnx.split(network, nnx.Param, Constant)
        params = _flat(state)
        if sum(isinstance(layer, Dense) for layer in new) == 1:
            params |= {name: jnp.zeros_like(value) for name, value in params.items()}
        return params, _flat(constants)

    def from_tensors(self, tensors: Mapping[str, np.ndarray]) -> tuple[Tensors, Tensors]:
        """(params, constants) from a run's tensors, without the frozen ones.

        Raises:
            RunError: a tensor is missing, unknown or of the wrong shape; all are listed, with both shapes.
        """
        shapes = {
            name: shape for name, shape in expected_shapes(self.layers).items() if name not in self.frozen
        }
        if problems := all_differences(shapes, tensors):
            raise RunError("the saved tensors do not fit this architecture: {problems}", problems=problems)
        constants = {f"{layer.name}/scale" for layer in self.layers if isinstance(layer, Rescale)}
        arrays = {name: jnp.asarray(tensors[name], jnp.float32) for name in shapes}
        return (
            {name: array for name, array in arrays.items() if name not in constants},
            {name: array for name, array in arrays.items() if name in constants},
        )

    def to_save(self, params: Tensors, constants: Tensors) -> Tensors:
        """The tensors that `from_tensors` takes: all that are not in a weights file."""
        return {name: value for name, value in (params | constants).items() if name not in self.frozen}

    @partial(jax.jit, static_argnums=0)
    def condense(self, constants: Tensors, features: jax.Array) -> jax.Array:
        """Apply the condensed layers to a batch of features; float32. Pooled features stay as they are."""
        if features.ndim == 2:
            return features
        network = self._network(constants, layers=self.layers[: self.condensed])
        return network(features, deterministic=True).astype(jnp.float32)

    def logits(
        self,
        params: Tensors,
        constants: Tensors,
        condensed: jax.Array,
        *,
        key: jax.Array | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> jax.Array:
        """Logits (b, k) float32 of condensed features.

        Args:
            key: a typed key for dropout, in training; None switches dropout off.
            since: start at this layer; `condensed` is its input.
            until: stop before this layer and return its input.
        """
        network = self._network(params | constants)
        if condensed.dtype == jnp.uint8:  # nothing is frozen: the features are the photos
            images = preprocess(condensed, self._preprocessing, self._dtype)
        else:
            images = condensed.astype(self._dtype)
        start = self.condensed if since is None else since
        return network(images, deterministic=key is None, key=key, start=start, stop=until)

    @partial(jax.jit, static_argnums=(0, 4))
    def compiled_logits(
        self, params: Tensors, constants: Tensors, condensed: jax.Array, until: int | None = None
    ) -> jax.Array:
        """Logits (b, k), dropout off, as a compiled program; or the input of the layer `until`; float32."""
        return self.logits(params, constants, condensed, until=until).astype(jnp.float32)

    @partial(jax.jit, static_argnums=(0, 4))
    def moments(
        self, params: Tensors, constants: Tensors, condensed: jax.Array, layer: int
    ) -> tuple[jax.Array, jax.Array]:
        """Mean and mean square, each (b,), of the input of `layers[layer]` for each photo."""
        inputs = self.logits(params, constants, condensed, until=layer).astype(jnp.float32)
        axes = tuple(range(1, inputs.ndim))
        return jnp.mean(inputs, axis=axes), jnp.mean(inputs**2, axis=axes)

    def photo_bytes(self, shape: Sequence[int]) -> int:
        """Bytes of the largest activation of one photo whose condensed features have this shape."""
        facts = describe(self.layers[self.condensed :], input_shape=tuple(shape))
        return 4 * max(prod(shape), *(prod(layer.output_shape) for layer in facts))

    def losses(self, logits_bk: jax.Array, labels_b: jax.Array) -> jax.Array:
        """See `outputs.photo_losses`."""
        return outputs.photo_losses(logits_bk, labels_b, self.output, self.loss)

    def _count_condensed(self) -> int:
        """See `condensed`."""
        count, shrinks = 0, False
        for layer in self.layers:
            trains = any(f"{layer.name}/{part}" not in self.frozen for part in tensor_shapes(layer))
            if trains or isinstance(layer, Dropout):
                break
            count += 1
            shrinks |= isinstance(layer, GlobalPool | Dense)
        return count if shrinks else 0

    def _network(self, tensors: Tensors, layers: Sequence[Layer] | None = None) -> Network:
        network = Network(
            self.layers if layers is None else layers, rngs=None, dtype=self._dtype, convolve=self._convolve
        )
        for path, variable in network.variables().items():
            variable.set_value(tensors[path])
        return network


def _flat(state: nnx.State) -> Tensors:
    return {"/".join(map(str, path)): leaf[...] for path, leaf in nnx.to_flat_state(state)}
