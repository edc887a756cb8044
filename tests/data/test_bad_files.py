"""A file that is no good photo gives a PhotoError with a reason, at once, and nothing else."""

import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from catdog.config import Decoding
from catdog.data import MAX_PIXELS, decode, fingerprint, probe
from catdog.errors import PhotoError
from catdog.workspace import Workspace
from tests.data.made_photos import (
    bmp_claiming,
    encoded,
    gif_claiming,
    jpeg_segments,
    noise,
    png_claiming,
    scene,
)

DECODING = Decoding()


def reason_of(read: Callable[[], object]) -> str:
    with pytest.raises(PhotoError) as caught:
        read()
    reason = str(caught.value)
    assert reason and "\n" not in reason
    return reason


def test_zero_bytes(tmp_path: Path):
    path = tmp_path / "empty.jpg"
    path.touch()
    assert reason_of(lambda: decode(path, DECODING)) == "the file is empty (0 bytes)"
    assert reason_of(lambda: decode(b"", DECODING)) == "the file is empty (0 bytes)"
    assert reason_of(lambda: probe(path)) == "the file is empty (0 bytes)"


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
        ("JPEG2000", {}),
    ],
)
def test_a_file_that_ends_too_early_is_found_by_decoding(format: str, options: dict[str, object]):
    whole = encoded(noise(300, 200), format, **options)
    assert decode(whole, DECODING).shape == (224, 224, 3)
    for part in (0.5, 0.9):
        reason_of(lambda part=part: decode(whole[: int(len(whole) * part)], DECODING))


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_truncation_is_called_truncation(format: str):
    whole = encoded(noise(300, 200), format)
    cut = whole[: len(whole) // 2]
    assert probe(cut).format == format
    assert reason_of(lambda: decode(cut, DECODING)) == f"the file ends too early: truncated {format}"


@pytest.mark.parametrize("format", ["WEBP", "AVIF"])
def test_truncated_containers_are_refused(format: str):
    whole = encoded(noise(300, 200), format)
    reason_of(lambda: decode(whole[: len(whole) // 2], DECODING))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html>404 not found</html>", "not an image that Pillow can read"),
        (b"\x00", "not an image that Pillow can read"),
        (encoded(scene(9, 9), "JPEG")[:40], "the file ends too early: truncated image"),
        (b"\xff\xd8\xff\x01" + bytes(40), "a JPEG whose header is damaged or cut off"),
        (encoded(scene(9, 9), "PNG")[:12], "a PNG whose header is damaged or cut off"),
        (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
            "a HEIC photo, which Pillow cannot read: convert it to JPEG",
        ),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image that Pillow can read"),
    ],
    ids=["html", "one byte", "JPEG header cut", "JPEG header", "PNG header", "HEIC", "EPS"],
)
def test_what_is_no_image(data: bytes, reason: str, tmp_path: Path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    assert reason_of(lambda: decode(path, DECODING)) == reason
    assert reason_of(lambda: probe(data)) == reason


def test_a_damaged_png_chunk_is_named():
    data = bytearray(encoded(noise(50, 50), "PNG"))
    data[data.index(b"IDAT") + 40] ^= 0xFF
    assert reason_of(lambda: decode(bytes(data), DECODING)).startswith("damaged PNG: ")


def test_what_is_no_plain_file(tmp_path: Path):
    folder, link, pipe = tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "c.jpg"
    folder.mkdir()
    link.symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(pipe)
    expected = {
        folder: "a folder, not a file",
        link: "a link to a file that does not exist",
        pipe: "a pipe, socket or device, not a plain file",
        tmp_path / "d.jpg": "the file does not exist",
        Path(os.devnull): "a pipe, socket or device, not a plain file",
    }
    assert {path: reason_of(lambda path=path: decode(path, DECODING)) for path in expected} == expected
    found = fingerprint(list(expected), workspace=Workspace(workers=2))
    assert {skip.path: str(skip.reason) for skip in found.skipped} == expected
    assert found.digests == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file; the next test covers root")
def test_permission_bits(tmp_path: Path):
    path = tmp_path / "secret.jpg"
    path.write_bytes(encoded(scene(9, 9), "JPEG"))
    path.chmod(0)
    assert reason_of(lambda: decode(path, DECODING)) == "permission to read the file is denied"


def test_permission_denied_by_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "secret.jpg"
    path.write_bytes(encoded(scene(9, 9), "JPEG"))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    reason = reason_of(lambda: decode(path, DECODING))
    skipped = fingerprint([path], workspace=Workspace()).skipped
    monkeypatch.undo()
    assert reason == "permission to read the file is denied"
    assert [str(skip.reason) for skip in skipped] == [reason]


def test_an_error_of_the_disk_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(scene(9, 9), "JPEG"))

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("PIL.Image.open", fail)
    monkeypatch.setattr("hashlib.file_digest", fail)
    reason = "the file cannot be read: Input/output error"
    assert reason_of(lambda: decode(path, DECODING)) == reason
    assert [str(skip.reason) for skip in fingerprint([path], workspace=Workspace()).skipped] == [reason]


@pytest.mark.parametrize(
    "data",
    [png_claiming(60000, 60000), gif_claiming(60000, 60000), bmp_claiming(60000, 60000)],
    ids=["PNG", "GIF", "BMP"],
)
def test_a_decompression_bomb_is_refused_before_its_pixels_exist(data: bytes):
    tracemalloc.start()
    try:
        assert "178,956,970 pixels" in reason_of(lambda: decode(data, DECODING))
        assert "178,956,970 pixels" in reason_of(lambda: probe(data))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_the_pixel_limit_does_not_hang_on_pillows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    reason = reason_of(lambda: probe(png_claiming(20000, 20000)))
    assert reason == "20000 × 20000 pixels: more than 178,956,970"


def test_a_large_photo_within_the_limit_is_read_without_a_warning():
    header = probe(png_claiming(13000, 13000))  # above the size from which Pillow warns
    assert 89_478_485 < header.width * header.height < MAX_PIXELS


def test_a_damaged_exif_block_costs_neither_the_photo_nor_a_warning():
    whole = encoded(scene(40, 30), "JPEG")
    entry = struct.pack(">HHII", 0x010E, 2, 100_000, 100_000)  # a text far beyond the block's end
    block = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 9) + entry
    app1 = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    start, *rest = (segment for _, segment in jpeg_segments(whole))
    damaged = b"".join([start, app1, *rest])
    assert (decode(damaged, DECODING) == decode(whole, DECODING)).all()


def test_reading_changes_nothing(tmp_path: Path):
    path = tmp_path / "photo.jpg"
    data = encoded(scene(40, 30), "JPEG")
    path.write_bytes(data)
    path.chmod(0o444)
    before = path.stat()
    decode(path, DECODING)
    after = path.stat()
    assert path.read_bytes() == data
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert list(tmp_path.iterdir()) == [path]
