"""What `catdog predict` is given, as a stream of photos: files, folders, patterns, and paths on stdin."""

import glob
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from catdog.data import web
from catdog.data.files import MAX_FILE_BYTES
from catdog.data.walk import walk

STDIN = "-"

_BLOCK = 1 << 16


class Input(NamedTuple):
    """Something to answer for: a file, or what was given instead of one and why that is no file.

    Attributes:
        name: what its row says instead of the path.
        is_address: `name` is on the web, and `path` is nothing yet.
    """

    path: Path
    truth: str | None = None
    error: str | None = None
    name: str | None = None
    is_address: bool = False


def expand(given: Iterable[str], stdin: BufferedReader) -> Iterator[Input]:
    """Files as they are; folders as the photos below them; patterns where the shell has not expanded them.

    Addresses of http and https as they are. `-` is as many of all those as stdin has, see `paths_from`.
    """
    for one in given:
        path = Path(one)
        if one == STDIN:
            yield from expand((line for line in paths_from(stdin) if line != STDIN), stdin)
        elif web.is_address(one):
            yield Input(path, name=one, is_address=True)
        elif os.path.isdir(path):
            below = deque(walk(path).photos)
            if not below:
                yield Input(path, error="a folder without photos")
            while below:
                yield Input(below.popleft())  # and forgotten: paths grow when they are used
        elif not os.path.lexists(path) and glob.has_magic(one):
            matches = sorted(glob.glob(one, recursive=True))
            if not matches:
                yield Input(path, error="no file matches this pattern")
            yield from expand(matches, stdin)
        else:
            yield Input(path)  # a file that is missing gets a row that says so


def paths_from(stdin: BufferedReader) -> Iterator[str]:
    """Paths as they arrive, one a line; or between NULs, if there is one at the start (`find -print0`)."""
    separator, rest = b"", b""
    # Unbuffered: a thread that waits in a buffered read keeps a lock that Python wants when it ends.
    source = getattr(stdin, "raw", stdin)
    while block := source.read(_BLOCK):
        rest += block
        if not separator:
            # A path may hold a line's end, but never a NUL.
            separator = next((one for one in (b"\0", b"\n") if one in rest), b"")
        if separator:
            *whole, rest = rest.split(separator)
            if separator == b"\n":
                whole = [line.removesuffix(b"\r") for line in whole]
            yield from map(os.fsdecode, filter(None, whole))
    if rest:
        yield os.fsdecode(rest)


@contextmanager
def photo_from(stdin: BufferedReader) -> Iterator[Input]:
    """One photo whose bytes are all of stdin."""
    with TemporaryDirectory(prefix="catdog-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            # A little more than a photo may have is enough to refuse it: stdin may have no end.
            while file.tell() <= MAX_FILE_BYTES and (block := stdin.read(_BLOCK)):
                file.write(block)
        yield Input(path, name=STDIN)
