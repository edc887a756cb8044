"""What `catdog predict` is given, as a stream of photos: files, folders, patterns, and paths on stdin."""

import glob
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from catdog.data.files import MAX_FILE_BYTES
from catdog.data.walk import walk
from catdog.inference import web
from catdog.text import Message, extension, kinds, message, plural

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
    error: Message | None = None
    name: str | None = None
    is_address: bool = False


class LeftOut:
    """The files below folders that do not look like photos. Filled as the folders are searched."""

    def __init__(self) -> None:
        self._kinds: Counter[str] = Counter()

    def add(self, files: Iterable[Path]) -> None:
        """Count them by extension: there may be many."""
        self._kinds.update(map(extension, files))

    def sentence(self) -> Message | None:
        """How many there are, of which kinds; None where there is none."""
        if not self._kinds:
            return None
        number = sum(self._kinds.values())
        return message(
            "left out {count}: no photo by name or content ({kinds})",
            count=plural("{count:,} file", "{count:,} files", number),
            kinds=kinds(self._kinds),
        )


def expand(given: Iterable[str], stdin: BufferedReader, left_out: LeftOut) -> Iterator[Input]:
    """Files as they are; folders as the photos below them; patterns where the shell has not expanded them.

    Addresses of http and https as they are. `-` is as many paths, folders and addresses as stdin has, see
    `paths_from`. A file whose name has the form of a pattern is that file.
    """
    for name in given:
        if name == STDIN:
            for line in paths_from(stdin):
                yield from _expand_path(line, left_out)
        elif not os.path.lexists(name) and not web.is_address(name) and glob.has_magic(name):
            matches = sorted(glob.glob(name, recursive=True))
            if not matches:
                yield Input(Path(name), name=name, error=message("no file matches this pattern"))
            for match in matches:
                yield from _expand_path(match, left_out)
        else:
            yield from _expand_path(name, left_out)


def _expand_path(name: str, left_out: LeftOut) -> Iterator[Input]:
    """One path or address, never a pattern."""
    path = Path(name)
    if web.is_address(name):
        yield Input(path, name=name, is_address=True)
    elif os.path.isdir(path):
        tree = walk(path)
        left_out.add(tree.others)
        below = deque(tree.photos)
        if not below and not tree.closed:
            yield Input(path, name=name, error=message("a folder without photos"))
        closed = tree.closed
        del tree
        while below:
            yield Input(below.popleft())  # and forgotten: paths grow when they are used
        for folder in closed:
            yield Input(folder, error=message("a folder that cannot be listed"))
    else:
        yield Input(path, name=name)  # a file that is missing gets a row that says so


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
