"""ReLU against sigmoid in VGG16's convolutions: how large the gradient of each layer's weights is."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from catdog.config import Decoding
from catdog.data import decode
from catdog.insight.lessons.material import Material, Split
from catdog.model import outputs
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.convolution import convolve3x3_as_products, max_pool2x2
from catdog.model.layers import Conv
from catdog.model.preprocess import preprocess

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}
STARTS = {"glorot": jax.nn.initializers.glorot_uniform(), "he": jax.nn.initializers.he_normal()}
PRETRAINED = "pretrained"
SEEDS = 3
PHOTOS, SIZE = 8, 64  # pixels a side
LAYERS = tuple(layer.name for layer in CONVOLUTIONS if isinstance(layer, Conv))

Params = dict[str, jax.Array]


@dataclass(frozen=True)
class Gradients:
    """Of one activation and one start.

    Attributes:
        sizes: root mean square of the gradient of each convolution's kernel, (seeds, 13).
        loss: of each seed's network, nats, (seeds,).
    """

    activation: str
    start: str
    sizes: np.ndarray
    loss: np.ndarray


def measure_gradients(material: Material, report: Callable[[int], None]) -> list[Gradients]:
    """One backward pass over a few training photos for each activation, start and seed.

    The loss is the cross-entropy of a new last layer behind the mean over all positions. With random kernels
    the photos are divided by the deviation of their pixels; the pretrained ones take them as they are.

    Args:
        report: called with the number of passes that are done.
    """
    pixels, labels = _photos(material.train)
    images = preprocess(jnp.asarray(pixels), material.preprocessing)
    scaled = images / jnp.std(images)
    found = []
    done = 0
    for activation in ACTIVATIONS:
        for start in (*STARTS, PRETRAINED):
            results = []
            for seed in range(SEEDS):
                params = _start(start, seed, material, classes=len(material.classes))
                taken = images if start == PRETRAINED else scaled
                results.append(_sizes(activation, params, taken, jnp.asarray(labels)))
                report(done := done + 1)
            sizes, losses = (np.array(part) for part in zip(*results, strict=True))
            found.append(Gradients(activation, start, sizes, losses))
    return found


PASSES = len(ACTIVATIONS) * (len(STARTS) + 1) * SEEDS


def _photos(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Photos of all classes in turn, (n, SIZE, SIZE, 3) uint8, and their labels."""
    labels = split.samples.labels
    turn = np.array([(labels[:row] == label).sum() for row, label in enumerate(labels)])
    rows = np.lexsort((labels, turn))[:PHOTOS]
    return np.stack([decode(split.paths[row], Decoding(SIZE)) for row in rows]), labels[rows]


def _start(start: str, seed: int, material: Material, *, classes: int) -> Params:
    """Kernels and biases; the last layer's are random in any case."""
    key = jax.random.key(seed)
    params: Params = {}
    channels = 3
    for number, layer in enumerate(CONVOLUTIONS):
        if isinstance(layer, Conv):
            kernel, bias, channels = f"{layer.name}/kernel", f"{layer.name}/bias", layer.channels_out
            if start == PRETRAINED:
                params |= {name: jnp.asarray(material.tensors[name], jnp.float32) for name in (kernel, bias)}
                continue
            shape = (3, 3, layer.channels_in, layer.channels_out)
            params[kernel] = STARTS[start](jax.random.fold_in(key, number), shape, jnp.float32)
            params[bias] = jnp.zeros(layer.channels_out)
    params["predictions/kernel"] = STARTS["glorot"](key, (channels, classes), jnp.float32)
    return params


@partial(jax.jit, static_argnums=0)
def _sizes(
    activation: str, params: Params, images_bhwc: jax.Array, labels_b: jax.Array
) -> tuple[jax.Array, jax.Array]:
    def loss(params: Params) -> jax.Array:
        x_bhwc = images_bhwc
        for layer in CONVOLUTIONS:
            if isinstance(layer, Conv):
                kernel, bias = params[f"{layer.name}/kernel"], params[f"{layer.name}/bias"]
                x_bhwc = ACTIVATIONS[activation](convolve3x3_as_products(x_bhwc, kernel, bias))
            else:
                x_bhwc = max_pool2x2(x_bhwc)
        logits = x_bhwc.mean(axis=(1, 2)) @ params["predictions/kernel"]
        return jnp.mean(outputs.photo_losses(logits, labels_b, "category"))

    value, gradients = jax.value_and_grad(loss)(params)
    sizes = [jnp.sqrt(jnp.mean(gradients[f"{name}/kernel"] ** 2)) for name in LAYERS]
    return jnp.stack(sizes), value
