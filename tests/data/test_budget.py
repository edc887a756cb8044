"""Photos share the memory there is: what each takes, what all may take, and what is refused."""

import json
import subprocess
import sys
import threading
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog.config import Decoding
from catdog.data import budget, colour, decode, decode_for_people, decoded, fingerprint, probe, scan, survey
from catdog.data.budget import Budget
from catdog.errors import PhotoError
from catdog.workspace import Workspace
from tests.data.made_photos import encoded, jpeg_segments, scene

pytest.importorskip("resource")  # not on Windows

MIB = 2**20

# Decodes lists of files, with so many workers, where so many bytes of memory are available: each list in a
# process of its own, which begins as a copy of one that has imported everything. Prints for each how far its
# memory has grown, the reason of each file that cannot be decoded, and the bytes that were asked for.
PEAK = """
import json, os, re, resource, sys, tempfile
from pathlib import Path
from catdog.config import Decoding
from catdog.data import budget, decoded
from tests.data.made_photos import scene

def most():
    status = Path("/proc/self/status")
    if status.exists():  # there, getrusage knows what the process had before it became this program
        return int(re.search(r"VmHWM:\\s*(\\d+) kB", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

workers, available, lists = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
small = tempfile.NamedTemporaryFile(suffix=".png")
scene(300, 300).save(small.name)
for paths in lists:
    if child := os.fork():
        if os.waitpid(child, 0)[1]:
            sys.exit("a process has failed")
        continue
    list(decoded([Path(small.name)], Decoding(), workers=1))
    budget.DECODING.__init__(lambda: available)
    asked, room = [], budget.DECODING.room
    budget.DECODING.room = lambda needed: asked.append(needed) or room(needed)
    before = most()
    reasons = [photo.reason for photo in decoded(map(Path, paths), Decoding(), workers=workers)]
    print(json.dumps([most() - before, [reason and str(reason) for reason in reasons], asked]), flush=True)
    break
"""


def peaks(
    lists: list[list[Path]], *, workers: int, available: int
) -> list[tuple[int, list[str | None], list[int]]]:
    """For each list, the bytes by which the memory of a process grows that decodes it; see PEAK."""
    words = json.dumps([list(map(str, paths)) for paths in lists])
    arguments = [sys.executable, "-c", PEAK, str(workers), str(available), words]
    printed = subprocess.run(arguments, check=True, capture_output=True).stdout
    return [json.loads(line) for line in printed.splitlines()]


def peak(*paths: Path, workers: int = 1, available: int = 1 << 40) -> tuple[int, list[str | None]]:
    """Bytes by which the memory of a process grows that decodes these, and the reasons."""
    ((grown, reasons, _),) = peaks([list(paths)], workers=workers, available=available)
    return grown, reasons


def _stripes(width: int, height: int) -> np.ndarray:
    """(height, width, 4) uint8 that any format packs into little."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x // 24, y // 24, (x + y) // 24, x // 48], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """9 million pixels in every form that takes memory of its own."""
    folder = tmp_path_factory.mktemp("photos")
    pixels = _stripes(3000, 3000)
    rgba = Image.fromarray(pixels)
    rgb, grey = rgba.convert("RGB"), Image.fromarray(pixels[..., 0])
    deep = pixels[..., 0].astype(np.uint16) * 257
    palette = rgb.quantize(64)
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    made: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "grey.png": (grey, {}),
        "grey alpha.png": (Image.merge("LA", [grey, grey]), {}),
        "grey transparent.png": (grey, {"transparency": 3}),
        "16 bit.png": (Image.fromarray(deep), {}),
        "rgb.png": (rgb, {}),
        "rgb transparent.png": (rgb, {"transparency": (1, 2, 3)}),
        "rgba.png": (rgba, {}),
        "turned.png": (rgb, {"exif": exif}),
        "turned rgba.png": (rgba, {"exif": exif}),
        "palette.png": (palette, {}),
        "palette transparent.png": (palette, {"transparency": 3}),
        "palette.gif": (palette, {}),
        "baseline.jpg": (rgb, {}),
        "progressive.jpg": (rgb, {"progressive": True}),
        "progressive 444.jpg": (rgb, {"progressive": True, "subsampling": 0}),
        "progressive cmyk.jpg": (rgb.convert("CMYK"), {"progressive": True}),
        "32 bit.tif": (Image.fromarray(deep.astype(np.int32)), {}),
        "float.tif": (Image.fromarray(deep.astype(np.float32) / 65535), {}),
        "lzw.tif": (rgba, {"compression": "tiff_lzw"}),
        "cmyk.tif": (rgb.convert("CMYK"), {}),
        "rgb.webp": (rgb, {"method": 0}),
        "rgba.webp": (rgba, {"method": 0, "lossless": True, "quality": 0}),
        "rgb.avif": (rgb, {"speed": 10}),
        "rgba 444.avif": (rgba, {"speed": 10, "subsampling": "4:4:4"}),
        "rgba.jp2": (rgba, {}),
        "rgb.bmp": (rgb, {}),
        "rgb.ppm": (rgb, {}),
        "16 bit.pgm": (Image.fromarray(deep), {}),
    }
    for name, (image, options) in made.items():
        image.save(folder / name, **options)
    return {name: folder / name for name in made}


@pytest.mark.slow
def test_no_photo_takes_more_than_was_estimated(photos: dict[str, Path]) -> None:
    each = peaks([[path] for path in photos.values()], workers=1, available=1 << 40)
    for name, (grown, reasons, asked) in zip(photos, each, strict=True):
        assert reasons == [None]
        (estimate,) = asked
        # What the allocator and the threads take beside it.
        assert grown < estimate + 6 * MIB, name
        # And not so much that photos are refused which would be no trouble.
        assert estimate < 3 * grown + 12 * MIB, name


def _noted(asked: list[int], needed: int) -> Any:
    asked.append(needed)
    return Budget(lambda: 1 << 40).room(0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "each"),
    # Copies of everything took 12.8, 12.8, 11.8, 15.8 and 9.8.
    [
        ("rgba.png", 8),
        ("grey alpha.png", 8),
        ("16 bit.png", 6),
        ("float.tif", 8),
        ("palette transparent.png", 5),
    ],
)
def test_conversions_need_no_copies(photos: dict[str, Path], name: str, each: int) -> None:
    grown, _ = peak(photos[name])
    assert grown < 9e6 * each + 10 * MIB


@pytest.mark.slow
def test_workers_share_what_there_is(tmp_path: Path) -> None:
    side = 3000
    rgba = Image.fromarray(_stripes(side, side))
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    rgba.save(paths[0], compress_level=1)
    for path in paths[1:]:
        path.write_bytes(paths[0].read_bytes())
    each = 8 * side**2
    available = 350 * MIB  # of which half: two at a time
    grown, reasons = peak(*paths, workers=8, available=available)
    assert reasons == [None] * 8
    assert grown < available // 2  # all of them at once would take 576 MB
    grown, reasons = peak(*paths, workers=8)
    assert reasons == [None] * 8
    assert grown > 4 * each  # all at once, where there is enough


@pytest.mark.slow
def test_a_photo_that_takes_more_than_there_is_has_a_reason(tmp_path: Path) -> None:
    large, small, last = (tmp_path / f"{name}.png" for name in ("large", "small", "last"))
    Image.new("RGBA", (13_000, 13_000), (9, 9, 9, 9)).save(large, compress_level=1)
    assert large.stat().st_size < 4e6
    Image.new("RGBA", (300, 300)).save(small)
    Image.new("RGBA", (300, 300)).save(last)
    grown, reasons = peak(small, large, last, workers=4, available=1 << 30)
    assert reasons == [
        None,
        "decoding takes 1,358 MB of memory, more than the 537 MB that photos may take now. "
        "Make the photo smaller, or free memory",
        None,
    ]
    assert grown < 64 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["RGBA", "I;16"])
def test_the_largest_photos_take_what_was_estimated(tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    if kind == "RGBA":
        Image.new("RGBA", (13_000, 13_000), (9, 9, 9, 9)).save(paths[0], compress_level=1)
    else:
        Image.fromarray(np.full((13_000, 13_000), 999, np.uint16)).save(paths[0], compress_level=1)
    for path in paths[1:]:
        path.write_bytes(paths[0].read_bytes())
    grown, reasons = peak(*paths, workers=3, available=int(2.8e9))
    assert reasons == [None] * 3
    assert grown < (1.5e9 if kind == "RGBA" else 1.2e9)  # one at a time


@pytest.mark.slow
def test_a_jpeg_of_many_pixels_takes_little(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (12_000, 12_000)).save(path, quality=50)
    grown, reasons = peak(path, available=0)  # the least that photos may always take
    assert reasons == [None]
    assert grown < 32 * MIB
    Image.new("RGB", (12_000, 12_000)).save(path, quality=50, progressive=True, subsampling=0)
    (reason,) = peak(path, available=0)[1]
    assert reason and reason.startswith("decoding takes 8")  # 864 MB of coefficients


def test_a_jpeg_whose_channels_are_in_scans_of_their_own_is_known() -> None:
    data = encoded(scene(64, 64), "JPEG")
    *head, (_, scan_and_rest) = jpeg_segments(data)
    first = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    apart = b"".join(segment for _, segment in head) + first + scan_and_rest[14:]
    needed: dict[bytes, int] = {}
    for content in (data, apart):
        with Image.open(BytesIO(content)) as photo:
            size, end = photo.size, photo.fp.tell()  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
            needed[content] = budget.bytes_to_decode(photo, size, file_bytes=0, turned=False)
            assert photo.fp.tell() == end  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    assert needed[apart] - needed[data] == 2 * 3 * 64 * 64


def test_every_reader_asks_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cats" / "photo.png"
    path.parent.mkdir()
    (tmp_path / "dogs").mkdir()
    scene(300, 200).save(path)
    scene(200, 300).save(tmp_path / "dogs" / "other.png")
    asked: list[int] = []
    monkeypatch.setattr(budget.DECODING, "room", lambda needed: _noted(asked, needed))
    decode(path, Decoding())
    decode(path.read_bytes(), Decoding())
    decode_for_people(path, side=100)
    assert len(set(asked)) == 1 and len(asked) == 3
    list(decoded([path], Decoding(), workers=1))
    (digest,) = fingerprint([path], workspace=Workspace()).digests.values()
    list(decoded([path], Decoding(), workers=1, digests={path: digest}))
    assert len(asked) == 5
    assert asked[4] == asked[3] + path.stat().st_size  # its bytes are in memory too
    survey(scan(tmp_path), workers=2)
    assert len(asked) == 7


def _run(*functions: Any) -> list[threading.Thread]:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
        time.sleep(0.05)  # they come one after the other
    return threads


def test_first_come_first_served() -> None:
    shared = Budget(lambda: 1000 * MIB)  # half of it is shared
    order: list[str] = []
    go = threading.Event()

    def photo(name: str, needed: int, wait: bool = False) -> Any:
        def work() -> None:
            with shared.room(needed * MIB):
                order.append(name)
                assert not wait or go.wait(30)

        return work

    threads = _run(
        photo("a", 300, wait=True), photo("large", 400), photo("small", 10), photo("other large", 450)
    )
    assert order == ["a"]  # the small one does not push in, so that the large one has its turn
    go.set()
    for thread in threads:
        thread.join(30)
    assert order == ["a", "large", "small", "other large"]


@pytest.mark.slow
def test_threads_do_not_keep_what_they_had(tmp_path: Path) -> None:
    # One at a time: glibc's arenas, one a thread, would keep it all.
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    Image.new("RGBA", (6000, 6000), (9, 9, 9, 9)).save(paths[0], compress_level=1)
    for path in paths[1:]:
        path.write_bytes(paths[0].read_bytes())
    grown, reasons = peak(*paths, workers=6, available=1000 * MIB)
    assert reasons == [None] * 6
    assert grown < 8 * 6000**2 + 64 * MIB


def test_what_is_given_back_after_an_error_is_free_again() -> None:
    shared = Budget(lambda: 1000 * MIB)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), shared.room(500 * MIB):
            raise ZeroDivisionError
        with pytest.raises(PhotoError, match="more than the 524 MB"), shared.room(501 * MIB):
            pass
    with shared.room(500 * MIB):
        pass


def test_available_memory_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    available = [1000 * MIB, 100 * MIB, 2000 * MIB]
    shared = Budget(lambda: available.pop(0))
    with shared.room(500 * MIB):
        pass
    with shared.room(500 * MIB):  # a moment later: not again for each photo
        pass
    assert len(available) == 2
    monkeypatch.setattr(budget, "_FRESH", 0.0)
    with pytest.raises(PhotoError), shared.room(500 * MIB):
        pass
    with shared.room(1000 * MIB):
        assert available == []


@pytest.mark.parametrize("strip", [1, 100, 1000, 1 << 30])
@pytest.mark.parametrize(
    "photo",
    [
        Image.fromarray(_stripes(97, 61)),
        Image.fromarray(_stripes(97, 61)).convert("LA"),
        Image.fromarray(_stripes(97, 61)).convert("LA").convert("La"),
        Image.fromarray(_stripes(97, 61)).convert("RGBa"),
        Image.fromarray((_stripes(97, 61)[..., 0].astype(np.uint16) * 257).astype("<u2")),
        Image.fromarray((_stripes(97, 61)[..., 0].astype(np.uint16) * 999).astype(">u2")),
        Image.fromarray(_stripes(97, 61)[..., 0].astype(np.int32) * 257),
        Image.fromarray(_stripes(97, 61)[..., 0].astype(np.float32) / 255),
    ],
    ids=lambda photo: photo.mode,
)
def test_strips_change_nothing(photo: Image.Image, strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour, "STRIP", 1 << 40)
    whole = colour.to_rgb(photo)
    monkeypatch.setattr(colour, "STRIP", strip)
    assert colour.to_rgb(photo).tobytes() == whole.tobytes()
    if "A" not in photo.mode and "a" not in photo.mode:
        photo.info["transparency"] = 257
        stripped = colour.to_rgb(photo)
        monkeypatch.setattr(colour, "STRIP", 1 << 40)
        assert stripped.tobytes() == colour.to_rgb(photo).tobytes()


def test_values_without_a_scale_are_found_in_every_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour, "STRIP", 10)
    values = np.full((20, 10), 0.5, np.float32)
    for bad, span in ((np.nan, "nan to nan"), (1.5, "0.5 to 1.5"), (-2, "-2 to 0.5")):
        values[17, 3] = bad
        with pytest.raises(PhotoError, match=f"float pixels from {span}: expected 0 to 1"):
            colour.to_rgb(Image.fromarray(values))
    numbers = np.full((20, 10), 7, np.int32)
    for bad, span in ((-1, "-1 to 7"), (65536, "7 to 65536")):
        numbers[17, 3] = bad
        with pytest.raises(PhotoError, match=f"32-bit integer pixels from {span}: expected 0 to 65535"):
            colour.to_rgb(Image.fromarray(numbers))


@pytest.fixture
def enormous(tmp_path: Path) -> Path:
    """A hole of 300 GB, with a good JPEG at its start."""
    path = tmp_path / "data" / "cats" / "enormous.jpg"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(encoded(scene(64, 64), "JPEG"))
        file.truncate(300 * 10**9)
    return path


def test_a_file_of_300_gigabytes_is_refused_at_once(enormous: Path) -> None:
    reason = "the file has 300,000,000,000 bytes: more than 1,073,741,824"
    began = time.monotonic()
    for read in (probe, lambda path: decode(path, Decoding()), lambda path: decode_for_people(path, side=9)):
        with pytest.raises(PhotoError, match=reason):
            read(enormous)
    assert [str(bad.reason) for bad in fingerprint([enormous], workspace=Workspace()).skipped] == [reason]
    for digests in (None, {enormous: "0" * 64}):
        (photo,) = decoded([enormous], Decoding(), workers=1, digests=digests)
        assert str(photo.reason) == reason
    other = enormous.parents[1] / "dogs" / "dog.png"
    other.parent.mkdir()
    scene(64, 64).save(other)
    facts = survey(scan(enormous.parents[1]), workers=1)
    assert [str(bad.reason) for split in facts.values() for bad in split.unreadable] == [reason]
    assert time.monotonic() - began < 5


def test_large_webps_are_opened_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow reads all of such a file to see its header, before anybody knows what it takes.
    webp = encoded(scene(64, 64), "WEBP")
    paths = [tmp_path / f"{number}.webp" for number in range(6)]
    for path in paths:
        path.write_bytes(webp)
    open_now = most = 0
    lock = threading.Lock()
    original = Image.open

    def watched(*arguments: Any, **options: Any) -> Any:
        nonlocal open_now, most
        with lock:
            open_now += 1
            most = max(most, open_now)
        time.sleep(0.05)
        with lock:
            open_now -= 1
        return original(*arguments, **options)

    monkeypatch.setattr(Image, "open", watched)
    assert all(photo.reason is None for photo in decoded(paths, Decoding(), workers=6))
    assert most > 1
    most = 0
    monkeypatch.setattr("catdog.data.opening._LARGE_READ_WHOLE", 10)
    assert all(photo.reason is None for photo in decoded(paths, Decoding(), workers=6))
    assert most == 1
