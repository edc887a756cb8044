"""A photo file becomes the square of RGB pixels that is the network's input.

train, evaluate, predict and inspect all use this function, so a photo gives the same pixels everywhere.
"""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from catdog.config import Decoding
from catdog.data.budget import DECODING, bytes_to_decode
from catdog.data.colour import to_rgb
from catdog.data.files import open_regular, size_at, size_of, system_reason
from catdog.data.opening import opened, orientation
from catdog.data.views import ZOOM, View, relit, view_of
from catdog.errors import PhotoError
from catdog.text import message

# Part of every cache key. Raise it with any change, here, in colour.py or in views.py, that changes a pixel.
DECODING_VERSION = 1

# A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is fast, but not quite the same as decoding it
# whole and resizing. Both sides keep at least this many times the pixels that are needed: the antialiased
# resize then still does most of the work.
_DRAFT_MARGIN = 2

_CHANGED = message("the file was changed while photos were being read")

_UPRIGHT = {  # EXIF orientation → what makes the photo upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class PhotoHeader:
    """The facts in a photo file's header."""

    format: str  # as Pillow names it: JPEG, PNG, …
    mode: str  # as Pillow names it: RGB, L, P, CMYK, I;16, …
    width: int  # pixels, as stored: the EXIF orientation counts for TIFF only
    height: int  # pixels


@dataclass(frozen=True)
class Whole:
    """A photo, and facts about the bytes that it was decoded from."""

    bytes: int  # in the file
    digest: str  # SHA-256, 64 lower-case hexadecimal digits
    header: PhotoHeader
    pixels: npt.NDArray[np.uint8]  # see `decode`


def decode(source: Path | bytes, decoding: Decoding) -> npt.NDArray[np.uint8]:
    """Decode a photo, given as a file or as a file's bytes, upright and resized.

    Waits until the memory for it is free, see `budget`. An animation gives its first frame. `decoding.resize`
    is one of
    `squash`: the whole photo, without its aspect ratio;
    `crop`: the central square, as large as it can be;
    `pad`: the whole photo with its aspect ratio, centred on black.
    Resizing is bilinear and antialiased. `decoding.view` is a number of `catdog.data.views`: a crop is taken
    before resizing, so that it keeps its detail.

    Returns:
        (size, size, 3) RGB, 0…255.

    Raises:
        PhotoError: the reason why the file cannot be decoded, in one line, without its path.
    """
    if isinstance(source, Path) and decoding.view:
        return decode_whole(source, decoding).pixels  # the content decides the view
    digest = hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else ""
    with ExitStack() as held:  # until `_decode` has let go of all that it needed
        return _decode(source, decoding, digest, lambda needed: held.enter_context(DECODING.room(needed)))


def decode_whole(path: Path, decoding: Decoding, *, expected: str | None = None) -> Whole:
    """Decode a photo from bytes that were all read and hashed first.

    Raises:
        PhotoError: see `decode`; or the file does not have the SHA-256 `expected`, hex.
    """
    try:
        with open_regular(path) as file:
            size = size_of(file)
            try:
                with opened(file) as photo:
                    header = PhotoHeader(photo.format or "", photo.mode, *photo.size)
                    needed = size + _drafted(photo, _enough(photo.size, decoding), size)
            except PhotoError:
                file.seek(0)
                if expected is not None and hashlib.file_digest(file, "sha256").hexdigest() != expected:
                    raise PhotoError(_CHANGED) from None
                raise
            with DECODING.room(needed):
                file.seek(0)
                content = file.read(size)
                digest = hashlib.sha256(content).hexdigest()
                if expected is not None and digest != expected or file.read(1):
                    raise PhotoError(_CHANGED)
                return Whole(size, digest, header, _decode(content, decoding, digest, lambda _: None))
    except OSError as error:  # the disk or the network failed while the file was read
        raise PhotoError(system_reason(error)) from error


def decode_for_people(source: Path | bytes, *, side: int) -> npt.NDArray[np.uint8]:
    """Decode a photo for people to look at, (height, width, 3) RGB, 0…255: upright, with its aspect ratio.

    Its longer side has at most `side` pixels; a smaller photo keeps its size. Errors are those of `decode`.
    """
    with ExitStack() as held:
        with opened(source) as photo:
            enough = (min(side, photo.width), min(side, photo.height))
            held.enter_context(DECODING.room(_drafted(photo, enough, _file_bytes(source))))
            rgb = _upright(photo)
        if max(rgb.size) > side:
            rgb = rgb.resize(_scaled(rgb.size, Decoding(side, "pad")), Image.Resampling.LANCZOS)
        return np.array(rgb)


def probe(source: Path | bytes) -> PhotoHeader:
    """Read a photo's header; no pixels are decoded, so a file that is cut off later passes.

    Raises:
        PhotoError: not a plain file, empty, not an image, or more than MAX_PIXELS.
    """
    with opened(source) as photo:
        return PhotoHeader(photo.format or "", photo.mode, *photo.size)


def _decode(
    source: Path | bytes, decoding: Decoding, digest: str, claim: Callable[[int], object]
) -> npt.NDArray[np.uint8]:
    """`decode`; `claim` is called with the bytes of memory that it takes, before it takes them."""
    with opened(source) as photo:
        claim(_drafted(photo, _enough(photo.size, decoding), _file_bytes(source)))
        rgb = _upright(photo)
    # Outside the block: no exception here is due to the file's bytes.
    view = view_of(decoding.view, digest)
    pixels = _resized(rgb, decoding, view)
    return np.ascontiguousarray(pixels[:, ::-1]) if view.mirrored else pixels


def _file_bytes(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else size_at(source)


def _drafted(photo: Image.Image, needed: tuple[int, int], file_bytes: int) -> int:
    """Bytes that decoding takes; of a JPEG, only the pixels for the `needed` (width, height) are decoded."""
    stored = photo.size
    photo.draft(None, (needed[0] * _DRAFT_MARGIN, needed[1] * _DRAFT_MARGIN))
    # Other formats may store EXIF after the pixels; reading it would decode them.
    turned = orientation(photo) in _UPRIGHT if isinstance(photo, JpegImageFile) else None
    return bytes_to_decode(photo, stored, file_bytes=file_bytes, turned=turned)


def _upright(photo: Image.Image) -> Image.Image:
    """All pixels of its draft, as RGB, upright."""
    photo.load()
    # Read after loading: Pillow turns a TIFF itself, and a PNG may have its EXIF block at the end.
    turn = _UPRIGHT.get(orientation(photo))
    rgb = to_rgb(photo)
    if turn is None:
        return rgb
    if rgb is not photo:
        photo.close()  # else there would be three copies
    return rgb.transpose(turn)


def _scaled(size: tuple[float, float], decoding: Decoding) -> tuple[int, int]:
    """The (width, height) to which a photo of that size is scaled, before cropping or padding."""
    target = decoding.size
    if decoding.resize == "squash":
        return target, target
    side = min(size) if decoding.resize == "crop" else max(size)
    return max(1, round(size[0] * target / side)), max(1, round(size[1] * target / side))


def _enough(size: tuple[int, int], decoding: Decoding) -> tuple[int, int]:
    """The (width, height) of a photo of that size with all the pixels that the view needs."""
    zoom = ZOOM if decoding.view > 1 else 1
    width, height = _scaled(size, decoding)
    return width * zoom, height * zoom


def _resized(photo: Image.Image, decoding: Decoding, view: View) -> npt.NDArray[np.uint8]:
    target, (width, height) = decoding.size, photo.size
    region = 0.0, 0.0, float(width), float(height)
    if decoding.resize == "crop":
        # Only the central square is scaled: the whole of a 20000 × 1 photo would become 4.5 million wide.
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        region = left, top, left + side, top + side
    box = view.within(region)
    scaled_to = (
        _scaled((box[2] - box[0], box[3] - box[1]), decoding)
        if decoding.resize == "pad"
        else (target, target)
    )
    scaled = np.array(photo.resize(scaled_to, Image.Resampling.BILINEAR, box=box))
    if view.light:
        scaled = relit(scaled, view.light)
    rows, columns = target - scaled.shape[0], target - scaled.shape[1]
    return np.pad(scaled, ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0)))
