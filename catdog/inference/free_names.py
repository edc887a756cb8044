"""Free names in a folder: `cat.jpg`, `cat-2.jpg`, ... Nothing is overwritten, nothing is written twice."""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path


class LinkTo:
    """A symbolic link that wants a name. Only a link to the same file is the same."""

    def __init__(self, original: Path):
        self._original = original

    @cached_property
    def real_path(self) -> str | None:
        """A link to this file is the same; None: no link is."""
        return os.path.realpath(self._original)

    @cached_property
    def size(self) -> int | None:
        """A file of this size, bytes, and this digest is the same; None: no file is."""
        return None

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the content."""
        return _digest(self._original)


class CopyOf(LinkTo):
    """A copy of a file. A file with the same content is the same, and so is a link to the original."""

    @cached_property
    def size(self) -> int | None:
        return os.stat(self._original).st_size


class Content:
    """Bytes that are to be written. A file that holds them is the same."""

    real_path = None

    def __init__(self, content: bytes):
        self._content = content
        self.size = len(content)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the content."""
        return hashlib.sha256(self._content).digest()


class Numbering:
    """Finds free names. Keep it as long as files are written: what it has looked at, it remembers.

    So the work for n files that want one name grows with n, not with its square, also where another command
    has left such files: each is looked at once, and read once if a newcomer has its size.
    """

    def __init__(self) -> None:
        # By the path without a number; only of names that more than one file has.
        self._taken: dict[Path, _Taken] = {}

    def free(self, named: Callable[[int], Path], newcomer: LinkTo | Content) -> Path | None:
        """The first free path of `cat.jpg`, `cat-2.jpg`, ...; None where one of those before it is the same.

        The caller writes the file before it asks again.

        Args:
            named: gives the path for each number from 1; what it gives for 1 decides about the others.

        Raises:
            OSError: what is there cannot be read, or the newcomer cannot.
        """
        path = named(1)
        if not os.path.lexists(path):
            self._taken.pop(path, None)
            return path
        taken = self._taken.get(path)
        if taken is None:
            taken = _Taken()
            taken.add(path)
        while not taken.has(newcomer):
            self._taken[path] = taken
            candidate = named(taken.count + 1)
            if not os.path.lexists(candidate):
                return candidate
            taken.add(candidate)
        return None


class _Taken:
    """The files that have a name, without a number or with one up to `count`."""

    def __init__(self) -> None:
        self.count = 0
        self._links: set[str] = set()  # real paths that they stand for
        self._unread: dict[int, list[Path]] = defaultdict(list)  # by size
        self._digests: dict[int, set[bytes]] = defaultdict(set)  # by size

    def add(self, path: Path) -> None:
        """The next one."""
        self.count += 1
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            self._links.add(os.path.realpath(path))
        elif stat.S_ISREG(found.st_mode):
            self._unread[found.st_size].append(path)

    def has(self, newcomer: LinkTo | Content) -> bool:
        """Whether one of them is the same."""
        if self._links and newcomer.real_path in self._links:
            return True
        size = newcomer.size
        if size is None or not (size in self._unread or size in self._digests):
            return False
        self._digests[size].update(map(_digest, self._unread.pop(size, ())))
        return newcomer.digest in self._digests[size]


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
