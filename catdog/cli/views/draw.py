"""A photo in the terminal: as a picture where the terminal can show one, otherwise two pixels per character.

In "▀", the upper pixel is the foreground and the lower pixel is the background.
"""

from collections.abc import Callable

import numpy as np
from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style

from catdog.cli import console
from catdog.cli.views import graphics

_COLUMNS = 48
_PIXELS = 768  # at most, of a picture's longer side


def draw_photo(photo: Callable[[int], np.ndarray]) -> None:
    """Print the whole photo on stdout, its aspect ratio kept, as wide as fits.

    Args:
        photo: gives (height, width, 3) uint8 with a longer side of at most as many pixels as its argument.

    Raises:
        PhotoError: it cannot be read.
    """
    columns = max(2, min(_COLUMNS, console.out.width))
    if by := graphics.protocol():
        graphics.show(photo(_PIXELS), columns, by)
    else:
        _draw_cells(photo(columns // 2 * 2))


def _draw_cells(pixels: np.ndarray) -> None:
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, pixels[-1:]])
    segments: list[Segment] = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        for front, back in zip(upper.tolist(), lower.tolist(), strict=True):
            segments.append(Segment("▀", Style(color=Color.from_rgb(*front), bgcolor=Color.from_rgb(*back))))
        segments.append(Segment.line())
    console.out.print(Segments(segments), end="")
