"""A photo in the terminal: as a picture where the terminal can show one, otherwise two pixels per character.

In "▀", the upper pixel is the foreground and the lower pixel is the background. Pictures are drawn with
textual-image, by Kitty's protocol or as Sixel. The terminal is queried once. Every terminal responds to the
last query, for its type; after that response no other comes. So nothing is left for the shell to read, and a
terminal that does not respond is not waited for.
"""

import importlib
import io
import os
import re
import struct
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cache
from importlib.util import find_spec
from typing import Literal

import numpy as np
from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style

from catdog.cli import console
from catdog.data.overlay import to_jpeg

_COLUMNS = 48
_PIXELS = 768  # at most, of a picture's longer side
_LIBRARY = "textual_image"
_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"  # queries whether a picture of one pixel can be shown
_TYPE = b"\x1b[c"
_TYPE_RESPONSE = re.compile(rb"\x1b\[\?([\d;]*)c")
_SIXEL = b"4"  # in that response: can show Sixel
_SECONDS = 1.0  # to wait for a response: the connection to the terminal may be slow


def draw_photo(photo: Callable[[int], np.ndarray]) -> None:
    """Print the whole photo on stdout, its aspect ratio kept, as wide as fits.

    Args:
        photo: gives (height, width, 3) uint8 with a longer side of at most as many pixels as its argument;
            raises PhotoError.
    """
    columns = max(2, min(_COLUMNS, console.out.width))
    if renderable := _protocol():
        _draw_picture(photo(_PIXELS), columns, renderable)
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


def _draw_picture(pixels: np.ndarray, columns: int, renderable: str) -> None:
    """Draw at most `columns` wide and as high as the screen."""
    cell_width, cell_height = _cell() or (1, 2)
    height, width = pixels.shape[:2]
    rows = max(1, console.out.height - 2)  # a higher picture would scroll away while it is drawn
    columns = max(1, min(columns, rows * cell_height * width // (height * cell_width)))
    picture = io.BytesIO(to_jpeg(pixels, quality=95))
    # Where stdout is a terminal, the library queries it as soon as it is imported, and may leave responses
    # behind. Here the terminal has been queried already.
    stdout, sys.__stdout__ = sys.__stdout__, None  # pyright: ignore
    try:
        image = importlib.import_module(f"{_LIBRARY}.renderable.{renderable}").Image
    finally:
        sys.__stdout__ = stdout  # pyright: ignore
    console.out.print(image(picture, width=columns, height="auto"))


@cache
def _protocol() -> Literal["tgp", "sixel"] | None:
    """How pictures can be shown on stdout, as the library calls it; None where they cannot, or it is unknown.

    The terminal is queried only where stdout is a terminal and textual-image is installed.
    """
    plain = console.out.is_dumb_terminal or "NO_COLOR" in os.environ
    if plain or not sys.stdout.isatty() or find_spec(_LIBRARY) is None or _cell() is None:
        return None
    response = _query()
    features = _TYPE_RESPONSE.search(response)
    if b"\x1b_Gi=31;OK" in response:
        return "tgp"  # Kitty's
    return "sixel" if features and _SIXEL in features[1].split(b";") else None


def _cell() -> tuple[int, int] | None:
    """Width and height of a cell in pixels; None where the system does not know them."""
    try:
        import fcntl
        import termios

        size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    except (ImportError, OSError):  # Windows; or stdout is not a terminal
        return None
    rows, columns, width, height = struct.unpack("HHHH", size)
    if not (rows and columns and width // columns and height // rows):
        return None
    return width // columns, height // rows


def _query() -> bytes:
    """The terminal's response; empty where this process is not in the foreground."""
    import termios
    import tty

    # tmux and screen take the query of Kitty for the title of a window.
    multiplexed = "TMUX" in os.environ or os.environ.get("TERM", "").startswith(("tmux", "screen"))
    with suppress(OSError, termios.error), ExitStack() as stack:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        stack.callback(os.close, terminal)
        if os.tcgetpgrp(terminal) == os.getpgrp():  # a background process would be stopped
            stack.callback(termios.tcsetattr, terminal, termios.TCSANOW, termios.tcgetattr(terminal))
            tty.setcbreak(terminal, termios.TCSANOW)
            os.write(terminal, _TYPE if multiplexed else _KITTY + _TYPE)
            return _read_response(terminal)
    return b""


def _read_response(terminal: int) -> bytes:
    import select

    response, end = b"", time.monotonic() + _SECONDS
    while not _TYPE_RESPONSE.search(response):
        left = end - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            break
        response += os.read(terminal, 1)  # and not more: what is typed meanwhile is for the shell
    return response
