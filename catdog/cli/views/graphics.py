"""Pictures in terminals that can show them, by Kitty's protocol or as Sixel, with textual-image.

The terminal is queried once. Every terminal responds to the last query, for its type; after that response no
other comes. So nothing is left for the shell to read, and a terminal that does not respond is not waited for.
"""

import importlib
import io
import os
import re
import struct
import sys
import time
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from catdog.cli import console
from catdog.data.overlay import to_jpeg

Protocol = Literal["kitty", "sixel"]

_LIBRARY = "textual_image"
_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"  # queries whether a picture of one pixel can be shown
_TYPE = b"\x1b[c"
_TYPE_RESPONSE = re.compile(rb"\x1b\[\?([\d;]*)c")
_SIXEL = b"4"  # in that response: can show Sixel
_SECONDS = 1.0  # to wait for a response: the connection to the terminal may be slow


@cache
def protocol() -> Protocol | None:
    """How pictures can be shown on stdout; None where they cannot, or where that is unknown.

    The terminal is queried only where stdout is a terminal and textual-image is installed.
    """
    plain = console.out.is_dumb_terminal or "NO_COLOR" in os.environ
    if plain or not sys.stdout.isatty() or find_spec(_LIBRARY) is None or _cell() is None:
        return None
    response = _query()
    features = _TYPE_RESPONSE.search(response)
    if b"\x1b_Gi=31;OK" in response:
        return "kitty"
    return "sixel" if features and _SIXEL in features[1].split(b";") else None


def show(pixels: np.ndarray, columns: int, by: Protocol) -> None:
    """Print a picture, (height, width, 3) uint8, at most `columns` wide and as high as the screen."""
    cell_width, cell_height = _cell() or (1, 2)
    height, width = pixels.shape[:2]
    rows = max(1, console.out.height - 2)  # a higher picture would scroll away while it is drawn
    columns = max(1, min(columns, rows * cell_height * width // (height * cell_width)))
    picture = io.BytesIO(to_jpeg(pixels, quality=95))
    console.out.print(_renderable("tgp" if by == "kitty" else "sixel")(picture, width=columns, height="auto"))


def _renderable(name: str) -> Any:
    # Where stdout is a terminal, the library queries it as soon as it is imported, and may leave responses
    # behind. Here the terminal has been queried already.
    stdout, sys.__stdout__ = sys.__stdout__, None  # pyright: ignore
    try:
        return importlib.import_module(f"{_LIBRARY}.renderable.{name}").Image
    finally:
        sys.__stdout__ = stdout  # pyright: ignore


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
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        if os.tcgetpgrp(terminal) != os.getpgrp():
            return b""  # a background process would be stopped
        before = termios.tcgetattr(terminal)
        try:
            tty.setcbreak(terminal, termios.TCSANOW)
            os.write(terminal, _TYPE if multiplexed else _KITTY + _TYPE)
            return _read_response(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSANOW, before)
    except (OSError, termios.error):
        return b""
    finally:
        os.close(terminal)


def _read_response(terminal: int) -> bytes:
    import select

    response, end = b"", time.monotonic() + _SECONDS
    while not _TYPE_RESPONSE.search(response):
        left = end - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            break
        response += os.read(terminal, 1)  # and not more: what is typed meanwhile is for the shell
    return response
