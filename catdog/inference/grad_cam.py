"""Grad-CAM: where on a photo a model finds a class.

Source: R. R. Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization, ICCV 2017; as there, for VGG16's last convolution, block5_conv3.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from catdog.config import ModelSpec
from catdog.errors import PhotoError
from catdog.features.extract import extract
from catdog.features.forward import make_suffix
from catdog.features.prefix import Prefix, pad_batch
from catdog.hosts import ALONE
from catdog.model.architecture import ALL, CONVOLUTIONS, body
from catdog.model.suffix import Suffix, Tensors
from catdog.weights.source import WeightSource
from catdog.workspace import Workspace

_STAGE = "block5"  # the freeze boundary is moved to here, unless it comes earlier already
_POOL = "block5_pool"  # the heat map is made from the input of this layer
_BATCH = 8  # photos; each takes some megabytes of activations

Arrays = Mapping[str, np.ndarray]


class HeatMaps:
    """Computes heat maps of one model.

    Args:
        tensors: the model's tensors beside the weights of `source`.
        unfreeze: the model's own freeze boundary.
    """

    def __init__(
        self, source: WeightSource, spec: ModelSpec, tensors: Arrays, *, unfreeze: str, workspace: Workspace
    ):
        earlier = {layer.stage for layer in body(spec.head)[: len(CONVOLUTIONS)]} | {ALL}
        unfreeze = unfreeze if unfreeze in earlier else _STAGE
        self._prefix = Prefix(source, spec.head, unfreeze=unfreeze, workspace=workspace)
        self._suffix = make_suffix(self._prefix, spec.head, len(spec.classes), size=spec.decoding.size)
        self._params, self._constants = self._suffix.from_tensors(self._prefix.thawed_tensors | dict(tensors))
        self._pool = [layer.name for layer in self._suffix.layers].index(_POOL)
        self._decoding, self._workspace = spec.decoding, workspace

    def __call__(
        self, paths: Sequence[Path], classes: Sequence[int], *, digests: dict[Path, str] | None = None
    ) -> np.ndarray:
        """Where on each photo its class is found. Of several processes, the one that asks computes it alone.

        Args:
            classes: indices, one for each photo.
            digests: content digests, by path, where they are known already.

        Returns:
            (n, h, w) float32, 14 × 14 for photos of 224 pixels; 0…1, the largest value of each photo is 1.
            All 0 where nothing on the photo supports the class.

        Raises:
            PhotoError: a photo cannot be read.
        """
        if not paths:
            return np.empty((0, 1, 1), np.float32)
        found = extract(
            paths, self._prefix, self._decoding, workspace=self._workspace, digests=digests, group=ALONE
        )
        if found.skipped or found.features is None:
            raise PhotoError("{photo}: {reason}", photo=found.skipped[0].path, reason=found.skipped[0].reason)
        maps = []
        for start in range(0, len(paths), _BATCH):
            rows = np.arange(start, min(start + _BATCH, len(paths)))
            features = pad_batch(list(found.features.gather(rows)), _BATCH)
            wanted = pad_batch(list(np.array(classes, np.int32)[rows, None]), _BATCH)[:, 0]
            made = _grad_cam(self._suffix, self._params, self._constants, features, wanted, self._pool)
            maps.append(np.asarray(made)[: len(rows)])
        return np.concatenate(maps)


@partial(jax.jit, static_argnums=(0, 5))
def _grad_cam(
    suffix: Suffix, params: Tensors, fixed: Tensors, features_b: jax.Array, classes_b: jax.Array, pool: int
) -> jax.Array:
    """(b, h, w): the channels that enter `layers[pool]`, weighted by their effect on the class's logit."""
    activations = suffix.logits(params, fixed, features_b, until=pool)

    def score(activations_bhwc: jax.Array) -> jax.Array:
        logits = suffix.logits(params, fixed, activations_bhwc, since=pool)
        if suffix.output == "binary":
            return jnp.where(classes_b == 1, logits[:, 0], -logits[:, 0]).sum()
        return jnp.take_along_axis(logits, classes_b[:, None], axis=1).sum()

    activations = activations.astype(jnp.float32)
    weights = jax.grad(score)(activations).mean(axis=(1, 2), keepdims=True)
    heat = jax.nn.relu((weights * activations).sum(axis=-1))
    largest = heat.max(axis=(1, 2), keepdims=True)
    return heat / jnp.where(largest > 0, largest, 1)
