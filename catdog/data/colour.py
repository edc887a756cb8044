"""Any kind of pixels that a photo can have, as 8-bit RGB."""

import numpy as np
from PIL import Image

from catdog.errors import PhotoError

_WHITE = (255, 255, 255)


def to_rgb(photo: Image.Image) -> Image.Image:
    """`photo`, its pixels loaded, in mode RGB, same size; `photo` itself where it is RGB already.

    Transparency is composited on white. 16-bit grey is scaled, 65535 to 255, not clipped. 32-bit
    integers are taken as 16-bit values (a PGM comes so) and floats as 0…1. CMYK, YCbCr, LAB and HSV
    are converted without the file's colour profile. CMYK in a JPEG counts as inverted, with or
    without Adobe's marker: browsers agree on that, and so does Pillow.

    Raises:
        PhotoError: integers outside 0…65535, or floats outside 0…1: their scale is anybody's guess.
    """
    if photo.mode == "I" or photo.mode.startswith("I;16"):
        return _from_grey(_sixteen_to_eight(photo), photo)
    if photo.mode == "F":
        return _from_grey(_unit_to_eight(photo), photo)
    if photo.has_transparency_data:
        return _on_white(photo)
    return photo if photo.mode == "RGB" else photo.convert("RGB")


def _sixteen_to_eight(photo: Image.Image) -> np.ndarray:
    grey = np.asarray(photo)
    if grey.min() < 0 or grey.max() > 65535:
        raise PhotoError(f"32-bit integer pixels from {grey.min()} to {grey.max()}: expected 0 to 65535")
    return ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 257 × 255


def _unit_to_eight(photo: Image.Image) -> np.ndarray:
    grey = np.asarray(photo)
    if not (grey.min() >= 0 and grey.max() <= 1):  # so written, NaN is refused too
        raise PhotoError(f"float pixels from {grey.min():g} to {grey.max():g}: expected 0 to 1")
    return np.rint(grey * 255).astype(np.uint8)


def _from_grey(grey: np.ndarray, photo: Image.Image) -> Image.Image:
    """`grey` (height, width) uint8 as RGB; what `photo` declares transparent becomes white."""
    transparent = photo.info.get("transparency")
    if isinstance(transparent, int):
        grey = np.where(np.asarray(photo) == transparent, np.uint8(255), grey)
    return Image.fromarray(grey).convert("RGB")


def _on_white(photo: Image.Image) -> Image.Image:
    # Pillow has no direct way from premultiplied grey.
    rgba = (photo.convert("LA") if photo.mode == "La" else photo).convert("RGBA")
    canvas = Image.new("RGB", photo.size, _WHITE)
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas
