"""The networks of the lecture beside each other: tables of layers, and what follows from them.

Depth, parameters and multiply-adds are computed from the tables, errors are those of the papers. This file
imports neither jax nor numpy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from catdog.model.architecture import LayerFacts, describe, vgg16
from catdog.model.layers import Shape
from catdog.text import Message, message

COMPUTED = message(
    "The layers are those with weights on the longest way through. Parameters and multiply-adds (MACs) are "
    "computed from the tables of layers."
)
PUBLISHED = message("The errors are those of one model on ImageNet's validation photos, as published:")


@dataclass(frozen=True)
class Convolution:
    """`size`×`size` convolution to `channels`; zero padding keeps the size where `stride` is 1."""

    channels: int
    size: int
    stride: int = 1
    padding: int | None = None  # None is half of `size`
    groups: int = 1  # each sees so many times fewer channels
    normalized: bool = False  # batch normalization instead of a bias: a scale and a shift for each channel


@dataclass(frozen=True)
class Pool:
    """The largest of each window, or the mean over all positions."""

    size: int = 0  # 0 is all positions
    stride: int = 1
    padding: int = 0
    rounds_up: bool = False  # a window that is partly outside counts


@dataclass(frozen=True)
class Full:
    """A dense layer; the input is flattened."""

    units: int


@dataclass(frozen=True)
class Branches:
    """Parts that have the same input: their outputs are joined as channels, or added."""

    parts: "tuple[tuple[Step, ...], ...]"
    added: bool = False


Step = Convolution | Pool | Full | Branches


@dataclass(frozen=True)
class Cost:
    """What a table of layers says.

    Attributes:
        shape: of the output, (height, width, channels).
        depth: layers with weights on the longest way through.
        multiply_adds: of the products, for one photo; biases and activations are not counted.
    """

    shape: Shape
    depth: int = 0
    parameters: int = 0
    multiply_adds: int = 0


@dataclass(frozen=True)
class Architecture:
    """One network and what its authors published.

    Attributes:
        top1, top5: errors on ImageNet's validation photos in percent, as published; None where they are not.
        source: where the errors are published.
        tested: what one model saw of each photo.
        idea: what was new, for people.
    """

    name: str
    year: int
    cost: Cost
    top1: float | None
    top5: float
    source: str
    tested: Message
    idea: Message

    def to_json(self) -> dict[str, Any]:
        """All facts; sentences are in English."""
        cost = {name: getattr(self.cost, name) for name in ("depth", "parameters", "multiply_adds")}
        errors = {name: getattr(self, name) for name in ("top1", "top5", "source")}
        sentences = {name: str(getattr(self, name)) for name in ("tested", "idea")}
        return {"name": self.name, "year": self.year} | cost | errors | sentences


def cost(steps: Sequence[Step], shape: Shape) -> Cost:
    """Depth, parameters and multiply-adds of a table, for one input of `shape` (height, width, channels)."""
    depth = parameters = work = 0
    for step in steps:
        match step:
            case Convolution():
                padding = step.size // 2 if step.padding is None else step.padding
                edges = [(edge + 2 * padding - step.size) // step.stride + 1 for edge in shape[:2]]
                weights = step.size**2 * shape[2] // step.groups * step.channels
                shape = (*edges, step.channels)
                parameters += weights + step.channels * (1 + step.normalized)
                work += weights * prod(edges)
                depth += 1
            case Pool(size=0):
                shape = (1, 1, shape[2])
            case Pool():
                spare = step.stride - 1 if step.rounds_up else 0
                outside = 2 * step.padding - step.size + spare
                shape = (*((edge + outside) // step.stride + 1 for edge in shape[:2]), shape[2])
            case Full():
                weights = prod(shape) * step.units
                shape = (1, 1, step.units)
                parameters += weights + step.units
                work += weights
                depth += 1
            case Branches():
                costs = [cost(part, shape) for part in step.parts]
                channels = [part.shape[2] for part in costs]
                shape = (*costs[0].shape[:2], channels[0] if step.added else sum(channels))
                parameters += sum(part.parameters for part in costs)
                work += sum(part.multiply_adds for part in costs)
                depth += max(part.depth for part in costs)
    return Cost(shape, depth, parameters, work)


def _cost_of(layers: Sequence[LayerFacts]) -> Cost:
    """The same of catdog's own table."""
    weighted = [facts for facts in layers if facts.parameters]
    counts = (sum(facts.parameters for facts in weighted), sum(facts.multiply_adds for facts in weighted))
    return Cost(layers[-1].output_shape, len(weighted), *counts)


def _inception(ones: int, threes: tuple[int, int], fives: tuple[int, int], pooled: int) -> Branches:
    """Four ways beside each other; 1×1 convolutions make the wide ones cheap."""
    return Branches(
        (
            (Convolution(ones, 1),),
            (Convolution(threes[0], 1), Convolution(threes[1], 3)),
            (Convolution(fives[0], 1), Convolution(fives[1], 5)),
            (Pool(3, padding=1), Convolution(pooled, 1)),
        )
    )


def _stage(blocks: int, channels: int, stride: int) -> tuple[Step, ...]:
    """Bottleneck blocks; the first one has a convolution on its shortcut, the others have nothing there."""

    def block(stride: int, shortcut: tuple[Step, ...]) -> Branches:
        way = (
            Convolution(channels, 1, stride, 0, normalized=True),
            Convolution(channels, 3, normalized=True),
            Convolution(4 * channels, 1, normalized=True),
        )
        return Branches((way, shortcut), added=True)

    first = block(stride, (Convolution(4 * channels, 1, stride, 0, normalized=True),))
    return (first, *[block(1, ())] * (blocks - 1))


_ALEXNET: tuple[Step, ...] = (
    Convolution(96, 11, 4, 0),
    Pool(3, 2),
    Convolution(256, 5, groups=2),
    Pool(3, 2),
    Convolution(384, 3),
    Convolution(384, 3, groups=2),
    Convolution(256, 3, groups=2),
    Pool(3, 2),
    Full(4096),
    Full(4096),
    Full(1000),
)
_GOOGLENET: tuple[Step, ...] = (
    Convolution(64, 7, 2),
    Pool(3, 2, rounds_up=True),
    Convolution(64, 1),
    Convolution(192, 3),
    Pool(3, 2, rounds_up=True),
    _inception(64, (96, 128), (16, 32), 32),
    _inception(128, (128, 192), (32, 96), 64),
    Pool(3, 2, rounds_up=True),
    _inception(192, (96, 208), (16, 48), 64),
    _inception(160, (112, 224), (24, 64), 64),
    _inception(128, (128, 256), (24, 64), 64),
    _inception(112, (144, 288), (32, 64), 64),
    _inception(256, (160, 320), (32, 128), 128),
    Pool(3, 2, rounds_up=True),
    _inception(256, (160, 320), (32, 128), 128),
    _inception(384, (192, 384), (48, 128), 128),
    Pool(),
    Full(1000),
)
_RESNET50: tuple[Step, ...] = (
    Convolution(64, 7, 2, normalized=True),
    Pool(3, 2, 1),
    *_stage(3, 64, 1),
    *_stage(4, 128, 2),
    *_stage(6, 256, 2),
    *_stage(3, 512, 2),
    Pool(),
    Full(1000),
)
_TEN = message("10 parts of each photo")


def architectures() -> tuple[Architecture, ...]:
    """AlexNet, VGG16, GoogLeNet and ResNet-50, in the order of the lecture."""
    return (
        Architecture(
            "AlexNet",
            2012,
            cost(_ALEXNET, (227, 227, 3)),
            40.7,
            18.2,
            "Krizhevsky, Sutskever, Hinton, NIPS 2012, table 2",
            _TEN,
            message("ReLU, dropout and two GPUs: deep networks win ImageNet."),
        ),
        Architecture(
            "VGG16",
            2014,
            _cost_of(describe(vgg16())),
            24.8,
            7.5,
            "Simonyan, Zisserman, arXiv:1409.1556, table 4, D",
            message("the whole photo at 3 sizes"),
            message("Only 3×3 convolutions, but many of them."),
        ),
        Architecture(
            "GoogLeNet",
            2014,
            cost(_GOOGLENET, (224, 224, 3)),
            None,
            9.15,
            "Szegedy et al., arXiv:1409.4842, table 3",
            _TEN,
            message("Several sizes of convolution beside each other; a mean instead of large dense layers."),
        ),
        Architecture(
            "ResNet-50",
            2015,
            cost(_RESNET50, (224, 224, 3)),
            22.85,
            6.71,
            "He, Zhang, Ren, Sun, arXiv:1512.03385, table 3",
            _TEN,
            message("Shortcuts: each block adds to its input, so that gradients reach the first layers."),
        ),
    )
