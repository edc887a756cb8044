"""The kinds of layers, as records, and the shape of what each of them gives.

A record describes a layer; `catdog.model.network` computes it. This file imports neither jax nor numpy.
"""

from dataclasses import dataclass
from math import prod
from typing import Literal, assert_never

from catdog.errors import OptionError

Shape = tuple[int, ...]

GEM_FLOOR = 1e-6  # of a mean of cubes; activations are in the tens


@dataclass(frozen=True)
class _Record:
    name: str
    stage: str


@dataclass(frozen=True)
class Conv(_Record):
    """3×3 convolution, stride 1, zero padding 1, then ReLU."""

    channels_in: int
    channels_out: int


class MaxPool(_Record):
    """The largest of each 2×2 window, stride 2; an odd last row or column is dropped."""


class GlobalAveragePool(_Record):
    """(b, h, w, c) to (b, c): the mean over all positions."""


class GlobalConcatPool(_Record):
    """(b, h, w, c) to (b, 2c): the mean over all positions, then the largest over all positions."""


class GlobalGemPool(_Record):
    """(b, h, w, c) to (b, c): the cube root of the mean of the cubes over all positions, then unit length.

    Generalized-mean pooling with p = 3, between the mean and the maximum. Source: F. Radenović, G. Tolias,
    O. Chum, Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2019 (arXiv:1711.02512).
    """


class Flatten(_Record):
    """(b, h, w, c) to (b, h·w·c), in row-major order."""


class Rescale(_Record):
    """Division by one stored number that is not trained: the standard deviation of the input.

    That of VGG16's features is in the tens; the usual learning rates are made for inputs near 1.
    """


@dataclass(frozen=True)
class Dense(_Record):
    """Each output is a weighted sum of all inputs, plus a bias."""

    units_in: int
    units_out: int
    activation: Literal["relu", "none"]


@dataclass(frozen=True)
class Dropout(_Record):
    """In training, a unit is set to zero with probability `rate`, and the others are divided by 1 - rate."""

    rate: float


GlobalPool = GlobalAveragePool | GlobalConcatPool | GlobalGemPool
Layer = Conv | MaxPool | GlobalPool | Flatten | Rescale | Dense | Dropout


def tensor_shapes(layer: Layer) -> dict[str, Shape]:
    """The shapes of the tensors that a layer stores, by name; kernels are HWIO or (in, out)."""
    match layer:
        case Conv():
            kernel = (3, 3, layer.channels_in, layer.channels_out)
            return {"kernel": kernel, "bias": (layer.channels_out,)}
        case Dense():
            kernel = (layer.units_in, layer.units_out)
            return {"kernel": kernel, "bias": (layer.units_out,)}
        case Rescale():
            return {"scale": ()}
        case MaxPool() | GlobalAveragePool() | GlobalConcatPool() | GlobalGemPool() | Flatten() | Dropout():
            return {}
        case _:
            assert_never(layer)


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """The shape of a layer's output for an input of `shape`, both without the batch axis.

    Raises:
        OptionError: the layer cannot take that shape.
    """
    match layer, shape:
        case Conv(), (height, width, channels) if channels == layer.channels_in:
            return height, width, layer.channels_out
        case MaxPool(), (height, width, channels) if height >= 2 and width >= 2:
            return height // 2, width // 2, channels
        case ((GlobalAveragePool() | GlobalGemPool()), (_, _, channels)):
            return (channels,)
        case GlobalConcatPool(), (_, _, channels):
            return (2 * channels,)
        case Flatten(), (_, _, _):
            return (prod(shape),)
        case Dense(), (units,) if units == layer.units_in:
            return (layer.units_out,)
        case ((Rescale() | Dropout()), _):
            return shape
    raise OptionError("the layer {name} cannot take an input of shape {shape}", name=layer.name, shape=shape)


def kind(layer: Layer) -> str:
    """A layer in a few words for people; each convolution has a ReLU, which is not mentioned."""
    match layer:
        case Conv():
            return "conv 3×3"
        case MaxPool():
            return "max pool 2×2"
        case GlobalAveragePool():
            return "average"
        case GlobalConcatPool():
            return "average, max"
        case GlobalGemPool():
            return "generalized mean"
        case Flatten():
            return "flatten"
        case Rescale():
            return "rescale"
        case Dense():
            return "dense, ReLU" if layer.activation == "relu" else "dense"
        case Dropout():
            return f"dropout {layer.rate:g}"
        case _:
            assert_never(layer)
