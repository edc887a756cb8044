"""Images that a unit answers to as much as it can, found by gradient ascent: feature visualization.

An image is the sigmoid of a sum of waves, whose amplitudes are what is optimized. Waves start with amplitudes
like those of photos, 1 / frequency, and their colours are the principal components of the colours of photos.
In each step the image is moved, turned and scaled a little, so that no single pixel matters. Source of these
ideas: C. Olah, A. Mordvintsev, L. Schubert, Feature Visualization, Distill 2017.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.ndimage import map_coordinates

from catdog.model import winograd
from catdog.model.convolution import convolve3x3, max_pool2x2
from catdog.model.layers import Conv, Layer
from catdog.model.preprocess import preprocess
from catdog.model.suffix import Suffix

Arrays = Mapping[str, jax.Array]
Score = Callable[[Arrays, jax.Array, jax.Array], jax.Array]

# Principal components of the colours of sample_data, each as red, green and blue, the lengths being their
# deviations relative to the first: brightness, then blue or red, then green or purple.
_COLOURS = np.array([[0.574, 0.581, 0.577], [-0.185, 0.006, 0.179], [0.046, -0.096, 0.051]], np.float32)
_START = 0.01  # deviation of the amplitudes at the beginning


class Recipe(NamedTuple):
    """How images are looked for; each field may be an array, with a number for each image."""

    decay: float | np.ndarray = 1.0  # waves have amplitudes of frequency ** -decay at the beginning
    decorrelated: float | np.ndarray = (
        1.0  # 1: the colours of waves are those components; 0: red, green, blue
    )
    jitter: float | np.ndarray = 6.0  # pixels that an image is moved at most
    turn: float | np.ndarray = 8.0  # degrees
    zoom: float | np.ndarray = 0.1  # part of its size
    rate: float | np.ndarray = 0.05  # of Adam


class Found(NamedTuple):
    """The result for n targets."""

    pixels: np.ndarray  # (n, size, size, 3) uint8, RGB
    before: np.ndarray  # (n,) float32: the score of the noise at the beginning
    after: np.ndarray  # the score of the image, as it is


def synthesize(
    score: Score,
    tensors: Arrays,
    targets: np.ndarray,
    *,
    size: int,
    steps: int,
    preprocessing: str,
    recipe: Recipe,
) -> Found:
    """Look for the image with the highest score of each target.

    Args:
        score: (tensors, inputs of the network (n, size, size, 3), targets) → (n,).
        targets: (n, k) integers, what `score` takes; they are the seeds of the images too.
    """
    fields = (np.broadcast_to(np.asarray(field, np.float32), len(targets)) for field in recipe)
    made = _ascend(score, tensors, jnp.asarray(targets), Recipe(*fields), size, steps, preprocessing)
    return Found(*map(np.asarray, made))


@dataclass(frozen=True)
class UnitScore:
    """The score of units: the mean of a unit's map, before its ReLU.

    A target is (which of the layers `wanted`, unit).
    """

    layers: tuple[Layer, ...]  # convolutions and pools, from the start of the table to the last one wanted
    wanted: tuple[str, ...]

    def __call__(self, tensors: Arrays, x_bhwc: jax.Array, targets: jax.Array) -> jax.Array:
        """See `Score`."""
        convolve = winograd.convolve_batch if jax.default_backend() == "cpu" else convolve3x3
        scores = []
        for layer in self.layers:
            if not isinstance(layer, Conv):
                x_bhwc = max_pool2x2(x_bhwc)
                continue
            x_bhwc = convolve(x_bhwc, tensors[f"{layer.name}/kernel"], tensors[f"{layer.name}/bias"])
            if layer.name in self.wanted:
                units = targets[:, 1:] % layer.channels_out
                scores.append(jnp.take_along_axis(x_bhwc.mean(axis=(1, 2)), units, axis=1))
            x_bhwc = jax.nn.relu(x_bhwc)
        return jnp.take_along_axis(jnp.concatenate(scores, axis=1), targets[:, :1], axis=1)[:, 0]


@dataclass(frozen=True)
class ClassScore:
    """The score of classes: the logit, of a single unit with the sign of the class. A target is (class,)."""

    network: Suffix  # all layers, from the pixels to the logits

    def __call__(self, tensors: Arrays, x_bhwc: jax.Array, targets: jax.Array) -> jax.Array:
        """See `Score`."""
        logits = self.network.logits(dict(tensors), {}, x_bhwc)
        if self.network.output == "binary":
            return jnp.where(targets[:, 0] == 1, logits[:, 0], -logits[:, 0])
        return jnp.take_along_axis(logits, targets, axis=1)[:, 0]


@partial(jax.jit, static_argnums=(0, 4, 5, 6))
def _ascend(
    score: Score,
    tensors: Arrays,
    targets: jax.Array,
    recipe: Recipe,
    size: int,
    steps: int,
    preprocessing: str,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    keys = jax.vmap(lambda target: jax.random.fold_in(jax.random.key(target[0]), target[-1]))(targets)
    shape = 2, size, size // 2 + 1, 3  # real and imaginary part, waves down and across, components
    amplitudes = _START * jax.vmap(lambda key: jax.random.normal(key, shape))(keys)

    def scores(images_bhwc: jax.Array) -> jax.Array:
        return score(tensors, preprocess(255 * images_bhwc, preprocessing), targets)

    def loss(amplitudes: jax.Array, keys: jax.Array) -> jax.Array:
        images = jax.vmap(partial(_image, size))(amplitudes, recipe)
        return -scores(jax.vmap(_moved)(images, recipe, keys)).sum()

    adam = optax.scale_by_adam()

    def step(state: tuple[jax.Array, optax.OptState], number: jax.Array) -> tuple[tuple, None]:
        amplitudes, moments = state
        gradient = jax.grad(loss)(amplitudes, jax.vmap(jax.random.fold_in, (0, None))(keys, number))
        change, moments = adam.update(gradient, moments)
        change = jnp.reshape(recipe.rate, (-1, 1, 1, 1, 1)) * jnp.asarray(change)
        return (amplitudes - change, moments), None

    start = jax.vmap(partial(_image, size))(amplitudes, recipe)
    state = amplitudes, adam.init(amplitudes)
    (amplitudes, _), _ = jax.lax.scan(step, state, 1 + jnp.arange(steps))
    pixels = jnp.rint(255 * jax.vmap(partial(_image, size))(amplitudes, recipe))
    return pixels.astype(jnp.uint8), scores(start), scores(pixels / 255)


def _image(size: int, amplitudes: jax.Array, recipe: Recipe) -> jax.Array:
    """(size, size, 3), 0…1, of amplitudes (2, size, size // 2 + 1, 3)."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    scale = jnp.maximum(frequency, 1 / size) ** -recipe.decay
    waves = jax.lax.complex(*amplitudes) * (scale / jnp.sqrt(jnp.mean(scale**2)))[..., None]
    values = jnp.fft.irfft2(waves, s=(size, size), axes=(0, 1), norm="ortho")
    colours = recipe.decorrelated * _COLOURS + (1 - recipe.decorrelated) * np.eye(3, dtype=np.float32)
    return jax.nn.sigmoid(jnp.einsum("hwc,cd->hwd", values, colours, precision="highest"))


def _moved(image_hwc: jax.Array, recipe: Recipe, key: jax.Array) -> jax.Array:
    """The image, moved, turned and scaled at random; its mirror image is around it."""
    size = image_hwc.shape[0]
    shift_y, shift_x, turn, zoom = jax.random.uniform(key, (4,), minval=-1.0)
    angle, scale = jnp.deg2rad(recipe.turn * turn), 1 + recipe.zoom * zoom
    y, x = np.indices((size, size)) - (size - 1) / 2
    rows = scale * (jnp.cos(angle) * y - jnp.sin(angle) * x) + recipe.jitter * shift_y
    columns = scale * (jnp.sin(angle) * y + jnp.cos(angle) * x) + recipe.jitter * shift_x
    places = [rows + (size - 1) / 2, columns + (size - 1) / 2]
    sample = partial(map_coordinates, coordinates=places, order=1, mode="mirror")
    return jax.vmap(lambda channel: sample(channel), in_axes=-1, out_axes=-1)(image_hwc)
