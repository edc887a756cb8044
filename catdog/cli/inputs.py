"""What `catdog predict` is given, as a stream of photos: files, folders, patterns, and paths on stdin."""

import glob
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from catdog.data import web
from catdog.data.parallel import ordered_map
from catdog.data.walk import walk
from catdog.errors import PhotoError

STDIN = "-"

# Photos answered together: few at first, to see an answer soon, then as many as keep a device busy for so
# long that its being idle between two chunks does not count. The bound keeps memory flat.
_FIRST, _GROWTH, _LARGEST = 8, 8, 2048
_SECONDS = 6.0
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
    while block := stdin.read1(_BLOCK):
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


def fetched(inputs: Iterable[Input], folder: Path, *, allow_private: bool) -> Iterator[Input]:
    """The same inputs; what is on the web is brought into `folder`, where the caller deletes it."""

    def bring(numbered: tuple[int, Input]) -> Input:
        number, one = numbered
        if not one.is_address:
            return one
        path = folder / str(number)
        try:
            path.write_bytes(web.fetch_photo(one.name or "", allow_private=allow_private))
        except PhotoError as error:
            return one._replace(error=str(error))
        return one._replace(path=path)

    return ordered_map(bring, enumerate(inputs), workers=_FIRST, ahead=_FIRST)


@contextmanager
def photo_from(stdin: BufferedReader) -> Iterator[Input]:
    """One photo whose bytes are all of stdin."""
    with TemporaryDirectory(prefix="catdog-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            while block := stdin.read(_BLOCK):
                file.write(block)
        yield Input(path, name=STDIN)


def chunks(inputs: Iterable[Input], clock: Callable[[], float] = time.monotonic) -> Iterator[Sequence[Input]]:
    """The inputs in groups that grow until one keeps the caller busy for some seconds."""
    stream, size = iter(inputs), _FIRST
    while chunk := list(islice(stream, size)):
        began = clock()
        yield chunk
        wanted = round(size * _SECONDS / max(clock() - began, 0.001))
        size = max(_FIRST, min(wanted, _GROWTH * size, _LARGEST))
