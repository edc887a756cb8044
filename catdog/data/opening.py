"""Opening photos with Pillow: only photo formats, no bombs, no warnings, one exception for bad files."""

import importlib
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from io import BufferedReader, BytesIO
from pathlib import Path
from threading import Lock

import PIL
from PIL import Image, ImageCms, UnidentifiedImageError, features

from catdog.data.budget import large_is_allowed
from catdog.data.files import open_regular, size_of, system_reason
from catdog.errors import PhotoError
from catdog.text import Message, message

# Plugins register themselves on import. Here that happens in one thread; Pillow would do it later, in many.
for _plugin in ("Avif", "Bmp", "Gif", "Jpeg2K", "Jpeg", "Mpo", "Png", "Ppm", "Tiff", "WebP"):
    importlib.import_module(f"PIL.{_plugin}ImagePlugin")

# A file may have any of these formats, whatever its name. Pillow knows more formats, but some are not photos
# (fonts, icons, cursors) and some run other programs (EPS starts Ghostscript).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM")

# Decoders of lossy formats: another version may give other pixels for the same file. PNG's zlib is lossless.
_LIBRARIES = ("jpg", "libjpeg_turbo", "jpg_2000", "webp", "avif", "libtiff")

# Two thirds of a GiB at Pillow's four bytes a pixel. Pillow itself refuses more by default, but another
# library in the process may have switched that off.
MAX_PIXELS = 178_956_970

# What Pillow's format plugins may raise on damaged bytes: they do not check what they parse, so damage can
# cause any of these errors. An ImportError is a codec that this build of Pillow lacks.
_DAMAGED = (ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError, LookupError)
_DAMAGED += (MemoryError, OSError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error)
_DAMAGED += (Image.DecompressionBombError, ImageCms.PyCMSError)

# Some of Pillow's plugins read the whole file for its header, others parts whose size is in the file. Larger
# files than these are opened one at a time.
_LARGE = 256 * 2**20
_LARGE_READ_WHOLE = 8 * 2**20  # WebP and AVIF
_ALONE = Lock()

_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # as warnings.filterwarnings writes it


@cache
def decoder_version() -> str:
    """The versions of Pillow and of its decoders, in one line; "absent" without the codec or the feature."""
    decoders = [f"{name} {features.version(name) or 'absent'}" for name in _LIBRARIES]
    return ", ".join([f"Pillow {PIL.__version__}", *decoders])


@contextmanager
def opened(source: Path | BufferedReader | bytes) -> Iterator[Image.Image]:
    """The photo: its header is read and its size checked, its pixels are not yet decoded.

    Decode it inside the `with` block. The file is opened read-only; a file that is already open stays open.
    Errors of Pillow in the block become a PhotoError.

    Raises:
        PhotoError: not a plain file, empty, not an image, more than MAX_PIXELS, damaged or cut off.
    """
    _silence_pillow()
    if isinstance(source, bytes) and not source:
        raise PhotoError("the file is empty (0 bytes)")
    kind: Message | str = message("image")
    with _stream(source) as stream:
        try:
            with _alone(stream), Image.open(stream, formats=FORMATS) as photo:
                kind = photo.format or kind
                width, height = photo.size
                if width * height > MAX_PIXELS:
                    raise PhotoError(
                        "{width} × {height} pixels: more than {limit:,}",
                        width=width,
                        height=height,
                        limit=MAX_PIXELS,
                    )
                yield photo
        except UnidentifiedImageError:
            stream.seek(0)
            raise PhotoError(_unidentified(stream.read(16))) from None
        except _DAMAGED as error:
            raise PhotoError(_reason(error, kind)) from error


def _stream(source: Path | BufferedReader | bytes) -> BytesIO | BufferedReader | nullcontext[BufferedReader]:
    if isinstance(source, bytes):
        return BytesIO(source)
    return open_regular(source) if isinstance(source, Path) else nullcontext(source)


def _alone(stream: BytesIO | BufferedReader) -> AbstractContextManager[object]:
    """The lock to hold while a large file is open. Bytes are in memory already."""
    if isinstance(stream, BytesIO):
        return nullcontext()
    start = stream.read(12)
    stream.seek(0)
    is_read_whole = start[:4] == b"RIFF" or start[4:8] == b"ftyp"
    limit = _LARGE_READ_WHOLE if is_read_whole else _LARGE
    if size_of(stream) <= limit:
        return nullcontext()
    large_is_allowed()
    return _ALONE


def orientation(photo: Image.Image) -> int:
    """The EXIF orientation, 1…8; 1 where there is none or where the EXIF block is damaged."""
    try:
        found = photo.getexif().get(0x0112, 1)
    except _DAMAGED:
        return 1  # the pixels may still be good
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _silence_pillow() -> None:
    """Ignore the warnings of Pillow's own modules: real problems become a PhotoError.

    `warnings.catch_warnings` is not safe in threads before Python 3.14: one thread's exit restores the
    filters of another. A permanent, narrow filter is safe. It is checked each time, because the end of
    somebody's `catch_warnings` block removes it.
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


def _reason(error: BaseException, kind: Message | str) -> Message:
    """One line for people. `kind` is the format, or `image` where no format was recognised."""
    if isinstance(error, Image.DecompressionBombError):
        return message(
            "more than {limit:,} pixels: refused as a possible decompression bomb", limit=MAX_PIXELS
        )
    if isinstance(error, MemoryError):
        return message("not enough memory to decode this {kind}", kind=kind)
    if isinstance(error, OSError) and error.errno is not None:
        return system_reason(error)
    reason = " ".join(str(error).split())[:200]
    if isinstance(error, EOFError) or "truncated" in reason.lower():
        return message("the file ends too early: truncated {kind}", kind=kind)
    return message("damaged {kind}: {reason}", kind=kind, reason=reason or type(error).__name__)
