"""A heat map on top of a photo, and pixels as the bytes of a JPEG file."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from catdog.config import Decoding

Pixels = npt.NDArray[np.uint8]
Heat = npt.NDArray[np.float32]

# Dark violet, magenta, orange, pale yellow: brightness grows, so the map is readable without colours.
_RAMP = np.array([(40, 11, 84), (159, 42, 99), (237, 105, 37), (252, 255, 164)], np.float32)
_STRONGEST = 0.7  # opacity where the heat is 1: the photo stays visible


def lay_over(pixels: Pixels, heat: Heat, decoding: Decoding) -> Pixels:
    """The photo with the heat map over it, (height, width, 3); pixels without heat do not change.

    Args:
        pixels: the whole photo upright, (height, width, 3).
        heat: (h, w), 0…1, of the square that was the network's input.
        decoding: how that square was made from the photo.
    """
    spread = _on_photo(heat, pixels.shape[:2], decoding)
    opacity = _STRONGEST * spread[..., None]
    steps = np.linspace(0, 1, len(_RAMP))
    colours = np.stack([np.interp(spread, steps, channel) for channel in _RAMP.T], axis=-1).astype(np.float32)
    mixed = pixels * (1 - opacity) + colours * opacity
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def to_jpeg(pixels: Pixels, *, quality: int = 85) -> bytes:
    """The pixels (height, width, 3) as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _on_photo(heat: Heat, shape: tuple[int, ...], decoding: Decoding) -> Heat:
    """The heat map at the photo's (height, width); 0 outside a crop."""
    height, width = shape
    if decoding.resize == "squash":
        return _enlarged(heat, width, height)
    side = min(shape) if decoding.resize == "crop" else max(shape)
    square = _enlarged(heat, side, side)
    top, left = abs(height - side) // 2, abs(width - side) // 2
    if decoding.resize == "pad":
        return square[top : top + height, left : left + width]
    return np.pad(square, ((top, height - side - top), (left, width - side - left)))


def _enlarged(heat: Heat, width: int, height: int) -> Heat:
    picture = Image.fromarray(heat.astype(np.float32))
    return np.clip(np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)), 0, 1)
