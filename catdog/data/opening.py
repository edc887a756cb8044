"""Pillow, fenced in: only photo formats, no bombs, no warnings, one exception for bad files."""

import importlib
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BufferedReader, BytesIO
from pathlib import Path
from threading import Lock

from PIL import Image, ImageCms, UnidentifiedImageError

from catdog.data.files import open_regular, system_reason
from catdog.errors import PhotoError
from catdog.text import Message, message

# Plugins register themselves on import. Here that happens in one thread; Pillow would do it lazily, in many.
for _plugin in ("Avif", "Bmp", "Gif", "Jpeg2K", "Jpeg", "Mpo", "Png", "Ppm", "Tiff", "WebP"):
    importlib.import_module(f"PIL.{_plugin}ImagePlugin")

# What a file may turn out to be, whatever its name says. Pillow knows more, but some of those are
# no photos (fonts, icons, cursors) and some run other programs (EPS starts Ghostscript).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM")

# Two thirds of a GiB at Pillow's four bytes a pixel. It is also where Pillow itself refuses by
# default; our own check still stands where another library in the process has switched that off.
MAX_PIXELS = 178_956_970

# What Pillow's format plugins raise, or may raise, on damaged bytes. A plugin trusts what it parsed, so
# damage comes out as whatever Python says about a number, a name or an attribute that cannot be. An
# ImportError is a codec that this build of Pillow lacks.
_DAMAGED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    Image.DecompressionBombError,
    ImportError,
    ImageCms.PyCMSError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

# Some of Pillow's plugins read all of a file to see its header, others parts of which the file says how large
# they are. Files of more bytes are opened one at a time.
_LARGE = 256 * 2**20
_LARGE_READ_WHOLE = 8 * 2**20  # WebP and AVIF
_ALONE = Lock()

_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # as warnings.filterwarnings writes it


@contextmanager
def opened(source: Path | BufferedReader | bytes) -> Iterator[Image.Image]:
    """The photo, its header read and its size checked, its pixels not yet decoded.

    Decode it inside the `with` block. The file is opened read-only; one that is open already stays so.
    Whatever its bytes make Pillow raise in the block becomes a PhotoError.

    Raises:
        PhotoError: not a plain file, empty, not an image, more than MAX_PIXELS, damaged or cut off.
    """
    _silence_pillow()
    if isinstance(source, bytes) and not source:
        raise PhotoError("the file is empty (0 bytes)")
    kind = "image"
    with _stream(source) as stream:
        try:
            with _alone(stream), Image.open(stream, formats=FORMATS) as photo:
                kind = photo.format or kind
                width, height = photo.size
                if width * height > MAX_PIXELS:
                    raise PhotoError(
                        "{width} × {height} pixels: more than {max_pixels:,}",
                        width=width,
                        height=height,
                        max_pixels=MAX_PIXELS,
                    )
                yield photo
        except UnidentifiedImageError:
            stream.seek(0)
            raise PhotoError(_unidentified(stream.read(16))) from None
        except _DAMAGED as error:
            raise PhotoError(_reason(error, kind)) from error


def _stream(
    source: Path | BufferedReader | bytes,
) -> BytesIO | BufferedReader | nullcontext[BufferedReader]:
    if isinstance(source, bytes):
        return BytesIO(source)
    return open_regular(source) if isinstance(source, Path) else nullcontext(source)


def _alone(stream: BytesIO | BufferedReader) -> AbstractContextManager[object]:
    """What to hold while the photo is open. Bytes are in memory already: whoever read them counts them."""
    if isinstance(stream, BytesIO):
        return nullcontext()
    start = stream.read(12)
    stream.seek(0)
    is_read_whole = start[:4] == b"RIFF" or start[4:8] == b"ftyp"
    limit = _LARGE_READ_WHOLE if is_read_whole else _LARGE
    return _ALONE if os.fstat(stream.fileno()).st_size > limit else nullcontext()


def orientation(photo: Image.Image) -> int:
    """The EXIF orientation, 1…8; 1 where there is none or where the EXIF block is damaged."""
    try:
        found = photo.getexif().get(0x0112, 1)
    except _DAMAGED:
        return 1  # the pixels may still be good
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _silence_pillow() -> None:
    """Ignore what Pillow's own modules warn of: what matters becomes a PhotoError.

    `warnings.catch_warnings` would be the tidy way, but it is not safe in threads before Python
    3.14: one thread's exit restores the filters under another. Adding one narrow filter for good
    is. It is looked for each time, because whoever leaves a `catch_warnings` block takes it away
    again.
    """
    if warnings.filters[:1] != [_QUIET]:
        warnings.filterwarnings("ignore", module=_QUIET[3].pattern)


def _unidentified(start: bytes) -> Message:
    if start[4:8] == b"ftyp" and start[8:12] in {b"heic", b"heix", b"hevc", b"mif1", b"msf1"}:
        return message("a HEIC photo, which Pillow cannot read: convert it to JPEG")
    if start.startswith(b"\xff\xd8"):
        return message("a JPEG whose header is damaged or cut off")
    if start.startswith(b"\x89PNG"):
        return message("a PNG whose header is damaged or cut off")
    return message("not an image that Pillow can read")


def _reason(error: BaseException, kind: str) -> Message:
    """One line for a person. `kind` is the format, or `image` where none was recognised."""
    if isinstance(error, Image.DecompressionBombError):
        return message(
            "more than {max_pixels:,} pixels: refused as a possible decompression bomb", max_pixels=MAX_PIXELS
        )
    if isinstance(error, MemoryError):
        return message("not enough memory to decode this {kind}", kind=kind)
    if isinstance(error, OSError) and error.errno is not None:
        return system_reason(error)
    said = " ".join(str(error).split())[:200]
    if isinstance(error, EOFError) or "truncated" in said.lower():
        return message("the file ends too early: truncated {kind}", kind=kind)
    return message("damaged {kind}: {said}", kind=kind, said=said or type(error).__name__)
