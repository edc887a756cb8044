"""Whether the terminal can show pictures, and showing one by Kitty's protocol or as Sixel: textual-image.

The terminal is asked once, by questions that every terminal answers or swallows: the answer to the last one,
what kind of terminal it is, says that no other will come. So nothing is left behind for the shell to read,
and nothing waits for a terminal that stays silent.
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
_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"  # may a picture of one pixel be shown?
_KIND = b"\x1b[c"
_KIND_ANSWER = re.compile(rb"\x1b\[\?([\d;]*)c")
_SIXEL = b"4"  # in the answer to that: can show Sixel
_SECONDS = 1.0  # for an answer: the terminal may be far away


@cache
def protocol() -> Protocol | None:
    """How pictures can be shown on stdout; None is by characters only, or nothing is known.

    The terminal is asked only where stdout is one and textual-image is there to make use of the answer.
    """
    plain = console.out.is_dumb_terminal or "NO_COLOR" in os.environ
    if plain or not sys.stdout.isatty() or find_spec(_LIBRARY) is None or _cell() is None:
        return None
    answer = _ask()
    kind = _KIND_ANSWER.search(answer)
    if b"\x1b_Gi=31;OK" in answer:
        return "kitty"
    return "sixel" if kind and _SIXEL in kind[1].split(b";") else None


def show(pixels: np.ndarray, columns: int, by: Protocol) -> None:
    """Print a picture, (height, width, 3) uint8, on stdout, at most so many cells wide and never too high."""
    cell_width, cell_height = _cell() or (1, 2)
    height, width = pixels.shape[:2]
    rows = max(1, console.out.height - 2)  # a higher one would scroll away while it is drawn
    columns = max(1, min(columns, rows * cell_height * width // (height * cell_width)))
    picture = io.BytesIO(to_jpeg(pixels, quality=95))
    console.out.print(_renderable("tgp" if by == "kitty" else "sixel")(picture, width=columns, height="auto"))


def _renderable(name: str) -> Any:
    # Where stdout is a terminal, the library asks it as soon as it is imported, and in a way that may
    # leave answers behind. It has been asked.
    kept, sys.__stdout__ = sys.__stdout__, None  # pyright: ignore
    try:
        return importlib.import_module(f"{_LIBRARY}.renderable.{name}").Image
    finally:
        sys.__stdout__ = kept  # pyright: ignore


def _cell() -> tuple[int, int] | None:
    """Width and height of a cell in pixels; None where the system does not know: the library would ask."""
    try:
        import fcntl
        import termios

        size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    except (ImportError, OSError):  # Windows; no terminal after all
        return None
    rows, columns, width, height = struct.unpack("HHHH", size)
    if not (rows and columns and width // columns and height // rows):
        return None
    return width // columns, height // rows


def _ask() -> bytes:
    """What the terminal answers; empty where this process is not in its foreground."""
    import termios
    import tty

    # tmux and screen take what Kitty is asked for the title of a window.
    multiplexed = "TMUX" in os.environ or os.environ.get("TERM", "").startswith(("tmux", "screen"))
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        if os.tcgetpgrp(terminal) != os.getpgrp():
            return b""  # in the background, it would be stopped
        before = termios.tcgetattr(terminal)
        try:
            tty.setcbreak(terminal, termios.TCSANOW)
            os.write(terminal, _KIND if multiplexed else _KITTY + _KIND)
            return _read_answer(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSANOW, before)
    except (OSError, termios.error):
        return b""
    finally:
        os.close(terminal)


def _read_answer(terminal: int) -> bytes:
    import select

    answer, end = b"", time.monotonic() + _SECONDS
    while not _KIND_ANSWER.search(answer):
        left = end - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            break
        answer += os.read(terminal, 1)  # no more than the answer: what is typed is for the shell
    return answer
