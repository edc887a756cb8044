"""Random damage: a PhotoError or an array comes out, no warning, and no word on stderr."""

import random

import pytest
from PIL import Image

from catdog.config import Decoding
from catdog.data import decode, probe
from catdog.errors import PhotoError
from tests.data.made_photos import encoded, noise, scene

DECODING = Decoding(size=32)
ROUNDS = 120


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010F] = "a camera"
    return tags


def seeds() -> dict[str, bytes]:
    photo, palette = scene(40, 30), scene(40, 30).quantize(16)
    return {
        "JPEG": encoded(photo, "JPEG", exif=exif()),
        "progressive": encoded(noise(40, 30), "JPEG", progressive=True, dpi=(72, 72)),
        "CMYK": encoded(photo.convert("CMYK"), "JPEG"),
        "MPO": encoded(photo, "MPO", save_all=True, append_images=[noise(40, 30)]),
        "PNG": encoded(photo, "PNG", exif=exif()),
        "palette": encoded(palette, "PNG", transparency=bytes(range(16))),
        "APNG": encoded(photo, "PNG", save_all=True, append_images=[noise(40, 30)]),
        "GIF": encoded(palette, "GIF", save_all=True, append_images=[noise(40, 30)]),
        "WEBP": encoded(photo, "WEBP", exif=exif()),
        "lossless": encoded(photo.convert("RGBA"), "WEBP", lossless=True),
        "TIFF": encoded(photo, "TIFF", exif=exif()),
        "LZW": encoded(photo, "TIFF", compression="tiff_lzw"),
        "BMP": encoded(palette, "BMP"),
        "PPM": encoded(photo, "PPM"),
        "JPEG2000": encoded(photo, "JPEG2000"),
        "AVIF": encoded(photo, "AVIF"),
    }


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut, flip, overwrite, drop or repeat bytes, more often near the start, where headers are."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        if not changed:
            break
        at = int(len(changed) * chance.random() ** 2)
        kind = chance.randrange(5)
        if kind == 0:
            changed[at:] = changed[at : at + chance.randrange(1, len(changed) + 1)]
        elif kind == 1:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            changed[at : at + 4] = chance.choice((b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"))
        elif kind == 3:
            del changed[at : at + chance.randrange(1, 9)]
        else:
            changed[at:at] = changed[at : at + chance.randrange(1, 40)]
    return bytes(changed) if chance.random() < 0.8 else bytes(changed[: len(changed) * 2 // 3])


@pytest.mark.parametrize("kind", seeds())
def test_damage_gives_a_photo_or_a_reason(kind: str, capfd: pytest.CaptureFixture[str]):
    whole = seeds()[kind]
    chance = random.Random(kind)
    reasons: list[str] = []
    for round_number in range(ROUNDS):
        data = damaged(whole, chance)
        try:
            pixels = decode(data, DECODING)
            assert pixels.shape == (32, 32, 3), round_number
            probe(data)  # what decodes has a good header
        except PhotoError as error:
            reasons.append(str(error))
    assert decode(whole, DECODING).shape == (32, 32, 3)
    assert ROUNDS // 10 < len(reasons) < ROUNDS
    assert all(reason and "\n" not in reason and len(reason) < 300 for reason in reasons)
    if kind != "LZW":  # libtiff itself complains on stderr about compressed data; Pillow lets it
        assert capfd.readouterr() == ("", "")


def test_no_prefix_of_a_jpeg_passes_for_the_whole():
    whole = encoded(noise(64, 64), "JPEG")
    for length in range(0, len(whole) - 64, 37):
        with pytest.raises(PhotoError):
            decode(whole[:length], DECODING)
