"""VGG16 as data: the table of its layers, and what follows from the table without any array.

The source is configuration D of Simonyan & Zisserman, "Very deep convolutional networks for
large-scale image recognition", arXiv:1409.1556, table 1. Names are those of Keras.

A network is any contiguous slice of a table (`catdog.model.network`), and a freeze boundary is an
index into it. This file imports neither jax nor numpy, so that options are checked quickly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from catdog.config import Head, has_classes
from catdog.errors import OptionError
from catdog.model.layers import (
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    GlobalConcatPool,
    GlobalGemPool,
    GlobalPool,
    Layer,
    MaxPool,
    Rescale,
    Shape,
    kind,
    output_shape,
    tensor_shapes,
)

CONVOLUTIONS: tuple[Layer, ...] = (
    Conv("block1_conv1", "block1", 3, 64),
    Conv("block1_conv2", "block1", 64, 64),
    MaxPool("block1_pool", "block1"),
    Conv("block2_conv1", "block2", 64, 128),
    Conv("block2_conv2", "block2", 128, 128),
    MaxPool("block2_pool", "block2"),
    Conv("block3_conv1", "block3", 128, 256),
    Conv("block3_conv2", "block3", 256, 256),
    Conv("block3_conv3", "block3", 256, 256),
    MaxPool("block3_pool", "block3"),
    Conv("block4_conv1", "block4", 256, 512),
    Conv("block4_conv2", "block4", 512, 512),
    Conv("block4_conv3", "block4", 512, 512),
    MaxPool("block4_pool", "block4"),
    Conv("block5_conv1", "block5", 512, 512),
    Conv("block5_conv2", "block5", 512, 512),
    Conv("block5_conv3", "block5", 512, 512),
    MaxPool("block5_pool", "block5"),
)

_DROPOUT2 = Dropout("dropout2", "predictions", 0.5)

# Dropout belongs to the stage of the layer behind it: it is random, so it must never be the last layer of a
# frozen prefix, whose output is computed once.
IMAGENET_TOP: tuple[Layer, ...] = (
    Flatten("flatten", "flatten"),
    Dense("fc1", "fc1", 7 * 7 * 512, 4096, "relu"),
    Dropout("dropout1", "fc2", 0.5),
    Dense("fc2", "fc2", 4096, 4096, "relu"),
    _DROPOUT2,
    Dense("predictions", "predictions", 4096, 1000, "none"),
)


# What a head may begin with, by its kind.
POOLS: dict[str, GlobalPool] = {
    "gem": GlobalGemPool("gem_pool", "head"),
    "concat": GlobalConcatPool("concat_pool", "head"),
    "linear": GlobalAveragePool("avg_pool", "head"),
}


def stages(layers: Sequence[Layer]) -> tuple[str, ...]:
    """The names of the stages of a table, in order, each once."""
    return tuple(dict.fromkeys(layer.stage for layer in layers))


ALL = "all"  # as a stage: the first of them


def vgg16(classes: int = 1000) -> tuple[Layer, ...]:
    """The whole network of the paper, for 224×224 photos; with 1000 classes, ImageNet's own."""
    *body, predictions = IMAGENET_TOP
    assert isinstance(predictions, Dense)
    return (*CONVOLUTIONS, *body, replace(predictions, units_out=classes))


def body(config: Head) -> tuple[Layer, ...]:
    """The pretrained layers before a head: the convolutions; for `imagenet` fc1 and fc2 too.

    Raises:
        OptionError: see `head`.
    """
    if config.kind != "imagenet":
        return CONVOLUTIONS
    return (*CONVOLUTIONS, *_dropped(IMAGENET_TOP[:4], config.dropout))


def freeze(config: Head, unfreeze: str) -> tuple[tuple[Layer, ...], tuple[Layer, ...], tuple[Layer, ...]]:
    """The body of a head in three parts: what runs once per photo, what else is frozen, and what is trained.

    Frozen layers run once per photo, unless dropout makes them random, or they compute nothing. Then only the
    convolutions run once per photo; other heads can use their features too.

    Raises:
        OptionError: the body has no stage `unfreeze`.
    """
    layers = body(config)
    start = len(layers) if unfreeze == "head" else boundary(layers, unfreeze)
    behind = layers[len(CONVOLUTIONS) : start]
    random = any(isinstance(layer, Dropout) for layer in behind)
    computes = any(tensor_shapes(layer) for layer in behind)
    once = start if computes and not random else min(start, len(CONVOLUTIONS))
    return layers[:once], layers[once:start], layers[start:]


def head(config: Head, classes: int, *, features: Shape = (7, 7, 512)) -> tuple[Layer, ...]:
    """New layers on top of the pretrained ones, all in the stage `head`.

    Args:
        config: `gem` takes the generalized mean over positions, at unit length; `concat` the average and the
            maximum, `linear` the average; `fc` flattens and has hidden layers; `imagenet` is one layer behind
            the pretrained fc2.
        classes: their number; a `binary` output has one unit for two classes, a `value` output has none.
        features: shape of the input: (height, width, channels), or (units,) for `imagenet`.

    Raises:
        OptionError: the options do not go together, or not with the number of classes.
    """
    if classes < 2 and has_classes(config.output):
        raise OptionError("expected at least 2 classes, found {classes}", classes=classes)
    if config.output == "binary" and classes != 2:
        raise OptionError(
            "a binary output needs exactly 2 classes, found {classes}: choose the output category",
            classes=classes,
        )
    if not 0 <= config.dropout < 1:
        raise OptionError("expected a dropout from 0 to below 1, found {dropout}", dropout=config.dropout)
    if any(units < 1 for units in config.fc_units):
        raise OptionError("expected at least 1 unit in each layer, found {units}", units=min(config.fc_units))

    outputs = 1 if config.output in ("binary", "value") else classes
    layers: list[Layer]
    if config.kind != "fc" and config.fc_units:
        raise OptionError(
            "a {kind} head has no hidden layers: leave the units out or use fc", kind=config.kind
        )
    if config.kind == "imagenet":
        layers = list(_dropped((replace(_DROPOUT2, stage="head"),), config.dropout))
        units_in = 4096
    elif pool := POOLS.get(config.kind):
        layers = [pool, Rescale("rescale", "head")]
        (units_in,) = output_shape(pool, features)
    else:
        if not config.fc_units:
            raise OptionError("an fc head needs the units of at least one hidden layer")
        layers = [Flatten("flatten", "head"), Rescale("rescale", "head")]
        units_in = prod(features)
        for number, units in enumerate(config.fc_units, start=1):
            layers.append(Dense(f"fc{number}", "head", units_in, units, "relu"))
            layers.append(Dropout(f"dropout{number}", "head", config.dropout))
            units_in = units
    return (*layers, Dense("predictions", "head", units_in, outputs, "none"))


def _dropped(layers: Sequence[Layer], rate: float) -> tuple[Layer, ...]:
    """The layers with this dropout rate; without their dropout layers where it is zero."""
    return tuple(
        replace(layer, rate=rate) if isinstance(layer, Dropout) else layer
        for layer in layers
        if rate or not isinstance(layer, Dropout)
    )


def boundary(layers: Sequence[Layer], unfreeze: str) -> int:
    """The index of the first layer that is trained: where the stage `unfreeze` begins; 0 for `all`.

    Raises:
        OptionError: the table has no stage of that name.
    """
    if unfreeze == ALL:
        return 0
    for index, layer in enumerate(layers):
        if layer.stage == unfreeze:
            return index
    raise OptionError(
        "there is no stage {unfreeze!r}: expected one of {names}",
        unfreeze=unfreeze,
        names=", ".join(dict.fromkeys((*stages(layers), "head", ALL))),
    )


def split_at(layers: Sequence[Layer], unfreeze: str) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """The frozen prefix and the trainable suffix; see `boundary`."""
    index = boundary(layers, unfreeze)
    return tuple(layers[:index]), tuple(layers[index:])


@dataclass(frozen=True)
class LayerFacts:
    """One line of a description of an architecture, for one photo."""

    layer: Layer
    kind: str  # for people
    output_shape: Shape  # without the batch axis
    parameters: int  # that can be trained
    multiply_adds: int  # of the products; biases and activations are not counted
    receptive_field: int  # edge, in pixels, of the square that one output depends on, padding included


def describe(layers: Sequence[Layer], *, input_shape: Shape = (224, 224, 3)) -> list[LayerFacts]:
    """Shapes, parameters and costs of each layer, for one input of `input_shape` (height, width, channels).

    The receptive field is that of one output position; behind a layer that mixes all positions it is the
    longer side of the input.

    Raises:
        OptionError: a layer cannot take the output of the layer before it.
    """
    facts = []
    shape = input_shape
    field, step = 1, 1  # in pixels; `step` is the distance between neighbouring outputs
    for layer in layers:
        shape = output_shape(layer, shape)
        parameters = sum(prod(tensor) for tensor in tensor_shapes(layer).values())
        multiply_adds = 0
        match layer:
            case Conv():
                field += 2 * step
                multiply_adds = prod(shape) * 9 * layer.channels_in
            case MaxPool():
                field += step
                step *= 2
            case GlobalAveragePool() | GlobalConcatPool() | GlobalGemPool() | Flatten():
                field = max(input_shape)
            case Dense():
                field = max(input_shape)
                multiply_adds = layer.units_in * layer.units_out
            case Rescale():
                parameters = 0  # measured, not trained
        facts.append(LayerFacts(layer, kind(layer), shape, parameters, multiply_adds, field))
    return facts
