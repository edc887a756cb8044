"""The inputs of a prediction, as a stream of photos: files, folders, patterns, addresses, paths on stdin."""

import glob
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

from catdog.archives import is_folder
from catdog.data.files import MAX_FILE_BYTES
from catdog.data.walk import walk
from catdog.errors import DataError
from catdog.inference import web
from catdog.text import Message, extension, message

STDIN = "-"

_BLOCK = 1 << 16


class Input(NamedTuple):
    """A photo to predict for, or the reason why there is no file to read."""

    path: Path  # the file; of a photo on the web there is none until it is downloaded
    truth: str | None = None  # the true class, where it is known
    error: Message | None = None
    name: str | None = None  # how it was given, where that differs from `path`
    is_address: bool = False  # whether `name` is the address of a photo on the web

    @property
    def shown(self) -> str:
        """How it was given."""
        return str(self.path) if self.name is None else self.name

    @property
    def file_name(self) -> str:
        """The name of a copy, such as `cat.jpg`."""
        return Path(urlsplit(self.shown).path if self.is_address else self.path).name or "photo"


def expand(given: Iterable[str], stdin: BufferedReader, others: Counter[str]) -> Iterator[Input]:
    """The photos that `given` stands for, in order, found as they are taken.

    A file is one photo, and so is an address of http or https. A folder is all photos below it, and so is an
    archive. A pattern is what it matches, unless a file has that very name. `-` is the paths, folders and
    addresses on stdin, see `paths_from`. What is missing is an input too: its prediction has the reason.
    `others` counts the files in folders that do not look like photos, by extension.
    """
    for name in given:
        found: Iterable[str] = [name]
        if name == STDIN:
            found = paths_from(stdin)
        elif not os.path.lexists(name) and not web.is_address(name) and glob.has_magic(name):
            found = sorted(glob.glob(name, recursive=True))
            if not found:
                yield Input(Path(name), name=name, error=message("no file matches this pattern"))
        for each in found:
            yield from _expand_path(each, others)


def _expand_path(name: str, others: Counter[str]) -> Iterator[Input]:
    """The photos of one path or address, which is never a pattern."""
    path = Path(name)
    if web.is_address(name):
        yield Input(path, name=name, is_address=True)
        return
    try:
        tree = walk(path) if is_folder(path) else None
    except DataError as error:  # an archive that is refused
        yield Input(path, name=name, error=error.message)
        return
    if tree:
        others.update(map(extension, tree.others))
        below, closed = deque(tree.photos), tree.closed
        del tree
        if not below and not closed:
            yield Input(path, name=name, error=message("the folder has no photos"))
        while below:
            yield Input(below.popleft())  # not kept: a path that was used takes more memory
        for folder in closed:
            yield Input(folder, error=message("the folder cannot be listed"))
    else:
        yield Input(path, name=name)


def paths_from(stdin: BufferedReader) -> Iterator[str]:
    """Paths as they arrive, one per line; or separated by NULs where one comes first (`find -print0`)."""
    separator, rest = b"", b""
    # Unbuffered: a thread waiting in a buffered read holds a lock that Python needs when it exits.
    source = getattr(stdin, "raw", stdin)
    while block := source.read(_BLOCK):
        rest += block
        if not separator:
            # A path may contain a newline, but never a NUL.
            separator = next((byte for byte in (b"\0", b"\n") if byte in rest), b"")
        if separator:
            *whole, rest = rest.split(separator)
            if separator == b"\n":
                whole = [line.removesuffix(b"\r") for line in whole]
            yield from map(os.fsdecode, filter(None, whole))
    if rest:
        yield os.fsdecode(rest)


@contextmanager
def photo_from(stdin: BufferedReader) -> Iterator[Input]:
    """The photo whose bytes are on stdin, in a temporary file."""
    with TemporaryDirectory(prefix="catdog-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as file:
            # Stdin may have no end: a little more than the limit is enough for the photo to be refused.
            while file.tell() <= MAX_FILE_BYTES and (block := stdin.read(_BLOCK)):
                file.write(block)
        yield Input(path, name=STDIN)
