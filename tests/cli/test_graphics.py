"""`catdog predict --show` in terminals that show pictures: a pseudo-terminal that responds as they do."""

import base64
import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog.data import decode_for_people
from catdog.runs import Run
from tests.cli.conftest import SAMPLE

PHOTO = SAMPLE / "photos" / "Russian_Blue_101.jpg"
ASKED_KIND = b"\x1b[c"
ASKED_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"


# Makes stdin its controlling terminal, and becomes Python.
_LAUNCHER = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-W", "error", *sys.argv[1:]])
"""

pytestmark = pytest.mark.slow


def _in_terminal(
    *arguments: object,
    kitty: bool = False,
    kind: bytes = b"62;22",
    cell: tuple[int, int] = (10, 20),
    **more: str,
) -> bytes:
    """What `catdog predict PHOTO --show` writes to a terminal of 80 × 30 cells that responds like this."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 80 * cell[0], 30 * cell[1]))
    environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | more
    environment.pop("TMUX", None)
    if "TMUX" in more:
        environment["TMUX"] = more["TMUX"]
    command = [sys.executable, "-c", _LAUNCHER, "-m", "catdog", "predict", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdin=side, stdout=side, stderr=subprocess.PIPE, env=environment, start_new_session=True
    )
    os.close(side)
    written, responses, end = b"", 0, time.monotonic() + 120
    while time.monotonic() < end:
        if not select.select([main], [], [], 0.2)[0]:
            continue
        try:
            written += os.read(main, 1 << 16)
        except OSError:  # the other side is closed
            break
        if kind and written.count(ASKED_KIND) > responses:
            responses += 1
            os.write(
                main,
                (b"\x1b_Gi=31;OK\x1b\\" if kitty and ASKED_KITTY in written else b"")
                + b"\x1b[?"
                + kind
                + b"c",
            )
    assert process.stderr
    errors = process.stderr.read()
    assert process.wait(10) == 0, errors
    process.stderr.close()
    os.close(main)
    return written


@pytest.fixture
def arguments(trained: Run) -> tuple[str, ...]:
    return (str(PHOTO), "--show", "--model", str(trained.folder))


def _likeness(found: np.ndarray) -> float:
    """How alike a picture and the photo are: correlation of their pixels, small."""
    photo = Image.fromarray(decode_for_people(PHOTO, side=64)).resize((32, 24))
    small = Image.fromarray(found).resize((32, 24))
    return float(np.corrcoef(np.asarray(photo).ravel(), np.asarray(small).ravel())[0, 1])


def test_kitty_gets_the_photo_itself(arguments: tuple[str, ...]) -> None:
    written = _in_terminal(*arguments, kitty=True)
    parts = re.findall(rb"\x1b_G([^;]*i=\d+[^;]*);([^\x1b]*)\x1b\\", written.replace(ASKED_KITTY, b""))
    assert all(b"q=2" in options for options, _ in parts)  # no response that would be left for the shell
    picture = Image.open(io.BytesIO(base64.b64decode(b"".join(data for _, data in parts))))
    assert picture.width == 480  # 48 cells
    assert abs(picture.width / picture.height - 480 / 384) < 0.05
    assert _likeness(np.asarray(picture.convert("RGB"))) > 0.95
    assert "\U0010eeee".encode() in written  # the cells that it lies in
    assert "▀".encode() not in written
    assert PHOTO.name.encode() in written.splitlines()[-1]


def test_sixel_is_drawn(arguments: tuple[str, ...]) -> None:
    written = _in_terminal(*arguments, kind=b"62;4;22")
    (sixel,) = re.findall(rb"\x1bP[\d;]*q(.*?)\x1b\\", written, re.DOTALL)
    assert _likeness(_drawn(sixel)) > 0.95
    assert "▀".encode() not in written
    assert PHOTO.name.encode() in written.splitlines()[-1]


def _drawn(sixel: bytes) -> np.ndarray:
    """The picture that a terminal would draw, (height, width, 3)."""
    size = re.match(rb'"\d+;\d+;(\d+);(\d+)', sixel)
    assert size
    width, height = int(size[1]), int(size[2])
    pixels = np.zeros((height + 6, width, 3), np.uint8)
    colours: dict[int, tuple[int, ...]] = {}
    x = y = chosen = 0
    for token in re.findall(rb"#\d+(?:;\d+)*|!\d+.|[$-]|[?-~]", sixel[size.end() :]):
        if token[:1] == b"#":
            chosen, *rest = map(int, token[1:].split(b";"))
            if rest:
                assert rest[0] == 2  # RGB in per cent
                colours[chosen] = tuple(round(percent * 2.55) for percent in rest[1:])
        elif token == b"$":
            x = 0
        elif token == b"-":
            x, y = 0, y + 6
        else:
            times = int(token[1:-1]) if token[:1] == b"!" else 1
            for bit in range(6):
                if (token[-1] - 63) >> bit & 1:
                    pixels[y + bit, x : x + times] = colours[chosen]
            x += times
    return pixels[:height]


@pytest.mark.parametrize(
    "terminal",
    [
        {"kind": b"62;22"},  # no pictures
        {"kind": b""},  # does not respond
        {"kitty": True, "cell": (0, 0)},  # does not report the size of a cell
        {"kitty": True, "TMUX": "/tmp/tmux,1,0"},  # which takes the query for a title
    ],
    ids=["plain", "silent", "cells of unknown size", "tmux"],
)
def test_other_terminals_get_half_blocks(arguments: tuple[str, ...], terminal: dict[str, object]) -> None:
    written = _in_terminal(*arguments, **terminal)  # pyright: ignore
    assert "▀".encode() in written
    assert written.count(b"\x1b_G") == (1 if terminal.get("cell") is None and "TMUX" not in terminal else 0)
    assert b"\x1bP" not in written
    assert PHOTO.name.encode() in written.splitlines()[-1]


def test_a_terminal_is_not_queried_without_need(arguments: tuple[str, ...]) -> None:
    for options, term in ((arguments[:1] + arguments[2:], "xterm"), (arguments, "dumb")):
        written = _in_terminal(*options, kitty=True, TERM=term)
        assert ASKED_KIND not in written
        assert ASKED_KITTY not in written


def test_without_the_library_there_are_half_blocks(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'textual_image' else found(name)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    written = _in_terminal(*arguments, kitty=True, PYTHONPATH=path)
    assert "▀".encode() in written
    assert ASKED_KITTY not in written
