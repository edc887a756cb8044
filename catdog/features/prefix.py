"""The frozen prefix as a function from uint8 photos to features, on all devices."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from catdog import devices
from catdog.config import Decoding, Head
from catdog.data import DECODING_VERSION, decoder_version
from catdog.errors import WeightsError
from catdog.features.key import FeatureKey
from catdog.model import winograd
from catdog.model.architecture import CONVOLUTIONS, POOLS, describe, freeze
from catdog.model.frozen import DENSE_ROWS, Program, direct, for_cpu
from catdog.model.layers import Dense, GlobalPool, Layer, output_shape
from catdog.model.network import Network, device_float32
from catdog.model.preprocess import preprocess
from catdog.weights import source as weights
from catdog.weights.source import WeightSource
from catdog.workspace import Workspace

_FLOAT16_MAX = float(np.finfo(np.float16).max)

# Photos of one call. A CPU computes one after the other, and as many calls at a time as it has cores: several
# photos only hide the cost of a call. An accelerator needs many to be busy.
_BATCH = {"cpu": 4, "gpu": 256, "tpu": 256}


class Prefix:
    """The pretrained layers before a head, and the function of those that run once per photo.

    The weights file is read and checked at once. The network is built for the first photo: a training whose
    photos are all cached does not need it.

    Attributes:
        layers: the frozen layers that run once per photo.
        frozen: the frozen layers behind them; `frozen_tensors` are their weights.
        thawed: the layers that are trained.
        pool: the first layer of the head, if it pools the output of `layers`; then vectors can be cached.
        preprocessing: what the weights expect of the photos.
        digest: of all frozen weights, hex SHA-256.

    Args:
        head: decides which layers of the file are used.
        workspace: remembers which weights files are intact; None checks them again.

    Raises:
        WeightsError: the file is damaged, lacks layers, or is made for another architecture.
        OptionError: the pretrained layers before this head have no such stage.
    """

    def __init__(
        self, source: WeightSource, head: Head, *, unfreeze: str, workspace: Workspace | None = None
    ):
        self.layers, self.frozen, self.thawed = freeze(head, unfreeze)
        self.pool = None if self.thawed else POOLS.get(head.kind)
        self.unfreeze = unfreeze
        self.preprocessing = source.preprocessing
        if head.kind == "imagenet" and not {"fc1", "fc2"} <= source.layers:
            raise WeightsError(
                "the head imagenet needs fc1 and fc2, which the weights {name!r} lack: choose other weights, "
                "such as --weights keras or --weights timm, or another --head",
                name=source.name,
            )
        self._source, self._memo_dir = source, workspace.checked if workspace else None
        self._lock = Lock()
        self._compiled: set[tuple[int, ...]] = set()
        self._tensors, self.frozen_tensors = (
            weights.read_tensors(source, layers, memo_dir=self._memo_dir)
            for layers in (self.layers, self.frozen)
        )
        self.digest = weights.digest(self._tensors | self.frozen_tensors)
        self._key_digest = weights.digest(self._tensors) if self.frozen else self.digest

    def fixed_tensors(self) -> dict[str, np.ndarray]:
        """All frozen weights, by name. Call it before the first photo: the network then replaces them."""
        return self._tensors | self.frozen_tensors

    def key(self, decoding: Decoding, *, pooled: bool = False) -> FeatureKey:
        """The cache key of features of photos that are decoded like this; with `pooled`, behind `pool`."""
        key = FeatureKey(
            prefix_digest=self._key_digest,
            # The layers behind all convolutions do not change the output of the convolutions.
            unfreeze="head" if len(self.layers) >= len(CONVOLUTIONS) else self.unfreeze,
            shape=self.output_shape(decoding.size),
            dtype=self._dtype(decoding.size),
            arithmetic=self._arithmetic,
            preprocessing=self.preprocessing if self.layers else "none",
            decoding=decoding,
            decoding_version=DECODING_VERSION,
            decoder=decoder_version(),
        )
        if not (pooled and self.pool):
            return key
        shape = output_shape(self.pool, key.shape)
        return replace(key, pool=self.pool.name, shape=shape, dtype="float32")

    def calls(self, workers: int) -> int:
        """How many calls at a time, each in its own thread, keep the devices busy.

        A CPU computes a call on one core. An accelerator computes one call after the other, and copies photos
        and features meanwhile.
        """
        return min(workers, devices.usable_cores()) if self._on_cpu else 3

    def output_shape(self, size: int) -> tuple[int, ...]:
        """The shape of one photo's features: (h, w, c), or (units,) behind fc1 or fc2."""
        return shape_behind(self.layers, size)

    def batch_size(self, photos: int, calls: int) -> int:
        """Photos of one call, if `photos` are to be computed in `calls` calls at a time.

        On a CPU a power of two, so that few shapes are compiled; features do not depend on it. On other
        devices they might, so it is always the same.
        """
        largest = _BATCH.get(jax.default_backend(), 64)
        if self._on_cpu:
            if any(isinstance(layer, Dense) for layer in self.layers):
                largest = DENSE_ROWS
            else:
                photos = -(-photos // calls)  # work for every core
            largest = min(1 << max(photos - 1, 0).bit_length(), largest)
        multiple = self._mesh.size
        return -(-largest // multiple) * multiple

    def __call__(self, pixels_bhwc: np.ndarray) -> jax.Array:
        """uint8 photos (b, h, w, 3) → features (b, *shape), with the dtype of the key. Thread-safe.

        Features are rounded here, not on disk: they are the same whether they come from the cache or not.
        """
        if not self.layers:
            return jnp.asarray(pixels_bhwc)
        # The first thread that needs the program makes it, and compiles it for each shape.
        with self._lock:
            program, arrays = self._program
            if pixels_bhwc.shape not in self._compiled:
                self._compiled.add(pixels_bhwc.shape)
                return self._dispatch(pixels_bhwc, program, arrays)
        return self._dispatch(pixels_bhwc, program, arrays)

    def _dispatch(self, pixels_bhwc: np.ndarray, program: Program, arrays: Any) -> jax.Array:
        batch = jnp.asarray(pixels_bhwc) if self._on_cpu else devices.put_batch(self._mesh, pixels_bhwc)
        return _forward(batch, program, arrays, self.preprocessing, self._dtype(pixels_bhwc.shape[1]))

    def pooled(self, maps_bhwc: jax.Array | np.ndarray) -> jax.Array:
        """The vectors (b, channels) float32 that `pool` makes of features: of their rounded values."""
        assert self.pool
        return _pooled(maps_bhwc, self.pool)

    @property
    def _on_cpu(self) -> bool:
        return jax.default_backend() == "cpu"

    @property
    def _arithmetic(self) -> str:
        if not self.layers:
            return "none"
        return f"float32, {winograd.NAME}" if self._on_cpu else devices.compute_dtype()

    def _dtype(self, size: int) -> str:
        """Maps are cached as float16, in half the space; vectors are small, and stay float32."""
        if not self.layers:
            return "uint8"
        return "float16" if len(self.output_shape(size)) == 3 else "float32"

    @cached_property
    def _mesh(self) -> "jax.sharding.Mesh":
        return devices.local_mesh()

    @cached_property
    def thawed_tensors(self) -> dict[str, np.ndarray]:
        """The pretrained weights of the layers that are trained.

        Raises:
            WeightsError: see `Prefix`.
        """
        return weights.read_tensors(self._source, self.thawed, memo_dir=self._memo_dir)

    @cached_property
    def frozen_arrays(self) -> dict[str, jax.Array]:
        """`frozen_tensors` on the devices."""
        arrays = {name: device_float32(tensor) for name, tensor in self.frozen_tensors.items()}
        return devices.replicate(devices.data_mesh(), arrays)

    @cached_property
    def _program(self) -> tuple[Program, Any]:
        if self._on_cpu:
            program, arrays = for_cpu(self.layers, self._tensors)
        else:
            program, arrays = direct(self.layers, self._tensors, dtype=devices.compute_dtype())
            arrays = devices.replicate(self._mesh, arrays)
        self._tensors = {}  # the program has copies
        return program, arrays


def shape_behind(layers: Sequence[Layer], size: int) -> tuple[int, ...]:
    """The shape of the output of `layers` for a photo of `size` × `size` pixels."""
    shape = (size, size, 3)
    return describe(layers, input_shape=shape)[-1].output_shape if layers else shape


@jax.jit(static_argnums=(1, 3, 4))
def _forward(
    pixels_bhwc: jax.Array, program: Program, arrays: Any, preprocessing: str, dtype: str
) -> jax.Array:
    features = program(arrays, preprocess(pixels_bhwc, preprocessing, program.dtype))
    if dtype == "float16":
        # In float32: bfloat16 rounds the limit itself up, to a number that is infinite in float16.
        features = jnp.clip(features.astype(jnp.float32), -_FLOAT16_MAX, _FLOAT16_MAX)
    return features.astype(dtype)


@jax.jit(static_argnums=1)
def _pooled(maps_bhwc: jax.Array, pool: GlobalPool) -> jax.Array:
    """A program of its own: XLA would leave out the rounding before it."""
    return Network([pool], rngs=None)(maps_bhwc, deterministic=True)


def pad_batch(arrays: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Stack the photos and repeat the last one up to `size`: the same shape, so one compilation."""
    return np.stack([*arrays, *[arrays[-1]] * (size - len(arrays))])
