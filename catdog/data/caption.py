"""A photo with a strip of text below it."""

import os
import re
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from catdog.text import spelt

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_HEIGHT = 24  # pixels of a letter, where the photo is wide enough
_SMALLEST = 9
_INK, _PAPER = (255, 255, 255), (24, 24, 24)
_MISSING = "\U0010fffd"  # in no font: it is drawn like every letter that a font lacks

# Where systems keep fonts, and the names of fonts with many scripts, the best first.
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
_FOLDERS += ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts", "C:/Windows/Fonts")
_WIDE = ("notosanscjk-regular", "notosanscjk", "applesdgothicneo", "malgun", "nanumgothic", "notosanskr")
_WIDE += ("arial unicode", "arialuni", "unifont", "dejavusans", "notosans-regular")
_FONT = re.compile(rf"({'|'.join(_WIDE)}).*\.(?:ttf|ttc|otf)", re.IGNORECASE | re.ASCII)


def captioned(pixels: npt.NDArray[np.uint8], *texts: str) -> npt.NDArray[np.uint8]:
    """The photo (height, width, 3) with text in a strip below it: (height + strip, width or more, 3).

    The text is in one line, which is made smaller until it fits. It is the first of `texts` whose letters the
    fonts of the system all have. If there is none, it is the first: with code points, such as [U+AC00].
    """
    height, width = pixels.shape[:2]
    size = _HEIGHT
    text = next((text for text in texts if _has_all(_font_for(text, size), text)), texts[0])
    while True:
        font = _font_for(text, size)
        shown = spelt(text, partial(_has, font))
        left, top, right, bottom = (round(edge) for edge in font.getbbox(shown))
        if size == _SMALLEST or right - left + size <= width:
            break
        size -= 1
    ascent = round(size * 1.7)
    canvas = Image.new("RGB", (max(width, right - left + size), height + ascent), _PAPER)
    canvas.paste(Image.fromarray(pixels), ((canvas.width - width) // 2, 0))
    middle = height + (ascent - (bottom - top)) // 2
    ImageDraw.Draw(canvas).text((size // 2 - left, middle - top), shown, fill=_INK, font=font)
    return np.array(canvas)


def _font_for(text: str, size: int) -> Font:
    """Pillow's own font if it has all letters, else the first font of the system that has them."""
    own = ImageFont.load_default(size)
    if _has_all(own, text):
        return own
    for path in _system_fonts():
        try:
            font = ImageFont.truetype(path, size)
        except OSError:
            continue
        if _has_all(font, text):
            return font
    return own


def _has_all(font: Font, text: str) -> bool:
    return all(_has(font, letter) for letter in set(text))


def _has(font: Font, letter: str) -> bool:
    return letter.isspace() or _drawn(font, letter) != _drawn(font, _MISSING)


def _drawn(font: Font, letter: str) -> bytes:
    canvas = Image.new("L", (3 * _HEIGHT, 3 * _HEIGHT))
    ImageDraw.Draw(canvas).text((0, 0), letter, fill=255, font=font)
    return canvas.tobytes()


@cache
def _system_fonts() -> tuple[str, ...]:
    """Font files with many scripts, the best first."""
    found = [
        (_WIDE.index(font[1].lower()), os.path.join(place, font.string))
        for folder in _FOLDERS
        for place, _, names in os.walk(Path(folder).expanduser())
        for font in filter(None, map(_FONT.fullmatch, names))
    ]
    return tuple(path for _, path in sorted(found))
