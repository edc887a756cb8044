"""A photo in the terminal: two pixels a character cell, the upper as its foreground, the lower behind it."""

from pathlib import Path

import numpy as np
from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style

from catdog.cli import look
from catdog.config import Decoding
from catdog.data import decode

_COLUMNS = 48


def draw_photo(path: Path) -> None:
    """Print the whole photo on stdout, its aspect ratio kept, as wide as fits.

    Raises:
        PhotoError: it cannot be read.
    """
    side = max(2, min(_COLUMNS, look.out.width)) // 2 * 2
    pixels = decode(path, Decoding(size=side, resize="pad"))
    rows, columns = (np.flatnonzero(pixels.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    if len(rows):  # without the black that pads it to a square
        top = rows[0] // 2 * 2
        pixels = pixels[top : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if len(pixels) % 2:
        pixels = pixels[:-1]
    segments: list[Segment] = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        for front, back in zip(upper.tolist(), lower.tolist(), strict=True):
            segments.append(Segment("▀", Style(color=Color.from_rgb(*front), bgcolor=Color.from_rgb(*back))))
        segments.append(Segment.line())
    look.out.print(Segments(segments), end="")
