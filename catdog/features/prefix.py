"""The frozen prefix as a function from uint8 photos to features, on whatever devices there are."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from catdog import devices
from catdog.config import Decoding
from catdog.data import DECODING_VERSION
from catdog.features.key import FeatureKey
from catdog.model import weights
from catdog.model.architecture import CONVOLUTIONS, Layer, describe, split_at
from catdog.model.network import Network
from catdog.model.preprocess import preprocess

_FLOAT16_MAX = float(np.finfo(np.float16).max)

# Photos a call: on a CPU what its cache holds, on an accelerator what fills it.
_BATCH = {"cpu": 16, "gpu": 256, "tpu": 256}


class Prefix:
    """The convolutions before the freeze boundary, with pretrained weights.

    Making one reads and checks the weights file; the network is built when the first photo needs it, so
    that a training whose photos are all in the cache never pays for it.

    Attributes:
        layers: the frozen layers.
        preprocessing: what the weights want done to the photos.
        digest: of the weights, hex SHA-256.

    Raises:
        WeightsError: the file is missing, damaged, or made for another architecture.
    """

    def __init__(self, weights_name: str, *, unfreeze: str, memo_dir: Path | None):
        source = weights.find_weights(weights_name)
        self.layers, self.thawed = split_convolutions(unfreeze)
        self.unfreeze = unfreeze
        self.preprocessing = source.preprocessing
        tensors = weights.read_tensors(source, CONVOLUTIONS, memo_dir=memo_dir)
        frozen = {layer.name for layer in self.layers}
        self._tensors = {name: value for name, value in tensors.items() if name.split("/")[0] in frozen}
        self.thawed_tensors = {name: value for name, value in tensors.items() if name not in self._tensors}
        self.digest = weights.digest(self._tensors)

    def key(self, decoding: Decoding) -> FeatureKey:
        """What the features of photos decoded so are kept under."""
        return FeatureKey(
            prefix_digest=self.digest,
            unfreeze=self.unfreeze,
            shape=self.output_shape(decoding.size),
            dtype="float16" if self.layers else "uint8",
            compute_dtype=devices.compute_dtype() if self.layers else "uint8",
            preprocessing=self.preprocessing if self.layers else "none",
            decoding=decoding,
            decoding_version=DECODING_VERSION,
        )

    def output_shape(self, size: int) -> tuple[int, ...]:
        """The shape (h, w, c) of one photo's features."""
        return convolved_shape(self.layers, size)

    def batch_size(self, photos: int) -> int:
        """How many photos go into one call when `photos` wait: a power of two, to compile few shapes."""
        largest = _BATCH.get(jax.default_backend(), 64)
        wanted = 1 << max(photos - 1, 0).bit_length()
        multiple = devices.batch_multiple()
        return -(-min(wanted, largest) // multiple) * multiple

    def __call__(self, pixels_bhwc: np.ndarray) -> jax.Array:
        """uint8 photos (b, h, w, 3) → features (b, *shape), float16; not waited for.

        float16 here, not only on disk: a photo has the same features whether they come from the cache or not.
        """
        if not self.layers:
            return jnp.asarray(pixels_bhwc)
        graphdef, state = self._network
        batch = devices.put_batch(self._mesh, pixels_bhwc)
        return _forward(batch, graphdef, state, self.preprocessing)

    @cached_property
    def _mesh(self) -> "jax.sharding.Mesh":
        return devices.data_mesh()

    @cached_property
    def _network(self) -> tuple[nnx.GraphDef, nnx.State]:
        network = Network(self.layers, rngs=None, dtype=jnp.dtype(devices.compute_dtype()))
        weights.load_into(network, self._tensors)
        graphdef, state = nnx.split(network)
        return graphdef, devices.replicate(self._mesh, state)


def convolved_shape(layers: Sequence[Layer], size: int) -> tuple[int, ...]:
    """What `layers` make of a photo of `size` pixels a side: (h, w, c); of no layers, the photo itself."""
    shape = (size, size, 3)
    return describe(layers, input_shape=shape)[-1].output_shape if layers else shape


def split_convolutions(unfreeze: str) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """The pretrained convolutions before the freeze boundary, and those from it on."""
    if unfreeze == "head":
        return CONVOLUTIONS, ()
    return split_at(CONVOLUTIONS, unfreeze)


@jax.jit(static_argnums=(1, 3))
def _forward(
    pixels_bhwc: jax.Array, graphdef: nnx.GraphDef, state: nnx.State, preprocessing: str
) -> jax.Array:
    network = nnx.merge(graphdef, state)
    images = preprocess(pixels_bhwc, preprocessing, network.dtype)
    features = network(images, deterministic=True)
    return jnp.clip(features, -_FLOAT16_MAX, _FLOAT16_MAX).astype(jnp.float16)


def pad_batch(arrays: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Stack the photos and repeat the last one up to `size`: one shape, so one compilation."""
    return np.stack([*arrays, *[arrays[-1]] * (size - len(arrays))])
