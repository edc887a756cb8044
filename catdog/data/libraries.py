"""The libraries that decode photos: another version may give other pixels for the same file."""

from functools import cache

import PIL
from PIL import features

# Decoders of lossy formats. PNG's zlib is lossless.
_LIBRARIES = ("jpg", "libjpeg_turbo", "jpg_2000", "webp", "avif", "libtiff")


@cache
def decoder_version() -> str:
    """The versions of Pillow and of its decoders, in one line."""
    versions = {"Pillow": PIL.__version__}
    for name in _LIBRARIES:
        # Without the codec, or the feature (libjpeg_turbo), there is no version.
        versions[name] = features.version(name) or "absent"
    return ", ".join(f"{name} {version}" for name, version in versions.items())
