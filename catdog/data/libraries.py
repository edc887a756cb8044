"""The libraries that turn a file into pixels: another version may give other pixels of the same photo."""

from functools import cache

import PIL
from PIL import features

# What decodes a lossy format, or may choose how. PNG's zlib is lossless.
_LIBRARIES = ("jpg", "libjpeg_turbo", "jpg_2000", "webp", "avif", "libtiff")


@cache
def decoder_version() -> str:
    """Pillow and the libraries that it decodes with, each with its version, in one line."""
    versions = {"Pillow": PIL.__version__}
    for name in _LIBRARIES:
        # A codec's version is unknown without the codec; of a feature such as libjpeg_turbo it is None.
        versions[name] = features.version(name) or "absent"
    return ", ".join(f"{name} {version}" for name, version in versions.items())
