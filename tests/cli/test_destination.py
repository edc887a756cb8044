"""Names that are too long where photos are written, and photos that cannot be: a row of their own."""

import errno
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copy

import pytest

from catdog import durable
from catdog.cli.destination import failed, longest_name, numbered, ready, shortened
from catdog.cli.numbering import Numbering
from catdog.cli.sorting import sorter
from catdog.errors import OptionError, PhotoError
from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli, files_below

PHOTO = SAMPLE / "photos" / "Abyssinian_14.jpg"
OTHER = SAMPLE / "photos" / "Bombay_156.jpg"
DOG = next(iter(sorted((SAMPLE / "valid" / "dogs").iterdir())))
SYLLABLE = "강"  # three bytes


@pytest.fixture
def model(trained: Run) -> tuple[str, str]:
    return ("--model", str(trained.folder))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in files_below(folder))


@pytest.mark.parametrize(
    "name",
    ["a" * 241 + ".jpg", "a" * 251 + ".jpg", 83 * SYLLABLE + ".jpg"],
    ids=["245 bytes", "255 bytes", "83 syllables"],
)
def test_every_name_that_a_photo_can_have(
    cli: Cli, model: tuple[str, str], tmp_path: Path, name: str
) -> None:
    for folder, photo in (("one", PHOTO), ("two", OTHER)):  # two of one name
        (tmp_path / folder).mkdir()
        copy(photo, tmp_path / folder / name)
    second = f"{shortened(name.removesuffix('.jpg'), 249)}-2.jpg"
    for _ in range(2):
        result = cli("predict", "one", "two", "--save", "saved", "--sort-into", "sorted", *model)
        assert result.status == 0, result.err
        assert len(result.out.splitlines()) == 2
        assert _names(tmp_path / "saved") == sorted([name, second])
        assert _names(tmp_path / "sorted") == sorted([name, second])


def test_a_name_on_the_web_may_be_longer_than_that_of_a_file(tmp_path: Path) -> None:
    put = sorter(tmp_path / "sorted", Numbering(), link=False)
    assert put(PHOTO, "cats", 500 * SYLLABLE + ".jpeg")
    assert put(OTHER, "cats", 501 * SYLLABLE + ".jpeg")
    assert not put(PHOTO, "cats", 500 * SYLLABLE + ".jpeg")  # it is there
    assert put(PHOTO, 500 * SYLLABLE, "a.jpg")  # and so may a class
    names = _names(tmp_path / "sorted")
    assert names == ["a.jpg", 82 * SYLLABLE + "-2.jpeg", 83 * SYLLABLE + ".jpeg"]


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("cat.jpg", 1, "cat.jpg"),
        ("cat.jpg", 2, "cat-2.jpg"),
        ("cat.tar.gz", 2, "cat.tar-2.gz"),
        ("cat", 3, "cat-3"),
        (".cat", 3, ".cat-3"),
        ("a" * 16 + ".jpg", 1, "a" * 16 + ".jpg"),
        ("a" * 17 + ".jpg", 1, "a" * 16 + ".jpg"),
        ("a" * 17 + ".jpg", 1000, "a" * 11 + "-1000.jpg"),
        (6 * SYLLABLE + ".jpg", 1, 5 * SYLLABLE + ".jpg"),
        (6 * SYLLABLE + ".jpg", 2, 4 * SYLLABLE + "-2.jpg"),
        ("a." + "b" * 30, 1, "a." + "b" * 18),  # no suffix
        # Five kittens of four bytes.
        ("🐈" * 5 + ".jpg", 1, "🐈" * 4 + ".jpg"),
        # An accent of its own, as macOS writes it, stays with its letter.
        ("a" * 15 + "e\u0301" + ".jpg", 1, "a" * 15 + ".jpg"),
        # So do a syllable's parts: 9 bytes each.
        (
            unicodedata.normalize("NFD", 2 * SYLLABLE) + ".jpg",
            1,
            unicodedata.normalize("NFD", SYLLABLE) + ".jpg",
        ),
        # And those of a family.
        ("a👩\u200d👩\u200d👧.jpg", 1, "a.jpg"),
        # Bytes that are no UTF-8.
        (os.fsdecode(b"\xff" * 17) + ".jpg", 1, os.fsdecode(b"\xff" * 16) + ".jpg"),
    ],
)
def test_names_in_twenty_bytes(name: str, number: int, expected: str) -> None:
    found = numbered(name, number, 20)
    assert found == expected
    assert len(os.fsencode(found)) <= 20


def test_what_the_file_system_allows_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    longest_name.cache_clear()
    assert longest_name(tmp_path) == 255
    for said, expected in ((143, 143), (1530, 255), (-1, 255)):
        longest_name.cache_clear()
        monkeypatch.setattr(os, "pathconf", lambda *_, said=said: said)
        assert longest_name(tmp_path) == expected
    longest_name.cache_clear()
    monkeypatch.delattr(os, "pathconf")  # Windows
    assert longest_name(tmp_path) == 255
    longest_name.cache_clear()


def test_the_temporary_file_fits_where_the_file_does(tmp_path: Path) -> None:
    for name in ("a" * 255, 85 * SYLLABLE):
        durable.write_bytes(tmp_path / name, b"content")
        assert (tmp_path / name).read_bytes() == b"content"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("option", ["--save", "--sort-into"])
def test_a_photo_that_cannot_be_written_is_a_row(
    cli: Cli, model: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        copy(PHOTO, tmp_path / name)
    original = durable.replacing_path

    @contextmanager
    def refuse(path: Path, *, mode: int | None = None) -> Iterator[Path]:
        if path.name == "b.jpg":
            raise OSError(errno.EILSEQ, "Invalid or incomplete multibyte or wide character", str(path))
        with original(path, mode=mode) as temporary:
            yield temporary

    monkeypatch.setattr(durable, "replacing_path", refuse)
    result = cli("predict", "a.jpg", "b.jpg", "c.jpg", option, "out", *model)
    assert result.status == 1
    a, b, c = result.out.splitlines()
    place = "out" if option == "--save" else "out/cats"
    assert b == (
        f"b.jpg: the photo cannot be written into {place}: Invalid or incomplete multibyte or wide character"
    )
    assert a.startswith("a.jpg: cats") and c.startswith("c.jpg: cats")
    assert _names(tmp_path / "out") == ["a.jpg", "c.jpg"]
    assert "2 photos written into out" in result.err


def test_a_class_whose_folder_cannot_be_made_is_a_row(
    cli: Cli, model: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cats").write_text("a file")
    result = cli("predict", PHOTO, DOG, "--sort-into", "out", *model)
    assert result.status == 1
    first, second = result.out.splitlines()
    assert first.endswith(": the photo cannot be written into out/cats: File exists")
    assert "dogs" in second
    assert _names(tmp_path / "out") == sorted(["cats", DOG.name])


def test_what_fails_for_every_photo_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    error = failed(full, tmp_path, "--save")
    assert isinstance(error, OptionError)
    assert str(error) == (
        f"expected to write photos into {tmp_path}: No space left on device. Give --save a folder that can "
        "be written."
    )
    assert isinstance(failed(OSError(errno.ENAMETOOLONG, "x"), tmp_path, "--save"), PhotoError)
    ready(tmp_path / "a" / "b", "--save")
    assert (tmp_path / "a" / "b").is_dir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OptionError, match="Permission denied"):
        ready(tmp_path, "--save")
