"""Photos made for the tests: as images, as files' bytes, and as bytes that lie about themselves."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

DOGSCATS = Path(__file__).parents[2] / "../shared/dogscats"  # real photos, where there are any
NO_DOGSCATS = "needs the real photos in ../shared/dogscats beside the repository"


def scene(width: int, height: int) -> Image.Image:
    """A smooth RGB picture that looks different under every rotation and reflection."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / max(1, width - 1)
    green = 255 * y / max(1, height - 1)
    blue = 255 * ((x > width // 3) & (y < height // 4))
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def grey16(values: npt.NDArray[Any]) -> Image.Image:
    return Image.fromarray(values.astype("<u2"))


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of 80 bytes or so whose header claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return b"".join(
            [struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(kind + data))]
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10))
        + chunk(b"IEND", b"")
    )


def gif_claiming(width: int, height: int) -> bytes:
    good = encoded(Image.new("L", (1, 1)), "GIF")
    start = good.index(b",")  # the first frame's descriptor: comma, left, top, width, height
    size = struct.pack("<HH", width, height)
    return good[:6] + size + good[10 : start + 5] + size + good[start + 9 :]


def bmp_claiming(width: int, height: int) -> bytes:
    good = encoded(Image.new("RGB", (1, 1)), "BMP")
    return good[:18] + struct.pack("<ii", width, height) + good[26:]


def jpeg_segments(data: bytes) -> list[tuple[int, bytes]]:
    """(marker, whole segment) up to the scan; the scan and the rest come as one last item."""
    segments = [(0xD8, data[:2])]
    at = 2
    while data[at + 1] != 0xDA:
        length = struct.unpack(">H", data[at + 2 : at + 4])[0] + 2
        segments.append((data[at + 1], data[at : at + length]))
        at += length
    return [*segments, (0xDA, data[at:])]


def without_adobe(data: bytes) -> bytes:
    kept = [segment for marker, segment in jpeg_segments(data) if marker != 0xEE]
    return b"".join(kept)


def with_adobe_transform(data: bytes, transform: int) -> bytes:
    """The JPEG with another colour transform in its Adobe segment: 0 is CMYK, 2 is YCCK."""
    changed = [
        segment[:-1] + bytes([transform]) if marker == 0xEE else segment
        for marker, segment in jpeg_segments(data)
    ]
    return b"".join(changed)
