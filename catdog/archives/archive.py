"""The table of contents of an archive: folders, and where the bytes of each file are."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from catdog.archives.sources import RAW, Inflated, Part, Source
from catdog.archives.suffixes import PHOTO_SUFFIXES, archive_name
from catdog.errors import DataError, PhotoError
from catdog.text import Message, message

_DRIVE = re.compile(r"[A-Za-z]:")
_LONGEST = 4096  # letters of a path, as on Linux
_MOST_FOLDERS = 200  # in each other: each is kept with its whole path
_LOCAL_HEADER, _LOCAL_START = 30, b"PK\x03\x04"  # of a zip file


class Member(NamedTuple):
    """A file in an archive."""

    offset: int  # of its bytes, or in a zip file of its header
    packed: int  # bytes in the archive
    size: int
    is_deflated: bool
    crc: int | None  # of a zip file


@dataclass(frozen=True)
class Entry:
    """One name in a folder, like `os.DirEntry`."""

    name: str
    is_folder: bool

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.is_folder

    def is_file(self) -> bool:
        """Whether it is a file."""
        return not self.is_folder


class Archive:
    """What an archive contains.

    Args:
        name: of the archive, for people.
        source: its bytes.
        members: the paths of its files as they are there, and where each is.
        has_headers: before the bytes of each file there is a header, as in a zip file.

    Raises:
        DataError: a path leaves the archive or is there twice; files overlap, as in bombs.
    """

    def __init__(
        self, name: str, source: Source, members: Iterable[tuple[str, Member]], *, has_headers: bool
    ):
        self.name, self._source, self._has_headers = name, source, has_headers
        self.depth = 0  # archives that it is in
        self._files: dict[str, dict[str, Member]] = {"": {}}  # folder → name → file
        self._folders: dict[str, dict[str, None]] = {"": {}}
        total = 0
        for path, member in members:
            folder, _, last = self._safe(path).rpartition("/")
            if not last:
                continue
            self._add_folder(folder, path)
            if last in self._files[folder] or last in self._folders[folder]:
                raise self.refused(message("a name is there twice"), path)
            self._files[folder][last] = member
            total += member.packed
            end = member.offset + member.packed
            if min(member.offset, member.packed) < 0 or max(total, end) > source.size:
                raise self.refused(message("its files overlap, or are larger than the archive"), path)

    def entries(self, folder: str) -> list[Entry] | None:
        """What a folder contains, in any order; "" is the top. None where there is no such folder."""
        if folder not in self._folders:
            return None
        folders = [Entry(name, True) for name in self._folders[folder]]
        return folders + [Entry(name, self._is_entered(name)) for name in self._files[folder]]

    def names(self) -> Iterator[str]:
        """The paths of all files."""
        for folder, files in self._files.items():
            for name in files:
                yield f"{folder}/{name}" if folder else name

    @cached_property
    def _has_photos(self) -> bool:
        return any(os.path.splitext(name)[1].lower() in PHOTO_SUFFIXES for name in self.names())

    def _is_entered(self, name: str) -> bool:
        """Whether a file is an archive that is looked into."""
        return archive_name(name) is not None and not self._has_photos

    def member(self, path: str) -> Member | None:
        """The file of that path; None where there is none."""
        folder, _, name = path.rpartition("/")
        return self._files.get(folder, {}).get(name)

    def source(self, path: str) -> tuple[Source, int | None]:
        """The bytes of the file of that path, which is there, and their checksum.

        Raises:
            PhotoError: it is damaged, or a bomb.
            OSError: the archive cannot be read.
        """
        member = self.member(path)
        assert member
        start = member.offset
        if self._has_headers:
            header = self._source.read(start, _LOCAL_HEADER)
            if len(header) < _LOCAL_HEADER or header[:4] != _LOCAL_START:
                raise PhotoError("the archive is damaged: the header of this file is missing")
            start += _LOCAL_HEADER + int.from_bytes(header[26:28], "little")
            start += int.from_bytes(header[28:30], "little")
        part = Part(self._source, start, member.packed)
        return (Inflated(part, RAW, member.size) if member.is_deflated else part), member.crc

    def refused(self, reason: Message, path: str) -> DataError:
        """The error that ends the reading of this archive."""
        return DataError(
            "the archive {file} is refused: {reason} ({path!r}). Unpack it yourself, if you trust it",
            file=self.name,
            reason=reason,
            path=path,
        )

    def _safe(self, path: str) -> str:
        parts = path.split("/")
        if path.startswith("/") or ".." in parts or "\\" in path or "\0" in path or _DRIVE.match(path):
            raise self.refused(message("a path leads out of it"), path)
        if len(path) > _LONGEST or path.count("/") > _MOST_FOLDERS:
            raise self.refused(message("a path is too long"), f"{path[:40]}...")
        return "/".join(part for part in parts if part not in ("", "."))

    def _add_folder(self, folder: str, path: str) -> None:
        above = ""
        for part in folder.split("/") if folder not in self._folders else ():
            below = f"{above}/{part}" if above else part
            if below not in self._folders:
                if part in self._files[above]:
                    raise self.refused(message("a name is there twice"), path)
                self._folders[above][part] = None
                self._folders[below], self._files[below] = {}, {}
            above = below
