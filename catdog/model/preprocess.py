"""From the pixels of a photo to the numbers that a set of pretrained weights was trained on.

Which of the recipes is right belongs to the weights, never to the user. The arithmetic uses what
numpy and jax arrays have in common, so this file does not import jax, and yet runs inside jit.
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
    """The recipes there are, by the names that Keras gives them; in JSON, the name.

    `Preprocessing(name)` raises an OptionError for a name that it does not know.
    """

    CAFFE = "caffe"  # the Oxford group's own, and Keras': BGR of 0..255, minus the mean
    TORCH = "torch"  # torchvision's and timm's: RGB of 0..1, minus the mean, over the deviation

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
    largest: float  # what a pixel of 255 is divided by
    mean: tuple[float, float, float]  # in the order of the result
    deviation: tuple[float, float, float]


_RECIPES = {
    Preprocessing.CAFFE: _Recipe((2, 1, 0), 1.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    Preprocessing.TORCH: _Recipe((0, 1, 2), 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def constants_of(kind: Preprocessing | str) -> tuple[tuple[int, int, int], np.ndarray, np.ndarray]:
    """The same as one product and one sum, rgb[channels] · scale + offset: (channels, scale, offset).

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
    """What the first convolution takes.

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
