"""Free names in a folder: `cat.jpg`, `cat-2.jpg`, ..., and whether the same file is there already."""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path


@dataclass(frozen=True)
class Newcomer:
    """A file that needs a name."""

    original: Path | None  # a link to it is the same; None where no link is
    content: Path | bytes | None  # a file with these bytes, or those of this file, is the same; or None

    @cached_property
    def real_path(self) -> str | None:
        """What a link that is the same points to."""
        return None if self.original is None else os.path.realpath(self.original)

    @cached_property
    def size(self) -> int | None:
        """Bytes of a file that is the same."""
        if isinstance(self.content, Path):
            return os.stat(self.content).st_size
        return None if self.content is None else len(self.content)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the content."""
        return _digest(self.content or b"")


class Numbering:
    """Finds free names. It remembers the files that it has looked at: use the same one for a whole command.

    The work for n files that need one name then grows with n, not with its square, also where an earlier
    command has left such files: each is looked at once, and read once if a newcomer has its size.
    """

    def __init__(self) -> None:
        # By the path without a number; only for names that more than one file needs.
        self._taken: dict[Path, _Taken] = {}

    def free(self, named: Callable[[int], Path], newcomer: Newcomer) -> Path | None:
        """The first free path of `cat.jpg`, `cat-2.jpg`, ...; None where a file before it is the same.

        The caller writes the file before it asks again.

        Args:
            named: gives the path for each number from 1. The path for 1 determines the others.

        Raises:
            OSError: a file that is there, or the newcomer, cannot be read.
        """
        path = named(1)
        if not os.path.lexists(path):
            self._taken.pop(path, None)
            return path
        taken = self._taken.get(path) or _Taken(path)
        while not taken.has(newcomer):
            self._taken[path] = taken
            candidate = named(taken.count + 1)
            if not os.path.lexists(candidate):
                return candidate
            taken.add(candidate)
        return None


class _Taken:
    """The files that have a name: without a number, which is `path`, and with the numbers up to `count`."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._links: set[str] = set()  # real paths that they point to
        self._unread: dict[int, list[Path]] = defaultdict(list)  # by size
        self._digests: dict[int, set[bytes]] = defaultdict(set)  # by size
        self.add(path)

    def add(self, path: Path) -> None:
        """Look at the file with the next number."""
        self.count += 1
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            self._links.add(os.path.realpath(path))
        elif stat.S_ISREG(found.st_mode):
            self._unread[found.st_size].append(path)

    def has(self, newcomer: Newcomer) -> bool:
        """Whether one of the files is the same."""
        if self._links and newcomer.real_path in self._links:
            return True
        size = newcomer.size
        if size is None or not (size in self._unread or size in self._digests):
            return False
        self._digests[size].update(map(_digest, self._unread.pop(size, ())))
        return newcomer.digest in self._digests[size]


def _digest(content: Path | bytes) -> bytes:
    with content.open("rb") if isinstance(content, Path) else BytesIO(content) as file:
        return hashlib.file_digest(file, "sha256").digest()
