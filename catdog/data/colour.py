"""Pixels of every mode that a photo can have, as 8-bit RGB.

Where that takes several steps, they are done strip by strip: beside the photo and the result (4 bytes a
pixel) hardly any memory is needed. With a copy of the whole photo for each step, 169 million pixels took 2.2
GB.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from PIL import Image

from catdog.errors import PhotoError

STRIP = 1 << 18  # pixels, of a photo with shorter rows


def to_rgb(photo: Image.Image) -> Image.Image:
    """`photo`, its pixels loaded, in mode RGB, same size; `photo` itself where it is RGB already.

    Transparency is composited on white. 16-bit grey is scaled, 65535 to 255, not clipped. 32-bit
    integers are taken as 16-bit values (a PGM comes so) and floats as 0…1. CMYK, YCbCr, LAB and HSV
    are converted without the file's colour profile. CMYK in a JPEG counts as inverted, with or
    without Adobe's marker: browsers agree on that, and so does Pillow.

    Raises:
        PhotoError: integers outside 0…65535, or floats outside 0…1: their scale is unknown.
    """
    if photo.mode == "I" or photo.mode.startswith("I;16"):
        low, high = _extremes(photo) if photo.mode == "I" else (0, 65535)
        if low < 0 or high > 65535:
            raise PhotoError(
                "32-bit integer pixels from {low} to {high}: expected 0 to 65535", low=low, high=high
            )
        return _in_strips(photo, partial(_from_grey, to_eight=_sixteen_to_eight))
    if photo.mode == "F":
        low, high = _extremes(photo)
        if not (low >= 0 and high <= 1):  # in this form, NaN is refused too
            raise PhotoError("float pixels from {low:g} to {high:g}: expected 0 to 1", low=low, high=high)
        return _in_strips(photo, partial(_from_grey, to_eight=lambda grey: np.rint(grey * 255)))
    if photo.has_transparency_data:
        return _in_strips(photo, _on_white)
    return photo if photo.mode == "RGB" else photo.convert("RGB")


def _in_strips(photo: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert a photo to mode RGB; `convert` looks at each pixel alone."""
    whole = Image.new("RGB", photo.size)
    for top, strip in _strips(photo):
        whole.paste(convert(strip), (0, top))
    return whole


def _strips(photo: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(top row, strip) from the top to the bottom."""
    width, height = photo.size
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        yield top, photo.crop((0, top, width, min(top + rows, height)))


def _extremes(photo: Image.Image) -> tuple[float, float]:
    """The least and the greatest value; NaN where there is one."""
    found = [(values.min(), values.max()) for _, strip in _strips(photo) for values in [np.asarray(strip)]]
    return np.min([low for low, _ in found]).item(), np.max([high for _, high in found]).item()


def _sixteen_to_eight(grey: np.ndarray) -> np.ndarray:
    return (grey.astype(np.uint32) + 128) // 257  # 65535 = 257 × 255


def _from_grey(strip: Image.Image, to_eight: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    """Grey of more than 8 bits as RGB; transparent pixels become white."""
    values = np.asarray(strip)
    grey = to_eight(values).astype(np.uint8)
    if isinstance(transparent := strip.info.get("transparency"), int):
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def _on_white(strip: Image.Image) -> Image.Image:
    # Pillow cannot convert premultiplied grey to RGBA directly.
    rgba = (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")
    canvas = Image.new("RGB", strip.size, (255, 255, 255))
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas
