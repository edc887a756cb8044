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
from catdog.model.convolution import convolve3x3, max_pool2x2
from catdog.model.layers import Conv, Shape
from catdog.model.preprocess import preprocess

ACTIVATIONS = ("relu", "sigmoid")
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
    tensors = {name: jnp.asarray(tensor, jnp.float32) for name, tensor in material.tensors.items()}
    found = []
    done = 0
    for activation in ACTIVATIONS:
        for start in (*STARTS, PRETRAINED):
            results = []
            for seed in range(SEEDS):
                params = _start(start, seed, tensors, classes=len(material.classes))
                taken = images if start == PRETRAINED else scaled
                results.append(_sizes(jnp.array(activation == "relu"), params, taken, jnp.asarray(labels)))
                report(done := done + 1)
            sizes, losses = (np.array(part) for part in zip(*results, strict=True))
            found.append(Gradients(activation, start, sizes, losses))
    return found


PASSES = len(ACTIVATIONS) * (len(STARTS) + 1) * SEEDS


def activated(is_relu: jax.Array, x: jax.Array) -> jax.Array:
    """ReLU or sigmoid, of one program: it takes seconds to compile."""
    return jnp.where(is_relu, jax.nn.relu(x), jax.nn.sigmoid(x))


def _photos(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Photos of all classes in turn, (n, SIZE, SIZE, 3) uint8, and their labels."""
    labels = split.samples.labels
    turn = np.array([(labels[:row] == label).sum() for row, label in enumerate(labels)])
    rows = np.lexsort((labels, turn))[:PHOTOS]
    return np.stack([decode(split.paths[row], Decoding(SIZE)) for row in rows]), labels[rows]


@partial(jax.jit, static_argnums=(0, 1))
def drawn(start: str, shapes: tuple[Shape, ...], key: jax.Array) -> list[jax.Array]:
    """A kernel of each shape."""
    keys = jax.random.split(key, len(shapes))
    return [STARTS[start](key, shape, jnp.float32) for key, shape in zip(keys, shapes, strict=True)]


def _start(start: str, seed: int, tensors: Params, *, classes: int) -> Params:
    """Kernels and biases of the convolutions, `tensors` where they are pretrained; the last layer is new."""
    key = jax.random.key(seed)
    last = (tensors[f"{LAYERS[-1]}/bias"].shape[0], classes)
    (predictions,) = drawn("glorot", (last,), key)
    if start == PRETRAINED:
        return tensors | {"predictions/kernel": predictions}
    kernels = drawn(start, tuple(tensors[f"{name}/kernel"].shape for name in LAYERS), key)
    params = {f"{name}/kernel": kernel for name, kernel in zip(LAYERS, kernels, strict=True)}
    biases = {f"{name}/bias": jnp.zeros_like(tensors[f"{name}/bias"]) for name in LAYERS}
    return params | biases | {"predictions/kernel": predictions}


@jax.jit
def _sizes(
    is_relu: jax.Array, params: Params, images_bhwc: jax.Array, labels_b: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """(sizes (13,), loss ()): see `Gradients`."""

    def loss(params: Params) -> jax.Array:
        x_bhwc = images_bhwc
        for layer in CONVOLUTIONS:
            if isinstance(layer, Conv):
                kernel, bias = params[f"{layer.name}/kernel"], params[f"{layer.name}/bias"]
                x_bhwc = activated(is_relu, convolve3x3(x_bhwc, kernel, bias))
            else:
                x_bhwc = max_pool2x2(x_bhwc)
        logits = x_bhwc.mean(axis=(1, 2)) @ params["predictions/kernel"]
        return jnp.mean(outputs.photo_losses(logits, labels_b, "category"))

    value, gradients = jax.value_and_grad(loss)(params)
    sizes = [jnp.sqrt(jnp.mean(gradients[f"{name}/kernel"] ** 2)) for name in LAYERS]
    return jnp.stack(sizes), value
