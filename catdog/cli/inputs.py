"""What `catdog predict` is given, as a stream of photos: files, folders, patterns, and paths on stdin."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple

from catdog.data.walk import walk

STDIN = "-"

# Photos answered together: few at first, to see an answer soon, then enough to keep a device busy.
_FIRST, _LARGEST = 8, 256
_BLOCK = 1 << 16


class Input(NamedTuple):
    """Something to answer for: a file, or what was given instead of one and why that is no file.

    Attributes:
        name: what its row says instead of the path.
    """

    path: Path
    truth: str | None = None
    error: str | None = None
    name: str | None = None


def expand(given: Iterable[str], stdin: BinaryIO) -> Iterator[Input]:
    """Files as they are; folders as the photos below them; patterns where the shell has not expanded them.

    `-` is as many of those as stdin has, see `paths_from`.
    """
    for one in given:
        path = Path(one)
        if one == STDIN:
            yield from expand((line for line in paths_from(stdin) if line != STDIN), stdin)
        elif os.path.isdir(path):
            below = walk(path).photos
            if not below:
                yield Input(path, error="a folder without photos")
            yield from map(Input, below)
        elif not os.path.lexists(path) and glob.has_magic(one):
            matches = sorted(glob.glob(one, recursive=True))
            if not matches:
                yield Input(path, error="no file matches this pattern")
            yield from expand(matches, stdin)
        else:
            yield Input(path)  # a file that is missing gets a row that says so


def paths_from(stdin: BinaryIO) -> Iterator[str]:
    """Paths as they arrive, one a line; or between NULs, if a NUL comes first (`find -print0`)."""
    separator, rest = b"", b""
    while block := stdin.read1(_BLOCK) if hasattr(stdin, "read1") else stdin.read(_BLOCK):
        rest += block
        if not separator:
            ends = {rest.find(one): one for one in (b"\0", b"\n") if one in rest}
            separator = ends[min(ends)] if ends else b""
        if separator:
            *whole, rest = rest.split(separator)
            yield from map(_decoded, filter(None, (line.removesuffix(b"\r") for line in whole)))
    if rest:
        yield _decoded(rest)


@contextmanager
def photo_from(stdin: BinaryIO) -> Iterator[Input]:
    """One photo whose bytes are all of stdin."""
    with TemporaryDirectory(prefix="catdog-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            while block := stdin.read(_BLOCK):
                file.write(block)
        yield Input(path, name=STDIN)


def chunks(inputs: Iterable[Input]) -> Iterator[Sequence[Input]]:
    """The inputs in groups that grow."""
    stream, size = iter(inputs), _FIRST
    while chunk := list(islice(stream, size)):
        yield chunk
        size = min(4 * size, _LARGEST)


def _decoded(line: bytes) -> str:
    return os.fsdecode(line)
