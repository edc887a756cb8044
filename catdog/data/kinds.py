"""What looks like a photo: by its name, or by its first bytes. Whether it can be read shows when it is."""

import re
from pathlib import Path

# Lower case, with the dot. The file's content decides how it is decoded, its name only whether it
# is a photo.
PHOTO_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .jif .mpo .png .apng .gif .bmp .dib .webp .tif .tiff .avif .avifs .heic .heif "
    ".hif .jxl .ppm .pgm .pbm .pnm .pfm .jp2 .j2k .j2c .jpc .jpf .jpx".split()
)

# What cameras write beside a JPEG of the same photo. Many begin as TIFF files do, with a thumbnail: one that
# trains while its JPEG validates would be a leak. They are left out and counted.
_RAW_SUFFIXES = frozenset(
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 "
    ".rwl .sr2 .srf .srw .x3f".split()
)

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
    rb"|P[4-6]\n[#\d]",  # PBM, PGM, PPM in their binary forms: the others read like text
    re.DOTALL,
)
_START_BYTES = 18


def is_photo(path: Path, *, is_plain: bool) -> bool:
    """Whether a file looks like a photo. One without a photo's suffix is opened for its first bytes.

    What cannot be opened is a photo only by its name.

    Args:
        is_plain: whether it is a plain file: opening a pipe that nobody writes to would wait for ever.
    """
    suffix = path.suffix.lower()
    if suffix in PHOTO_SUFFIXES:
        return True
    if suffix in _RAW_SUFFIXES or not is_plain:
        return False
    try:
        with open(path, "rb", buffering=0) as file:
            return _START.match(file.read(_START_BYTES)) is not None
    except OSError:
        return False
