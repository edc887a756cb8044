"""From the pixels of a photo to the numbers that pretrained weights were trained on.

The weights decide which recipe is right, not the user. The arithmetic uses only what NumPy and JAX arrays
have in common: this file does not import jax, but runs inside jit.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from catdog.errors import OptionError

if TYPE_CHECKING:
    import jax
    from jax.typing import DTypeLike


class Preprocessing(StrEnum):
    """The recipes, by their names in Keras.

    `Preprocessing(name)` raises an OptionError for an unknown name.
    """

    CAFFE = "caffe"  # of the VGG authors and of Keras: BGR from 0 to 255, minus the mean
    TORCH = "torch"  # of torchvision and timm: RGB from 0 to 1, minus the mean, divided by the deviation

    @classmethod
    def _missing_(cls, value: object) -> "Preprocessing":
        names = ", ".join(cls)
        raise OptionError(
            "unknown preprocessing {value!r}: expected one of {names}", value=value, names=names
        )


@dataclass(frozen=True)
class _Recipe:
    """The result is (pixels / largest - mean) / deviation, in this order of channels."""

    channels: tuple[int, int, int]  # where each channel of the result is in RGB
    largest: float  # that pixels are divided by
    mean: tuple[float, float, float]  # in the order of the result
    deviation: tuple[float, float, float]


_RECIPES = {
    Preprocessing.CAFFE: _Recipe((2, 1, 0), 1.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    Preprocessing.TORCH: _Recipe((0, 1, 2), 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def constants_of(kind: Preprocessing | str) -> tuple[tuple[int, int, int], np.ndarray, np.ndarray]:
    """A recipe as (channels, scale, offset): the result is rgb[channels] · scale + offset.

    Raises:
        OptionError: there is no such recipe.
    """
    recipe = _RECIPES[Preprocessing(kind)]
    deviation = np.array(recipe.deviation)
    scale = 1 / (recipe.largest * deviation)
    return recipe.channels, scale.astype(np.float32), (-np.array(recipe.mean) / deviation).astype(np.float32)


def preprocess(
    images_bhwc: "jax.Array", kind: Preprocessing | str, dtype: "DTypeLike" = np.float32
) -> "jax.Array":
    """The input of the first convolution, (batch, height, width, 3).

    Args:
        images_bhwc: (batch, height, width, 3), uint8, RGB.
        kind: the recipe of the weights.
        dtype: of the result. The arithmetic is in float32 and rounds once, at the end.

    Raises:
        OptionError: there is no such recipe.
    """
    recipe = _RECIPES[Preprocessing(kind)]
    x_bhwc = images_bhwc[..., list(recipe.channels)].astype(np.float32)
    x_bhwc = x_bhwc / np.float32(recipe.largest) - np.array(recipe.mean, np.float32)
    return (x_bhwc / np.array(recipe.deviation, np.float32)).astype(dtype)
