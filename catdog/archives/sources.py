"""Bytes that can be read from any position: of a file, of a part of it, or of what a part inflates to.

A deflated archive inside another one is read in place too. The state of inflating is kept at some positions,
and reading begins at the nearest of them.
"""

import io
import os
import weakref
import zlib
from bisect import bisect_right
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol

from catdog.errors import PhotoError
from catdog.text import message

_INPUT = 2**16  # bytes that are inflated at a time
_READ = 2**20  # bytes that are read at a time where threads would inflate the same again and again
_STATES = 512  # that are kept of one source, about 40 kB each
_CLOSEST = 2**20  # bytes between two of them, at least

# A photo, which is compressed already, inflates to little more. Deflate has at most 1032.
MAX_RATIO = 200
_LARGE = 64 * 2**20  # bytes below which any ratio is fine

RAW, GZIP = -15, 31  # zlib's window bits: a member of a zip file, a .gz file

_DAMAGED = message("the archive is damaged: the data of this file does not inflate to what it should")


class Source(Protocol):
    """Bytes that can be read from any position; thread-safe."""

    size: int

    @property
    def is_slow(self) -> bool:
        """Whether reading again what has been read takes long."""
        ...

    @property
    def descriptor(self) -> int:
        """That of the file on disk."""
        ...

    def read(self, offset: int, count: int) -> bytes:
        """So many bytes, fewer at the end.

        Raises:
            OSError: the file cannot be read.
            PhotoError: it is damaged.
        """
        ...


class File:
    """A file on disk; closed with the last reference."""

    is_slow = False

    def __init__(self, path: str | Path):
        self.descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.size = os.fstat(self.descriptor).st_size
        self._lock = Lock()
        weakref.finalize(self, os.close, self.descriptor)

    def read(self, offset: int, count: int) -> bytes:
        """See `Source`."""
        if hasattr(os, "pread"):
            return os.pread(self.descriptor, count, offset)
        with self._lock:  # Windows
            os.lseek(self.descriptor, offset, os.SEEK_SET)
            return os.read(self.descriptor, count)


class Part:
    """A part of a source, which has it all."""

    def __init__(self, source: Source, offset: int, size: int):
        self._source, self._offset, self.size = source, offset, size
        self.is_slow = source.is_slow

    @property
    def descriptor(self) -> int:
        """See `Source`."""
        return self._source.descriptor

    def read(self, offset: int, count: int) -> bytes:
        """See `Source`."""
        return self._source.read(self._offset + offset, max(0, min(count, self.size - offset)))


class _State(NamedTuple):
    """Where inflating has come to."""

    inflater: Any  # zlib's decompressobj
    consumed: int  # bytes of the packed source
    produced: int


class Inflated:
    """What a deflated source inflates to.

    Args:
        size: bytes that it should have; None finds that out, by inflating all.

    Raises:
        PhotoError: it is a bomb; without `size` also if it is damaged.
    """

    is_slow = True

    def __init__(self, packed: Source, bits: int, size: int | None):
        self._packed, self._bits = packed, bits
        self._limit = max(_LARGE, MAX_RATIO * packed.size)
        self.size = self._limit if size is None else size
        if self.size > self._limit:
            raise PhotoError("it would inflate to {bytes:,} bytes: refused as a bomb", bytes=self.size)
        self._start = _State(zlib.decompressobj(bits), 0, 0)
        self._now = _State(self._start.inflater.copy(), 0, 0)
        self._kept = [self._start]
        self._lock = Lock()
        if size is None:
            self.size = self._measure()

    @property
    def descriptor(self) -> int:
        """See `Source`."""
        return self._packed.descriptor

    def read(self, offset: int, count: int) -> bytes:
        """See `Source`."""
        count = max(0, min(count, self.size - offset))
        parts: list[bytes] = []
        with self._lock:
            if not self._now.produced <= offset < self._now.produced + self._spacing:
                self._go_near(offset)
            while count:
                before = self._now.produced
                part = self._inflate(min(_INPUT, offset + count - before))
                if not part:
                    raise PhotoError(_DAMAGED)
                part = part[max(0, offset - before) :]
                parts.append(part)
                offset += len(part)
                count -= len(part)
            if parts and offset == self.size and self._inflate(1):
                raise PhotoError(_DAMAGED)
        return b"".join(parts)

    @property
    def _spacing(self) -> int:
        return max(_CLOSEST, self.size // _STATES)

    def _go_near(self, offset: int) -> None:
        kept = self._kept[bisect_right(self._kept, offset, key=lambda state: state.produced) - 1]
        if not kept.produced <= self._now.produced <= offset:
            self._now = kept._replace(inflater=kept.inflater.copy())

    def _inflate(self, most: int) -> bytes:
        """The next bytes, at most so many; nothing at the end."""
        inflater, consumed, produced = self._now
        part = b""
        while not part:
            if inflater.eof:
                if self._bits != GZIP or consumed >= self._packed.size:
                    break
                inflater = zlib.decompressobj(GZIP)  # a .gz file may have several parts
            packed = self._packed.read(consumed, _INPUT)
            try:
                part = inflater.decompress(packed, most)
            except zlib.error:
                raise PhotoError(_DAMAGED) from None
            consumed += len(packed) - len(inflater.unconsumed_tail) - len(inflater.unused_data)
            if not packed and not part:
                break
        self._now = _State(inflater, consumed, produced + len(part))
        if self._now.produced - self._kept[-1].produced >= self._spacing and not inflater.eof:
            self._kept.append(self._now._replace(inflater=inflater.copy()))
        return part

    def _measure(self) -> int:
        while self._inflate(_INPUT):
            if self._now.produced > self._limit:
                raise PhotoError(
                    "it would inflate to more than {bytes:,} bytes: refused as a bomb", bytes=self._limit
                )
        if not self._now.inflater.eof or self._now.consumed < self._packed.size:
            raise PhotoError(_DAMAGED)
        return self._now.produced


class Reader(io.RawIOBase):
    """A source as a file.

    Args:
        name: of the member, below the file on disk.
        crc: the checksum of all of it, held against it where it is read in one go.

    Raises:
        PhotoError: by `read`, where the archive is damaged.
    """

    def __init__(self, source: Source, name: str = "", crc: int | None = None):
        self.size, self.name = source.size, name
        self._source, self._place, self._checked = source, 0, 0
        self._crc, self._expected = 0, crc

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    # Without `fileno`: libtiff would read the archive, not the photo in it.

    @property
    def descriptor(self) -> int:
        """That of the archive on disk."""
        return self._source.descriptor

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.RawIOBase`."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`."""
        part = self._source.read(self._place, len(buffer))
        if not part and self._place < self.size:
            raise PhotoError(_DAMAGED)
        buffer[: len(part)] = part
        if self._place == self._checked and self._expected is not None:
            self._crc, self._checked = zlib.crc32(part, self._crc), self._checked + len(part)
            if part and self._checked == self.size and self._crc != self._expected:
                raise PhotoError(_DAMAGED)
        self._place += len(part)
        return len(part)


def buffered(source: Source, name: str = "", crc: int | None = None) -> io.BufferedReader:
    """A source as a buffered file; see `Reader`."""
    most = _READ if source.is_slow else io.DEFAULT_BUFFER_SIZE
    return io.BufferedReader(Reader(source, name, crc), max(1, min(source.size, most)))
