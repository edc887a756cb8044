"""Views of a photo: the photo as it is, its mirror image, and random crops in a slightly different light.

The number of a view and the digest of the photo's content decide what the view looks like, wherever it is
computed. The seed of a run has no part in it: the features of views are cached, and runs with other seeds and
predictions use them again. Views that no cache holds, see `catdog.training.drawn`, are decided by the seed
and the epoch instead of a number.

Crops as in C. Szegedy et al., Going Deeper with Convolutions, CVPR 2015, but of at least 0.35 of the area,
and with an aspect ratio relative to the photo's own: a crop is squashed at most a third more than the photo.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from catdog.config import Decoding

ZOOM = 2  # a view shows no part of a photo in a larger scale than so many times that of the whole photo

_AREA = 0.35, 1.0  # of the photo
_ASPECT = 3 / 4, 4 / 3
_LIGHT = 0.2  # brightness, contrast and saturation change by at most this fraction
_SALT = "catdog view 1"  # another one gives other views: raise DECODING_VERSION with it
_GRID = 2**16  # steps of a box: the last digits of a power differ between machines
LUMA = np.array([299, 587, 114])  # thousandths of red, green and blue, ITU-R BT.601

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class View:
    """What is done to a photo.

    Attributes:
        box: the part of the photo that is shown, as fractions of its width and height.
        mirrored: left and right exchanged, as the last step.
        light: factors of brightness, contrast and saturation; None changes nothing.
    """

    box: Box = (0.0, 0.0, 1.0, 1.0)
    mirrored: bool = False
    light: tuple[float, float, float] | None = None

    def within(self, region: Box) -> Box:
        """The box in pixels, where `region` would be the whole photo."""
        left, top, right, bottom = region
        width, height = right - left, bottom - top
        return (
            left + width * self.box[0],
            top + height * self.box[1],
            left + width * self.box[2],
            top + height * self.box[3],
        )


def view_of(number: int, digest: str) -> View:
    """The view with that number, of the photo whose content has the SHA-256 `digest`, hex.

    0 is the photo as it is and 1 its mirror image. Further ones show 0.35 to 1 of the area, with 3/4 to 4/3
    of the aspect ratio, half of them mirrored, brightness, contrast and saturation changed by at most 20 %.
    """
    if number < 2:
        return View(mirrored=number == 1)
    return _drawn(f"{number}:{digest}")


def view_in_epoch(seed: int, epoch: int, digest: str) -> View:
    """A view that is drawn like those from 2 on, for one epoch of a training with that seed."""
    return _drawn(f"{seed}:{epoch}:{digest}")


def _drawn(name: str) -> View:
    """The view of that name, the same on every machine."""
    drawn = hashlib.sha256(f"{_SALT}:{name}".encode()).digest()
    chance = [int.from_bytes(drawn[start : start + 4], "big") / 2**32 for start in range(0, 32, 4)]
    area = _between(*_AREA, chance[0])
    lowest, highest = (
        max(_ASPECT[0], area),
        min(_ASPECT[1], 1 / area),
    )  # neither side is longer than the photo's
    aspect = lowest * (highest / lowest) ** chance[1]
    width, height = (round(side**0.5 * _GRID) for side in (area * aspect, area / aspect))
    left, top = (
        round((_GRID - side) * part) for side, part in zip((width, height), chance[2:4], strict=True)
    )
    box = left / _GRID, top / _GRID, (left + width) / _GRID, (top + height) / _GRID
    brightness, contrast, saturation = (_between(1 - _LIGHT, 1 + _LIGHT, part) for part in chance[5:])
    return View(box, chance[4] < 0.5, (brightness, contrast, saturation))


def averaged(trained: tuple[Decoding, ...], *, tta: bool | None = None) -> tuple[Decoding, ...]:
    """The decodings of a photo that a prediction is the mean of (test-time augmentation).

    Those of the training; if that is one, the photo and its mirror image.

    Args:
        trained: those of the training.
        tta: whether to average at all; None is as in training, and as the validation loss was computed.
    """
    if tta and len(trained) == 1:
        return (*trained, replace(trained[0], view=1))
    return trained[:1] if tta is False else trained


def relit(pixels: npt.NDArray[np.uint8], light: tuple[float, float, float]) -> npt.NDArray[np.uint8]:
    """The pixels (h, w, 3) with brightness, contrast and saturation multiplied by these factors."""
    brightness, contrast, saturation = light
    grey = (pixels.astype(np.int64) @ LUMA)[..., None]  # whole thousandths: the mean is the same everywhere
    mean = grey.sum() / grey.size / 1000
    coloured = grey / 1000 + (pixels - grey / 1000) * saturation
    return np.clip(np.rint((mean + (coloured - mean) * contrast) * brightness), 0, 255).astype(np.uint8)


def _between(low: float, high: float, part: float) -> float:
    return low + (high - low) * part
