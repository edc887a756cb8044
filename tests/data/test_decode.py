"""Every kind of photo comes out upright, in the right colours, at the right size."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog.config import RESIZES, Decoding, Resize
from catdog.data import PhotoHeader, decode, probe
from catdog.errors import PhotoError
from tests.data.made_photos import encoded, grey16, noise, scene, with_adobe_transform, without_adobe

DECODING = Decoding()
ORANGE = (220, 120, 30)


def colour_of(data: bytes) -> tuple[int, ...]:
    """The one colour of a photo that has only one, but for the noise of lossy formats."""
    pixels = decode(data, Decoding(size=8)).reshape(-1, 3)
    assert np.ptp(pixels, axis=0).max() <= 3
    return tuple(int(value) for value in pixels[0])


def near(colour: tuple[int, ...], expected: tuple[int, ...], *, within: int) -> bool:
    return max(abs(a - b) for a, b in zip(colour, expected, strict=True)) <= within


def plain(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (16, 16), colour)


@pytest.mark.parametrize(
    ("mode", "format", "colour", "expected"),
    [
        ("1", "PNG", 1, (255, 255, 255)),
        ("L", "PNG", 77, (77, 77, 77)),
        ("L", "JPEG", 77, (77, 77, 77)),
        ("RGB", "PNG", ORANGE, ORANGE),
        ("RGB", "BMP", ORANGE, ORANGE),
        ("RGB", "PPM", ORANGE, ORANGE),
        ("RGB", "TIFF", ORANGE, ORANGE),
        ("LA", "PNG", (100, 255), (100, 100, 100)),
        ("LA", "PNG", (100, 0), (255, 255, 255)),
        ("LA", "TIFF", (100, 51), (224, 224, 224)),
        ("RGBA", "PNG", (*ORANGE, 0), (255, 255, 255)),
        ("RGBA", "PNG", (0, 0, 0, 51), (204, 204, 204)),
        ("CMYK", "TIFF", (255, 0, 0, 0), (0, 255, 255)),
        ("YCbCr", "TIFF", (128, 128, 128), (128, 128, 128)),
    ],
)
def test_modes(mode: str, format: str, colour: Any, expected: tuple[int, int, int]):
    assert near(colour_of(encoded(plain(mode, colour), format)), expected, within=1)


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "JPEG2000", "JPEG"])
def test_lossy_formats(format: str):
    assert near(colour_of(encoded(plain("RGB", ORANGE), format)), ORANGE, within=4)


def test_lab():
    lab = plain("RGB", ORANGE).convert("LAB")
    assert near(colour_of(encoded(lab, "TIFF")), ORANGE, within=3)


@pytest.mark.parametrize("wide", [0, 128, 129, 257, 32896, 65407, 65535])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(format: str, wide: int):
    data = encoded(grey16(np.full((16, 16), wide)), format)
    assert probe(data).mode == "I;16"
    assert colour_of(data) == (round(wide / 257),) * 3


def test_sixteen_bits_big_endian():
    image = Image.frombytes("I;16B", (16, 16), np.full((16, 16), 0x8080, ">u2").tobytes())
    assert colour_of(encoded(image, "TIFF")) == (128, 128, 128)


def test_sixteen_bits_with_a_transparent_value():
    half = np.full((16, 16), 1000)
    half[:, 8:] = 50000
    pixels = decode(encoded(grey16(half), "PNG", transparency=1000), Decoding(size=16))
    assert (pixels[:, :7] == 255).all() and (pixels[:, 9:] == round(50000 / 257)).all()


def test_a_pgm_of_more_than_eight_bits():
    assert colour_of(b"P5 4 4 1023\n" + np.full(16, 1023, ">u2").tobytes()) == (255, 255, 255)


def test_floats_from_zero_to_one():
    assert colour_of(encoded(Image.fromarray(np.full((9, 9), 0.5, np.float32)), "TIFF"))[0] == 128


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((9, 9), 300.0, np.float32), "float pixels from 300 to 300: expected 0 to 1"),
        (np.full((9, 9), np.nan, np.float32), "float pixels from nan to nan: expected 0 to 1"),
        (np.full((9, 9), -1, np.int32), "32-bit integer pixels from -1 to -1: expected 0 to 65535"),
    ],
    ids=["float", "nan", "integer"],
)
def test_a_scale_that_nobody_knows_is_refused(pixels: np.ndarray, reason: str):
    with pytest.raises(PhotoError) as caught:
        decode(encoded(Image.fromarray(pixels), "TIFF"), DECODING)
    assert str(caught.value) == reason


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_a_palette_with_a_transparent_colour(format: str):
    image = Image.new("P", (16, 16), 1)
    image.putpalette([10, 20, 30, *ORANGE])
    assert colour_of(encoded(image, format)) == ORANGE
    assert colour_of(encoded(image, format, transparency=1)) == (255, 255, 255)


def test_a_palette_with_degrees_of_transparency():
    image = Image.new("P", (16, 16), 1)
    image.putpalette([10, 20, 30, 0, 0, 0])
    assert colour_of(encoded(image, "PNG", transparency=bytes([255, 51]))) == (204, 204, 204)


def test_rgb_with_a_transparent_colour():
    assert colour_of(encoded(plain("RGB", ORANGE), "PNG", transparency=ORANGE)) == (255, 255, 255)


def test_an_animation_gives_its_first_frame():
    frames = [plain("RGB", colour) for colour in (ORANGE, (0, 0, 255), (0, 255, 0))]
    for format in ("GIF", "PNG", "WEBP"):
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert near(colour_of(data), ORANGE, within=4), format


INKS = (20, 120, 200, 10)  # cyan, magenta, yellow, black; 255 is full ink


def test_cmyk_jpeg_with_and_without_the_adobe_marker():
    image = plain("CMYK", INKS)
    expected = image.convert("RGB").getpixel((0, 0))
    assert isinstance(expected, tuple)
    marked = encoded(image, "JPEG", quality=100)
    assert b"Adobe" in marked and b"Adobe" not in without_adobe(marked)
    assert probe(marked).mode == probe(without_adobe(marked)).mode == "CMYK"
    assert near(colour_of(marked), expected, within=3)
    assert colour_of(without_adobe(marked)) == colour_of(marked)


def test_ycck_jpeg():
    # YCCK holds the first three inks, as if they were RGB, in YCbCr; black is inverted as in CMYK.
    expected = plain("CMYK", INKS).convert("RGB").getpixel((0, 0))
    assert isinstance(expected, tuple)
    luma = plain("RGB", INKS[:3]).convert("YCbCr").getpixel((0, 0))
    assert isinstance(luma, tuple)
    stored = plain("CMYK", (*(255 - value for value in luma), INKS[3]))
    data = with_adobe_transform(encoded(stored, "JPEG", quality=100), 2)
    assert near(colour_of(data), expected, within=4)


INVERSES = {  # what a camera held in this way does to an upright scene
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("resize", RESIZES)
def test_all_orientations_show_the_same_upright_picture(format: str, orientation: int, resize: Resize):
    upright = scene(90, 60)
    turn = INVERSES[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else options
    stored = upright if turn is None else upright.transpose(turn)
    decoding = Decoding(size=48, resize=resize)
    seen = decode(encoded(stored, format, exif=exif, **options), decoding).astype(int)
    expected = decode(encoded(upright, "PNG"), decoding).astype(int)
    assert abs(seen - expected).max() <= (8 if format == "JPEG" else 0)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_overlooked(orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    seen = decode(encoded(scene(90, 60), "PNG", exif=exif), DECODING)
    assert (seen == decode(encoded(scene(90, 60), "PNG"), DECODING)).all()


def resized(image: Image.Image, width: int, height: int) -> np.ndarray:
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def test_squash_is_one_plain_resize():
    image = noise(500, 300)
    assert (decode(encoded(image, "PNG"), DECODING) == resized(image, 224, 224)).all()


def test_a_jpeg_below_the_margin_of_draft_is_decoded_whole():
    data = encoded(noise(895, 895), "JPEG")  # half of it would be less than twice 224
    with Image.open(io.BytesIO(data)) as whole:
        assert (decode(data, DECODING) == resized(whole.convert("RGB"), 224, 224)).all()


def test_a_large_jpeg_decoded_small_looks_the_same():
    data = encoded(scene(3000, 2000), "JPEG", quality=95)
    with Image.open(io.BytesIO(data)) as whole:
        exact = resized(whole.convert("RGB"), 224, 224).astype(int)
    difference = abs(decode(data, DECODING).astype(int) - exact)
    assert 0 < difference.mean() < 1


def test_crop_takes_the_central_square():
    image = noise(400, 200)
    expected = resized(image, 200, 100)[:, 50:150]
    seen = decode(encoded(image, "PNG"), Decoding(size=100, resize="crop"))
    assert abs(seen.astype(int) - expected).max() <= 1


def test_pad_keeps_the_whole_photo_on_black():
    image = noise(400, 200)
    seen = decode(encoded(image, "PNG"), Decoding(size=100, resize="pad"))
    assert (seen[25:75] == resized(image, 100, 50)).all()
    assert (seen[:25] == 0).all() and (seen[75:] == 0).all()


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("size", [(1, 1), (20000, 1), (1, 20000), (2, 3), (223, 225)])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_extreme_shapes(size: tuple[int, int], resize: Resize, format: str):
    data = encoded(Image.new("RGB", size, (250, 250, 250)), format)
    pixels = decode(data, Decoding(resize=resize))
    assert pixels.shape == (224, 224, 3) and pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous and pixels.flags.writeable
    assert pixels.max() >= 249
    assert resize == "pad" or pixels.min() >= 249


@pytest.mark.parametrize("size", [1, 32, 224, 300])
@pytest.mark.parametrize("resize", RESIZES)
def test_other_sizes(size: int, resize: Resize):
    pixels = decode(encoded(scene(90, 60), "JPEG"), Decoding(size=size, resize=resize))
    assert pixels.shape == (size, size, 3)


def test_probe_tells_the_header():
    assert probe(encoded(scene(90, 60), "JPEG")) == PhotoHeader("JPEG", "RGB", 90, 60)
    assert probe(encoded(plain("P", 3), "GIF")).format == "GIF"


def test_the_name_does_not_decide_the_format(tmp_path: Path):
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(scene(90, 60), "PNG"))
    assert probe(path).format == "PNG"
    assert (decode(path, DECODING) == decode(path.read_bytes(), DECODING)).all()
