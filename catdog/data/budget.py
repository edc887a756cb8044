"""How much memory decoding takes, and a limit to it: large photos wait for each other.

A file of 3 MB may hold 170 million pixels. Several such photos at a time would take more memory than a
machine has; several usual photos take little. So the most that a photo can need is estimated from its header,
and it is decoded as soon as that much memory is free.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from catdog.data.colour import STRIP
from catdog.errors import PhotoError
from catdog.memory import available_bytes, give_back

# Fraction of the available memory for all photos that are being decoded. The rest is for the network.
_FRACTION = 0.5
_LEAST = 128 * 2**20  # bytes that photos may always take: 16 million pixels, one photo at a time
_MUCH = 64 * 2**20  # bytes from which returning memory to the system is worth some milliseconds
_FRESH = 1.0  # seconds for which a reading of the available memory is used

# Bytes a pixel in Pillow's memory. All other modes have four.
_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_RGB = 4
# Bytes a pixel that a format's decoder takes beside that, at most, measured and from its data structures:
# WebP has two canvases and a copy, AVIF planes of 16 bits and a copy, JPEG 2000 up to four channels of 32-bit
# integers (six bytes each were seen), TIFF one strip, which may be the whole file, PPM and BMP copies by
# decoders that are written in Python. The last three take nothing where pixels are stored uncompressed.
_DECODER = {"WEBP": 12, "AVIF": 16, "JPEG2000": 24, "TIFF": 8, "PPM": 12, "BMP": 4, "DIB": 4}
_MAY_BE_RAW = {"TIFF", "PPM", "BMP", "DIB"}
_COPIES = {"WEBP": 2, "AVIF": 2, "JPEG2000": 1}  # of the file, by decoders that do not read it piece by piece
_NEVER_TURNED = {"GIF", "BMP", "DIB", "PPM"}  # they have no EXIF orientation
_STRIP_PIXEL = 24  # bytes a pixel of a strip, see `colour`


_processes = 1  # that decode photos beside each other, this one among them


class NeedsMainProcess(Exception):
    """A photo that takes more than the share of one process of many."""


def share(processes: int) -> None:
    """From now on this process is one of many that decode; the main process does large photos by itself."""
    global _processes
    _processes = processes


def large_is_allowed() -> None:
    """Called for what one process may do at a time.

    Raises:
        NeedsMainProcess: this is one of many processes.
    """
    if _processes > 1:
        raise NeedsMainProcess


class Budget:
    """Bytes that threads share: a thread that needs more than is free waits; first come, first served."""

    def __init__(self, available: Callable[[], int] = available_bytes) -> None:
        """`available` gives the available memory in bytes. It is called while no photo takes any."""
        self._available = available
        self._total = _LEAST
        self._asked = -math.inf
        self._taken = 0
        self._waiting: deque[object] = deque()
        self._changed = Condition()

    @contextmanager
    def room(self, needed: int) -> Iterator[None]:
        """Wait until so many bytes are free, and hold them for the block. Nested blocks would wait for ever.

        Raises:
            PhotoError: it is more than there is, even while no other thread takes any.
            NeedsMainProcess: it is more than this process may take.
        """
        place = object()
        with self._changed:
            self._waiting.append(place)
            try:
                self._changed.wait_for(lambda: self._is_free(needed, place))
                self._taken += needed
            finally:
                self._waiting.remove(place)
                self._changed.notify_all()
        try:
            yield
        finally:
            if needed > _MUCH:
                give_back()
            with self._changed:
                self._taken -= needed
                self._changed.notify_all()

    def _is_free(self, needed: int, place: object) -> bool:
        if self._waiting[0] is not place:
            return False
        if self._taken:
            return self._taken + needed <= self._total
        if time.monotonic() - self._asked > _FRESH:
            self._total = max(_LEAST, int(_FRACTION * self._available()) // _processes)
            self._asked = time.monotonic()
        if needed > self._total:
            large_is_allowed()
            raise PhotoError(
                "decoding takes {needed:,.0f} MB of memory, more than the {available:,.0f} MB that photos "
                "may take now. Make the photo smaller, or free memory",
                needed=needed / 1e6,
                available=self._total / 1e6,
            )
        return True


DECODING = Budget()  # for all photos that this process decodes


def bytes_to_decode(
    photo: Image.Image, stored: tuple[int, int], *, file_bytes: int, turned: bool | None
) -> int:
    """The memory that decoding this photo into upright RGB takes at most.

    Args:
        photo: with its draft chosen, its pixels not yet decoded.
        stored: its (width, height) before the draft was chosen.
        turned: whether it has to be turned upright; None where only decoding shows that.
    """
    kind = photo.format or ""
    pixels = photo.width * photo.height
    pixel_bytes = _PIXEL.get(photo.mode, 4)
    if turned or (turned is None and kind not in _NEVER_TURNED):
        pixel_bytes = max(pixel_bytes, _RGB) + _RGB  # the decoded pixels are freed before the photo is turned
    elif photo.mode != "RGB" or photo.has_transparency_data:
        pixel_bytes += _RGB
    tiles = photo.tile if kind in _MAY_BE_RAW and isinstance(photo, ImageFile) else None
    if tiles is None or any(tile.codec_name != "raw" for tile in tiles):
        pixel_bytes += _DECODER.get(kind, 0)
    needed = pixels * pixel_bytes + min(pixels, STRIP) * _STRIP_PIXEL + file_bytes * _COPIES.get(kind, 0)
    if isinstance(photo, JpegImageFile) and not _is_one_scan(photo):
        needed += 2 * photo.layers * stored[0] * stored[1]  # all coefficients, with any draft
    return needed


def _is_one_scan(photo: JpegImageFile) -> bool:
    """Whether the decoder can give out rows as it reads them. Else it keeps all of the photo's coefficients.

    Progressive files have many scans. Other files have one scan if the first has all channels. Pillow has
    just read its header: marker, length, number of channels, two bytes for each channel, three more.
    """
    if photo.info.get("progressive") or photo.fp is None:
        return False
    end = photo.fp.tell()
    photo.fp.seek(max(0, end - 8 - 2 * photo.layers))
    head = photo.fp.read(5)
    photo.fp.seek(end)
    return head == bytes((0xFF, 0xDA, 0, 6 + 2 * photo.layers, photo.layers))
