"""Names that fit into the bytes that a file system allows, and which errors end a command."""

import errno
import os
import unicodedata
from pathlib import Path

import pytest

from catdog import durable
from catdog.errors import OptionError, PhotoError
from catdog.inference.destination import Destination, Newcomer, longest_name, numbered
from catdog.inference.inputs import Input
from catdog.inference.prediction import Prediction
from catdog.inference.saving import Sorter

SAMPLE = Path(__file__).parents[2] / "sample_data"
PHOTO = SAMPLE / "photos" / "Abyssinian_14.jpg"
OTHER = SAMPLE / "photos" / "Bombay_156.jpg"
SYLLABLE = "강"  # three bytes


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_name_on_the_web_may_be_longer_than_that_of_a_file(tmp_path: Path) -> None:
    sort = Sorter(tmp_path / "sorted")

    def put(photo: Path, label: str, name: str) -> bool:
        address = f"http://photo.invalid/{name}?size=large"
        return sort(Prediction(Input(photo, name=address, is_address=True), {label: 1.0}))

    assert put(PHOTO, "cats", 500 * SYLLABLE + ".jpeg")
    assert put(OTHER, "cats", 501 * SYLLABLE + ".jpeg")
    assert not put(PHOTO, "cats", 500 * SYLLABLE + ".jpeg")  # it is there
    assert put(PHOTO, 500 * SYLLABLE, "a.jpg")  # a class may have a longer name too
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
    for reported, expected in ((143, 143), (1530, 255), (-1, 255)):
        longest_name.cache_clear()
        monkeypatch.setattr(os, "pathconf", lambda *_, reported=reported: reported)
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


def test_what_fails_for_every_photo_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def put(error: OSError | None) -> None:
        def write(path: Path) -> None:
            if error:
                raise error

        Destination(tmp_path / "a" / "b", "--save").put("cat.jpg", Newcomer(None, b""), write)

    with pytest.raises(OptionError) as caught:
        put(OSError(errno.ENOSPC, "No space left on device"))
    assert str(caught.value) == (
        f"expected to write photos into {tmp_path}/a/b: No space left on device. Give --save a folder that "
        "can be written."
    )
    with pytest.raises(PhotoError):
        put(OSError(errno.ENAMETOOLONG, "x"))
    put(None)
    assert (tmp_path / "a" / "b").is_dir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OptionError, match="Permission denied"):
        put(None)
