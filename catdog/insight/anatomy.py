"""All maps of VGG16's convolutions for one photo, by the definition of each layer.

The frozen prefix computes by Winograd's algorithm and keeps only its last map. Here every map is kept, and
each value is the plain float32 sum of products that a person can add up again.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from catdog import devices
from catdog.data import decode
from catdog.errors import OptionError
from catdog.inference.classifier import Classifier
from catdog.model.architecture import CONVOLUTIONS, LayerFacts, describe
from catdog.model.convolution import convolve3x3, max_pool2x2
from catdog.model.layers import Conv, Layer
from catdog.model.preprocess import preprocess

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Peak:
    """A large value of a unit."""

    unit: int
    value: float
    y: int  # row in the map
    x: int  # column
    field: tuple[int, int, int]  # the pixels that it depends on, see `Maps.field`


@dataclass(frozen=True)
class Maps:
    """The output of one layer."""

    facts: LayerFacts
    values: np.ndarray  # (height, width, units) float32, not negative
    seconds: float  # that its computation took here
    moved: float  # relative change where the photo is moved to the right by one pixel

    @property
    def step(self) -> int:
        """Pixels between neighbouring places."""
        return step_of(self.facts)

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.facts.layer.name

    def strongest_units(self) -> list[int]:
        """All units, the one with the largest value first."""
        return np.argsort(-self.values.max(axis=(0, 1)), kind="stable").tolist()

    def peaks(self, unit: int, count: int) -> list[Peak]:
        """Up to `count` of a unit's largest values above 0, the largest first, no two of them neighbours."""
        values = np.pad(self.values[..., unit], 1)
        peaks: list[Peak] = []
        while len(peaks) < count and values.max() > 0:
            y, x = map(int, np.unravel_index(values.argmax(), values.shape))
            peaks.append(Peak(unit, float(values[y, x]), y - 1, x - 1, self.field(y - 1, x - 1)))
            values[y - 1 : y + 2, x - 1 : x + 2] = 0
        return peaks

    def picture(self, units: Sequence[int], side: int) -> np.ndarray:
        """One map, or up to four beside and below each other, (height, width, 3) uint8, at most `side` each.

        The largest value of a map is white. A pixel of a smaller picture has the largest value below it.
        """
        across = 1 if len(units) == 1 else 2
        cells = [_drawn(self.values[..., unit], side // across - across + 1) for unit in units[: across**2]]
        empty = [np.zeros_like(cells[0])] * (across**2 - len(cells))
        rows = np.split(np.stack([np.pad(cell, ((0, across - 1),) * 2) for cell in [*cells, *empty]]), across)
        return np.repeat(np.vstack([np.hstack(list(row)) for row in rows])[..., None], 3, axis=-1)

    def field(self, y: int, x: int) -> tuple[int, int, int]:
        """See `field_of`."""
        return field_of(self.facts, y, x)


def step_of(facts: LayerFacts) -> int:
    """Pixels between neighbouring places of a layer's map: each pool doubles it."""
    return 2 ** (int(facts.layer.stage[-1]) - isinstance(facts.layer, Conv))


def field_of(facts: LayerFacts, y: int, x: int) -> tuple[int, int, int]:
    """The square of pixels that a place depends on: its top, left and edge. It may leave the photo."""
    edge = facts.receptive_field
    top, left = (int((at + 0.5) * step_of(facts) - edge / 2) for at in (y, x))  # both halves or none
    return top, left, edge


@dataclass(frozen=True)
class Anatomy:
    """One photo inside one network."""

    pixels: np.ndarray  # (size, size, 3) uint8, RGB: the photo as it was decoded for the network
    input: np.ndarray  # (size, size, 3) float32, preprocessed
    layers: tuple[Maps, ...]  # the 13 convolutions, with their ReLU, and the 5 pools
    tensors: Tensors  # kernels (3, 3, in, out) and biases of the convolutions, and the model's own, by name

    def layer(self, name: str) -> Maps:
        """The maps of a layer by its name."""
        return next(maps for maps in self.layers if maps.name == name)

    def before(self, name: str) -> np.ndarray:
        """The input of a layer, (height, width, channels)."""
        position = [maps.name for maps in self.layers].index(name)
        return self.layers[position - 1].values if position else self.input


def dissect(classifier: Classifier, photo: Path) -> Anatomy:
    """Compute all maps of a photo, twice: the second time, the photo is moved to the right by one pixel.

    The second pass is timed: the first compiles.

    Raises:
        PhotoError: the photo cannot be decoded.
        WeightsError: the weights of the classifier are no longer there.
    """
    pixels = decode(photo, classifier.decoding)
    moved = np.concatenate([pixels[:, :1], pixels[:, :-1]], axis=1)
    tensors = float32(classifier.tensors())
    first = list(_passed(tensors, pixels, classifier.preprocessing))
    layers = []
    for fact, (values, _), (other, seconds) in zip(
        describe(CONVOLUTIONS, input_shape=pixels.shape),
        first,
        _passed(tensors, moved, classifier.preprocessing),
        strict=True,
    ):
        change = float(np.linalg.norm(other - values) / max(float(np.linalg.norm(values)), 1e-12))
        layers.append(Maps(fact, values, seconds, change))
    return Anatomy(pixels, _input(pixels, classifier.preprocessing), tuple(layers), tensors)


def peaks(
    classifier: Classifier, photo: Path, layer: str, *, unit: int | None, count: int
) -> tuple[Maps, list[Peak]]:
    """The maps of a layer and the peaks of a unit; without one, the largest value of its strongest units.

    Raises:
        OptionError: the layer has no such unit.
        PhotoError, WeightsError: see `dissect`.
    """
    pixels = decode(photo, classifier.decoding)
    position = [each.name for each in CONVOLUTIONS].index(layer)
    fact = describe(CONVOLUTIONS, input_shape=pixels.shape)[position]
    units = fact.output_shape[-1]
    if unit is not None and unit >= units:
        raise OptionError(
            "the layer {layer} has the units 0 to {last}, found {unit}",
            layer=layer,
            last=units - 1,
            unit=unit,
        )
    passed = _passed(float32(classifier.tensors()), pixels, classifier.preprocessing)
    values, seconds = next(islice(passed, position, None))
    maps = Maps(fact, values, seconds, 0.0)
    if unit is not None:
        return maps, maps.peaks(unit, count)
    return maps, [peak for each in maps.strongest_units()[:count] for peak in maps.peaks(each, 1)]


def _drawn(map_hw: np.ndarray, side: int) -> np.ndarray:
    """A map, at most `side` pixels in both directions; 0…255."""
    rows, columns = (np.arange(min(side, length)) * length // min(side, length) for length in map_hw.shape)
    small = np.maximum.reduceat(np.maximum.reduceat(map_hw, rows, axis=0), columns, axis=1)
    grey = np.rint(255 * small / max(float(small.max()), 1e-12)).astype(np.uint8)
    return np.kron(grey, np.ones((max(1, side // max(small.shape)),) * 2, np.uint8))


def float32(tensors: Tensors) -> Tensors:
    """The same numbers, as `applied` takes them."""
    return {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}


def _input(pixels: np.ndarray, preprocessing: str) -> np.ndarray:
    return np.asarray(preprocess(jnp.asarray(pixels)[None], preprocessing))[0]


def _passed(tensors: Tensors, pixels: np.ndarray, preprocessing: str) -> Iterator[tuple[np.ndarray, float]]:
    """The output of each layer, (h, w, c), and the seconds that it took, in float32."""
    with jax.default_device(devices.exact()), jax.default_matmul_precision("highest"):
        x_bhwc = jax.device_put(_input(pixels, preprocessing)[None])
        for layer in CONVOLUTIONS:
            began = time.perf_counter()
            x_bhwc = applied(layer, tensors, x_bhwc).block_until_ready()
            yield np.asarray(x_bhwc)[0], time.perf_counter() - began


def applied(layer: Layer, tensors: Tensors, x_bhwc: jax.Array) -> jax.Array:
    """A convolution with its ReLU, or a pool, of a batch; kernels float32."""
    if isinstance(layer, Conv):
        return _convolved(x_bhwc, tensors[f"{layer.name}/kernel"], tensors[f"{layer.name}/bias"])
    return _pooled(x_bhwc)


@jax.jit
def _convolved(x_bhwc: jax.Array, kernel_hwio: jax.Array, bias: jax.Array) -> jax.Array:
    return jax.nn.relu(convolve3x3(x_bhwc, kernel_hwio, bias))


_pooled = jax.jit(max_pool2x2)
