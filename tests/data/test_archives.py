"""Archives are read where they are, as if they were folders; hostile ones are refused."""

import gzip
import io
import os
import random
import shutil
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from catdog import archives
from catdog.archives import sources
from catdog.config import Decoding
from catdog.data import DataSet, decode, fingerprint, remembered, scan, split_by_content, survey
from catdog.errors import DataError, PhotoError
from catdog.workspace import Workspace
from tests.pictures import draw_pictures

TWO = Workspace(workers=2)


def _tool(command: str, folder: Path) -> None:
    program = command.split()[0]
    if not shutil.which(program):
        pytest.skip(f"the program {program} is not here")
    subprocess.run(command, shell=True, check=True, cwd=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of 30 + 20 pictures."""
    root = tmp_path_factory.mktemp("packed") / "shapes"
    draw_pictures(root, {"circles": 30, "squares": 20})
    (root / "notes.txt").write_text("none of this is a photo")
    return root


@pytest.fixture(scope="module")
def kaggle(folder: Path) -> Path:
    """A folder like that of Kaggle's cats and dogs."""
    root = folder.parent / "cats"
    for part in ("train", "test1"):
        (root / part).mkdir(parents=True)
    for path in folder.rglob("*.png"):
        shutil.copy(path, root / "train" / path.name)
    shutil.copy(folder / "circles" / "circles.1.png", root / "test1" / "1.png")
    return root


def _facts(data: DataSet) -> object:
    """Everything but the names."""
    read = {
        split: fingerprint([photo.path for photo in photos], workspace=TWO)
        for split, photos in data.splits.items()
    }
    assert not any(prints.skipped for prints in read.values())
    labels = {
        split: sorted((photo.label, read[split].digests[photo.path]) for photo in photos)
        for split, photos in data.splits.items()
    }
    pairs = [(photo, read["all"].digests[photo.path]) for photo in data.splits["all"]]
    train = sorted(pairs[row][1] for row in split_by_content(pairs, fraction=0.2)[0])
    return data.classes, data.layout, labels, train


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("zip -qr {}.zip {}", "{}.zip"),
        ("zip -qr0 {}-stored.zip {}", "{}-stored.zip"),
        ("tar cf {}.tar {}", "{}.tar"),
        ("tar cf {}-top.tar -C {} .", "{}-top.tar"),
        ("tar czf {}.tar.gz {}", "{}.tar.gz"),
        ("tar czf {}.tgz {}", "{}.tgz"),
    ],
)
@pytest.mark.parametrize("layout", ["folder", "kaggle"])
def test_an_archive_is_the_folder_that_was_packed(
    request: pytest.FixtureRequest, layout: str, command: str, name: str
) -> None:
    original: Path = request.getfixturevalue(layout)
    _tool(command.replace("{}", original.name), original.parent)
    packed = original.parent / name.replace("{}", original.name)
    assert _facts(scan(packed)) == _facts(scan(original))
    facts, expected = (survey(scan(path), workers=2)["all"] for path in (packed, original))
    assert (facts.bytes, facts.formats, facts.median, facts.unreadable) == (
        expected.bytes,
        expected.formats,
        expected.median,
        (),
    )
    first = scan(packed).splits["all"][0].path
    assert first.is_relative_to(packed)
    same = scan(original).splits["all"][0].path
    view = Decoding(64, view=3)
    assert first.name == same.name and (decode(first, view) == decode(same, view)).all()


@pytest.mark.parametrize("option", ["-q", "-q0"])
def test_archives_in_an_archive(
    kaggle: Path, tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_CLOSEST", 2**13)  # so that reading begins at many places
    for part in ("train", "test1"):
        _tool(f"zip -qr {tmp_path / part}.zip {part}", kaggle)
    (tmp_path / "sampleSubmission.csv").write_text("id,label\n1,0.5\n")
    beside = scan(tmp_path)  # as they are after the first unpacking
    _tool(f"zip {option} dogs-vs-cats.zip train.zip test1.zip sampleSubmission.csv", tmp_path)
    packed = scan(tmp_path / "dogs-vs-cats.zip")
    assert _facts(packed) == _facts(beside) == _facts(scan(kaggle))
    (remark,) = packed.remarks
    assert str(remark).endswith("dogs-vs-cats.zip/test1.zip: it is not a split.")
    path = packed.splits["all"][0].path
    assert path == tmp_path / "dogs-vs-cats.zip" / "train.zip" / "train" / "circles.0.png"
    many = fingerprint([photo.path for photo in packed.splits["all"]] * 3, workspace=Workspace(workers=8))
    assert not many.skipped


def test_archives_may_be_classes(folder: Path, tmp_path: Path) -> None:
    for label in ("circles", "squares"):
        _tool(f"tar cf {tmp_path / label}.tar {label}", folder)
    assert _facts(scan(tmp_path)) == _facts(scan(folder))


def test_beside_photos_an_archive_is_no_folder(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    _tool(f"zip -qr {tmp_path / 'data' / 'circles' / 'backup.zip'} .", folder)
    _tool(f"zip -qr {tmp_path / 'data' / 'backup.zip'} .", folder)
    assert _facts(scan(tmp_path / "data")) == _facts(scan(folder))


def test_an_archive_is_remembered_by_its_state(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_SETTLED", -(10**18))
    monkeypatch.setattr(remembered, "_FEW", 1)
    packed, workspace = tmp_path / "shapes.zip", Workspace.below(tmp_path / "cache")
    _tool(f"zip -qr {packed} circles squares", folder)
    paths = [photo.path for photo in scan(packed).splits["all"]]
    digests = fingerprint(paths, workspace=workspace).digests
    with monkeypatch.context() as patch:
        patch.setitem(fingerprint.__globals__, "open_regular", None)  # nothing is opened
        assert fingerprint(paths, workspace=workspace).digests == digests
    packed.unlink()
    shutil.copy(folder / "squares" / "squares.1.png", folder / "circles" / "circles.0.png")
    _tool(f"zip -qr {packed} circles squares", folder)
    assert fingerprint(paths[:1], workspace=workspace).digests[paths[0]] != digests[paths[0]]


def _zip(path: Path, *names: str, change: Callable[[zipfile.ZipInfo], object] = lambda _: None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            info = zipfile.ZipInfo(name)
            change(info)
            file.writestr(info, b"GIF89a" + name.encode(), zipfile.ZIP_DEFLATED)
    return path


def _tar(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as file:
        for name, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            content = b"GIF89a" if kind == tarfile.REGTYPE else b""
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def _as_link(info: zipfile.ZipInfo) -> None:
    info.external_attr = (stat.S_IFLNK | 0o777) << 16


def _as_from_windows(info: zipfile.ZipInfo) -> None:
    info.create_system = 0


def _encrypted(path: Path) -> Path:
    content = bytearray(_zip(path, "a/1.gif").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


def _overlapping(path: Path) -> Path:
    """As in bombs whose files share their bytes."""
    content = bytearray(_zip(path, *(f"a/{number:04}.gif" for number in range(9))).read_bytes())
    start = first = content.index(b"PK\x01\x02")
    while (start := content.find(b"PK\x01\x02", start + 4)) > 0:
        content[start + 20 : start + 24] = (first // 3).to_bytes(4, "little")
        content[start + 42 : start + 46] = bytes(4)
    path.write_bytes(content)
    return path


def _before_itself(path: Path) -> Path:
    """The first file would begin before the archive."""
    content = bytearray(_zip(path, "a/1.gif", "b/2.gif").read_bytes())
    end = content.index(b"PK\x05\x06")
    where = int.from_bytes(content[end + 16 : end + 20], "little")
    content[end + 16 : end + 20] = (where + 40).to_bytes(4, "little")
    path.write_bytes(content)
    return path


REFUSED: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "up.zip": ("a path leads out of it ('../a/1.gif')", lambda path: _zip(path, "../a/1.gif")),
    "inside.zip": ("a path leads out of it ('a/../../1.gif')", lambda path: _zip(path, "a/../../1.gif")),
    "back.zip": ("leads out of it", lambda path: _zip(path, "a\\..\\..\\1.gif", change=_as_from_windows)),
    "root.tar": ("a path leads out of it ('/a/1.gif')", lambda path: _tar(path, ("/a/1.gif", b"0"))),
    "drive.zip": ("a path leads out of it ('C:/1.gif')", lambda path: _zip(path, "C:/1.gif")),
    "windows.tar": ("a path leads out of it", lambda path: _tar(path, ("..\\1.gif", b"0"))),
    "long.zip": ("a path is too long", lambda path: _zip(path, "a/" * 3000 + "1.gif")),
    "deep.zip": ("a path is too long", lambda path: _zip(path, "a/" * 300 + "1.gif")),
    "twice.tar": ("a name is there twice ('a/1.gif')", lambda path: _tar(path, *[("a/1.gif", b"0")] * 2)),
    "same.tar": ("twice", lambda path: _tar(path, ("a/1.gif", b"0"), ("./a//1.gif", b"0"))),
    "both.zip": ("twice ('a/1.gif/2.gif')", lambda path: _zip(path, "a/1.gif", "a/1.gif/2.gif")),
    "turned.zip": ("twice ('a/1.gif')", lambda path: _zip(path, "a/1.gif/2.gif", "a/1.gif")),
    "link.zip": ("it contains a link ('a/1.gif')", lambda path: _zip(path, "a/1.gif", change=_as_link)),
    "link.tar": ("it contains a link ('a/1.gif')", lambda path: _tar(path, ("a/1.gif", tarfile.SYMTYPE))),
    "hard.tar": ("it contains a link ('a/1.gif')", lambda path: _tar(path, ("a/1.gif", tarfile.LNKTYPE))),
    "pipe.tar": ("not a plain file ('a/1')", lambda path: _tar(path, ("a/1", tarfile.FIFOTYPE))),
    "locked.zip": ("it is encrypted ('a/1.gif')", _encrypted),
    "overlap.zip": ("its files overlap", _overlapping),
    "before.zip": ("its files overlap", _before_itself),
}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_archives_are_refused(tmp_path: Path, name: str) -> None:
    reason, make = REFUSED[name]
    path = make(tmp_path / name)
    with pytest.raises(DataError) as caught:
        scan(path)
    assert str(caught.value).startswith(f"the archive {path} is refused: ") and reason in str(caught.value)
    (member,) = fingerprint([path / "a" / "1.gif"], workspace=TWO).skipped
    assert str(member.reason) == str(caught.value)


def test_bombs_are_not_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_LARGE", 2**16)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/1.bmp", bytes(2**24))
        file.writestr("b/2.gif", b"GIF89a")
    found = fingerprint([photo.path for photo in scan(path).splits["all"]], workspace=TWO)
    (bad,) = found.skipped
    assert str(bad.reason) == "it would inflate to 16,777,216 bytes: refused as a bomb"
    assert len(found.digests) == 1
    # One that claims less than it has.
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02")
    content[start + 24 : start + 28] = (1000).to_bytes(4, "little")
    (tmp_path / "liar.zip").write_bytes(content)
    (bad,) = fingerprint([tmp_path / "liar.zip" / "a" / "1.bmp"], workspace=TWO).skipped
    assert "does not inflate to what it should" in str(bad.reason)
    whole = tmp_path / "whole.tar"
    with tarfile.open(whole, "w") as tar:
        info = tarfile.TarInfo("a/1.bmp")
        info.size = 2**24
        tar.addfile(info, io.BytesIO(bytes(2**24)))
    _tool("gzip -9 whole.tar", tmp_path)
    with pytest.raises(DataError, match="whole.tar.gz cannot be read: it would inflate .*refused as a bomb"):
        scan(tmp_path / "whole.tar.gz")


def test_an_archive_that_contains_itself_ends(tmp_path: Path) -> None:
    path = tmp_path / "0.zip"
    _zip(path, "notes.txt")
    for number in range(1, 8):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as file:
            file.write(path, path.name)
        path = tmp_path / f"{number}.zip"
    with pytest.raises(DataError, match="nested too deeply"):
        scan(path)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_damage_is_found(folder: Path, tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole{suffix}"
    _tool(f"{'zip -qr' if suffix == '.zip' else 'tar caf'} {whole} circles squares", folder)
    content = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for length in (
        0,
        10,
        len(content) // 2,
        len(content) - 15_000 if suffix == ".tar" else len(content) - 30,
    ):
        cut.write_bytes(content[:length])
        with pytest.raises(DataError) as caught:
            scan(cut)
        assert "damaged" in str(caught.value) or "larger than the archive" in str(caught.value)
    if suffix == ".zip":
        with zipfile.ZipFile(whole) as file:
            info = file.getinfo("circles/circles.3.png")
        spoilt = bytearray(content)
        spoilt[info.header_offset + 200] ^= 255
        cut.write_bytes(spoilt)
        (bad,) = fingerprint([photo.path for photo in scan(cut).splits["all"]], workspace=TWO).skipped
        assert bad.path.name == "circles.3.png" and "the archive is damaged" in str(bad.reason)


def test_an_inflated_source_ends_where_it_should(tmp_path: Path) -> None:
    content = random.Random(0).randbytes(5000)
    (tmp_path / "a.gz").write_bytes(gzip.compress(content[:1000]) + gzip.compress(content[1000:]))
    source = sources.Inflated(sources.File(tmp_path / "a.gz"), sources.GZIP, None)
    assert source.size == 5000 and source.read(900, 200) == content[900:1100]
    assert source.read(100, 10) == content[100:110]
    assert source.read(5000, 10) == b""  # the inflater is in the middle
    assert source.read(0, 9999) == content
    (tmp_path / "a.gz").write_bytes(gzip.compress(content) + b"rest")
    with pytest.raises(PhotoError, match="does not inflate"):
        sources.Inflated(sources.File(tmp_path / "a.gz"), sources.GZIP, None)


def test_a_photo_that_would_end_after_the_archive_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/1.gif", b"GIF89a" + bytes(500))
    content = bytearray(path.read_bytes())
    content[28:30] = (300).to_bytes(2, "little")  # what the header before the photo says of its length
    path.write_bytes(content)
    (bad,) = fingerprint([path / "a" / "1.gif"], workspace=TWO).skipped
    assert "the archive is damaged" in str(bad.reason)


def test_headers_of_headers_end(tmp_path: Path) -> None:
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 4
    (tmp_path / "a.tar").write_bytes((header.tobuf() + b"abc".ljust(512, b"\0")) * 3000)
    with pytest.raises(DataError, match="is damaged"):
        scan(tmp_path / "a.tar")


@pytest.mark.parametrize("program", ["zip", "python"])
def test_names_of_classes_are_those_of_the_folders(tmp_path: Path, program: str) -> None:
    labels = ("강아지", "고양이")
    for label in labels:
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.gif").write_bytes(b"GIF89a" + label.encode())
    if program == "zip":
        _tool("zip -qr photos.zip photos", tmp_path)
    else:
        shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path, "photos")
    assert scan(tmp_path / "photos.zip").classes == labels
    _zip(tmp_path / "old.zip", "a/1.gif", "b/2.gif")
    content = (tmp_path / "old.zip").read_bytes().replace(b"a/1.gif", b"\x81/1.gif")  # ü in CP437
    (tmp_path / "old.zip").write_bytes(content)
    assert scan(tmp_path / "old.zip").classes == ("b", "ü")
    _zip(
        tmp_path / "shell.zip", "photos\\a\\", "photos\\a\\1.gif", "photos\\b\\2.gif", change=_as_from_windows
    )
    assert scan(tmp_path / "shell.zip").classes == ("a", "b")


def test_a_folder_may_be_named_like_an_archive(folder: Path, tmp_path: Path) -> None:
    for label in ("circles", "circles.zip"):
        shutil.copytree(folder / "circles", tmp_path / "shapes" / label)
    _tool("tar cf shapes.tar shapes", tmp_path)
    for root in (tmp_path / "shapes", tmp_path / "shapes.tar"):
        assert scan(root).classes == ("circles", "circles.zip")


@pytest.mark.parametrize("name", ["a.tar.xz", "a.7z", "a.rar", "a.tar.bz2", "a.tar.zst"])
def test_what_cannot_be_read_in_place_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match="found .*Unpack it, or pack it as one of these"):
        scan(tmp_path / name)


def test_paths_in_an_archive(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "shapes.zip"
    _tool(f"zip -qr {packed} circles squares", folder)
    reasons = {
        packed / "circles" / "none.png": "the file does not exist",
        packed / "circles": "a folder, not a file",
        packed / "circles" / "circles.1.png" / "x": "the file does not exist",
        folder / "notes.txt" / "x": "the file does not exist",
    }
    found = fingerprint(list(reasons), workspace=TWO).skipped
    assert {bad.path: str(bad.reason) for bad in found} == reasons
    assert archives.is_folder(packed) and archives.is_folder(packed / "circles")
    assert not archives.is_folder(packed / "circles" / "circles.1.png")
    assert archives.is_member(packed / "circles" / "circles.1.png")
    assert not archives.is_member(packed) and not archives.is_member(folder / "notes.txt")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("suffix", [".tif", ".jp2"])
def test_codecs_that_read_a_descriptor_read_the_photo(tmp_path: Path, suffix: str, method: int) -> None:
    photo = tmp_path / f"1{suffix}"
    options = {"compression": "tiff_lzw"} if suffix == ".tif" else {}
    Image.linear_gradient("L").convert("RGB").save(photo, **options)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as file:
        file.writestr("notes.txt", b"before the photo")
        file.write(photo, photo.name)
    packed = decode(tmp_path / "a.zip" / photo.name, Decoding(32))
    assert (packed == decode(photo, Decoding(32))).all()


def test_a_drive_that_is_not_there_is_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    assert archives.on_disk(os.path.join(os.sep, "none", "x")) == (os.sep, "none/x")
