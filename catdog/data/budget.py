"""How much memory decoding takes, and a bound on it: large photos wait for each other.

A file of 3 MB may hold 170 million pixels. The largest photo times the workers would be more memory than a
machine has; the usual photo times the workers is little. So what a photo needs at most is estimated from its
header, and it is decoded as soon as that is free.
"""

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

# Of what is available, what all photos together may take while they are decoded. The rest is for the network.
_SHARE = 0.5
_LEAST = 128 * 2**20  # bytes that they may always take: 16 million pixels, one photo at a time
_MUCH = 64 * 2**20  # bytes, from which it is worth some milliseconds to see that they are free again
_FRESH = 1.0  # seconds for which a look at the available memory is good

# Bytes a pixel in Pillow's memory. All other modes have four.
_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_RGB = 4
# Bytes a pixel that a format's decoder takes beside that, at most, from measurements and from what it keeps:
# WebP two canvases and a copy, AVIF planes of 16 bits and a copy, JPEG 2000 up to four channels of 32-bit
# integers (six bytes each were seen), TIFF one strip, which may be all of the file, PPM and BMP copies by
# decoders that are written in Python. The last three take nothing where pixels are stored as they are.
_DECODER = {"WEBP": 12, "AVIF": 16, "JPEG2000": 24, "TIFF": 8, "PPM": 12, "BMP": 4, "DIB": 4}
_MAY_BE_RAW = {"TIFF", "PPM", "BMP", "DIB"}
_COPIES = {"WEBP": 2, "AVIF": 2, "JPEG2000": 1}  # of the file, by decoders that do not read it bit by bit
# A file of these cannot say that it lies on its side, or has said so by now.
_NEVER_TURNED = {"GIF", "BMP", "DIB", "PPM"}
_STEP = 24  # bytes a pixel of a strip, see `colour`


class Budget:
    """Bytes that some threads share: who wants more than is free waits, first come, first served."""

    def __init__(self, available: Callable[[], int] = available_bytes) -> None:
        """`available` says how much memory there is. It is asked while none of it is taken from here."""
        self._available = available
        self._total = _LEAST
        self._asked: float | None = None
        self._taken = 0
        self._waiting: deque[object] = deque()
        self._changed = Condition()

    @contextmanager
    def room(self, needed: int) -> Iterator[None]:
        """Wait until so many bytes are free, and hold them for the block. Blocks are not nested: they would
        wait for each other.

        Raises:
            PhotoError: it is more than there is, even if nobody else took any.
        """
        place = object()
        with self._changed:
            self._waiting.append(place)
            try:
                while not self._is_free(needed, place):
                    self._changed.wait()
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
        if self._asked is None or time.monotonic() - self._asked > _FRESH:
            self._total = max(_LEAST, int(_SHARE * self._available()))
            self._asked = time.monotonic()
        if needed > self._total:
            wanted, most = (f"{number / 1e6:,.0f} MB" for number in (needed, self._total))
            raise PhotoError(
                "decoding it takes {wanted} of memory, more than the {most} that photos may take now: make "
                "it smaller, or free memory",
                wanted=wanted,
                most=most,
            )
        return True


DECODING = Budget()  # for all photos that this process decodes


def bytes_to_decode(
    photo: Image.Image, stored: tuple[int, int], *, file_bytes: int, turned: bool | None
) -> int:
    """What decoding this photo into upright RGB takes at most.

    Args:
        photo: its header read and its draft chosen, its pixels not yet decoded.
        stored: its (width, height) before the draft was chosen.
        file_bytes: the size of its file.
        turned: whether it has to be made upright; None where that is only known once it is decoded.
    """
    kind = photo.format or ""
    pixels = photo.width * photo.height
    each = _PIXEL.get(photo.mode, 4)
    if turned or (turned is None and kind not in _NEVER_TURNED):
        each = max(each, _RGB) + _RGB  # what it is decoded into is gone before it is turned
    elif photo.mode != "RGB" or photo.has_transparency_data:
        each += _RGB
    if kind not in _MAY_BE_RAW or not _is_raw(photo):
        each += _DECODER.get(kind, 0)
    needed = pixels * each + min(pixels, STRIP) * _STEP + file_bytes * _COPIES.get(kind, 0)
    if isinstance(photo, JpegImageFile) and not _is_one_scan(photo):
        needed += 2 * photo.layers * stored[0] * stored[1]  # coefficients, whatever the draft
    return needed


def _is_raw(photo: Image.Image) -> bool:
    return isinstance(photo, ImageFile) and all(tile.codec_name == "raw" for tile in photo.tile)


def _is_one_scan(photo: JpegImageFile) -> bool:
    """Whether the decoder can give out rows as it reads them. Else it keeps all of the photo's coefficients.

    Progressive files have many scans. Others have as many as they like, but one only if the first has all
    channels. Pillow has just read its head: marker, length, number of channels, two bytes each, three more.
    """
    if photo.info.get("progressive") or photo.fp is None:
        return False
    end = photo.fp.tell()
    photo.fp.seek(max(0, end - 8 - 2 * photo.layers))
    head = photo.fp.read(5)
    photo.fp.seek(end)
    return head == bytes((0xFF, 0xDA, 0, 6 + 2 * photo.layers, photo.layers))
