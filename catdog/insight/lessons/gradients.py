"""ReLU against sigmoid in VGG16's convolutions: how large the gradient of each layer's weights is."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

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
STARTS = ("glorot", "he")
PRETRAINED = "pretrained"
SEEDS = 3
PHOTOS, SIZE = 8, 64  # pixels a side
LAYERS = tuple(layer.name for layer in CONVOLUTIONS if isinstance(layer, Conv))

Tensors = dict[str, np.ndarray]
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
    images = np.asarray(preprocess(pixels, material.preprocessing))  # pyright: ignore[reportArgumentType]
    scaled = images / images.std()
    tensors = {name: tensor.astype(np.float32) for name, tensor in material.tensors.items()}
    found = []
    done = 0
    for activation in ACTIVATIONS:
        for start in (*STARTS, PRETRAINED):
            results = []
            for seed in range(SEEDS):
                params = _start(start, seed, tensors, classes=len(material.classes))
                taken = images if start == PRETRAINED else scaled
                results.append(_sizes(np.array(activation == "relu"), params, taken, labels))
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


def drawn(start: str, shape: Shape, random: np.random.Generator) -> np.ndarray:
    """A kernel whose last two axes are channels in and out, float32.

    Sources: X. Glorot, Y. Bengio, AISTATS 2010, uniform; K. He et al., ICCV 2015 (arXiv:1502.01852), normal.
    """
    fan_in, fan_out = prod(shape[:-1]), prod(shape[:-2]) * shape[-1]
    if start == "he":
        return random.normal(0, (2 / fan_in) ** 0.5, shape).astype(np.float32)
    most = (6 / (fan_in + fan_out)) ** 0.5
    return random.uniform(-most, most, shape).astype(np.float32)


def _start(start: str, seed: int, tensors: Tensors, *, classes: int) -> Tensors:
    """Kernels and biases of the convolutions, `tensors` where they are pretrained; the last layer is new."""
    random = np.random.default_rng(seed)
    last = (tensors[f"{LAYERS[-1]}/bias"].shape[0], classes)
    predictions = {"predictions/kernel": drawn("glorot", last, random)}
    if start == PRETRAINED:
        return tensors | predictions
    return predictions | {
        name: drawn(start, tensor.shape, random) if tensor.ndim > 1 else np.zeros_like(tensor)
        for name, tensor in tensors.items()
    }


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
