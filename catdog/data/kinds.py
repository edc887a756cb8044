"""Which files are photos, by their names or by their first bytes. Whether they are readable shows later."""

import re
from pathlib import Path

from catdog.archives.suffixes import PHOTO_SUFFIXES, RAW_SUFFIXES
from catdog.data.files import open_regular
from catdog.errors import PhotoError

_START = re.compile(
    rb"\xff\xd8\xff"  # JPEG
    rb"|\x89PNG\r\n\x1a\n"
    rb"|GIF8[79]a"
    rb"|RIFF....WEBP"
    rb"|BM....\0\0\0\0....[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"  # BMP: reserved zeros, a header of known size
    rb"|II\*\0|MM\0\*|II\+\0|MM\0\+"  # TIFF
    rb"|....ftyp(?:avi[fs]|hei[cxms]|hev[cxms]|mif1|msf1)"  # AVIF, HEIC
    rb"|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"  # JPEG 2000
    rb"|\0\0\0\x0cJXL \r\n\x87\n"
    rb"|P[4-6]\n[#\d]",  # PBM, PGM, PPM in their binary forms: the other forms are text
    re.DOTALL,
)
_START_BYTES = 18


def is_photo(path: Path, *, is_plain: bool) -> bool:
    """Whether a file is a photo, by its suffix, or else by its first bytes.

    Only plain files (`is_plain`) are opened: opening a pipe without a writer would wait for ever.
    """
    suffix = path.suffix.lower()
    if suffix in PHOTO_SUFFIXES:
        return True
    if suffix in RAW_SUFFIXES or not is_plain:
        return False
    try:
        with open_regular(path) as file:
            return _START.match(file.read(_START_BYTES)) is not None
    except (OSError, PhotoError):
        return False
