"""What looks like a photo: every format that catdog decodes, by its first bytes; and nothing that is text."""

from pathlib import Path

import pytest

from catdog.data.kinds import is_photo
from tests.data.made_photos import encoded, noise


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM"]
)
def test_every_format_by_its_first_bytes(tmp_path: Path, kind: str):
    path = tmp_path / "photo"
    path.write_bytes(encoded(noise(9, 7), kind))
    # DIB is a BMP without what tells it from other files: its name has to.
    assert is_photo(path, is_plain=True) == (kind != "DIB")
    assert not is_photo(path, is_plain=False)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif"])
def test_heic_of_every_brand(tmp_path: Path, brand: bytes):
    path = tmp_path / "IMG_1"
    path.write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(50))
    assert is_photo(path, is_plain=True)


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "a.jpg", "a.JXL"])
def test_by_name_though_nobody_can_open_it(tmp_path: Path, name: str):
    assert is_photo(tmp_path / name, is_plain=False)


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"BMW and other cars, a list", b"P1 is the first page", b"II* notes", b"GIF89", b"\0" * 40,
     b"\0\0\0\x18ftypisom" + bytes(50), b"RIFF\0\0\0\0WAVEfmt "],
)  # fmt: skip
def test_what_is_no_photo(tmp_path: Path, content: bytes):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert not is_photo(path, is_plain=True)
    assert not is_photo(tmp_path / "missing", is_plain=True)
