"""What `catdog predict` takes: a row for each photo, under its name as given; a note for other files."""

import io
import json
import os
from collections import Counter
from pathlib import Path
from shutil import copy

import pytest

from catdog.inference.inputs import Input, expand
from tests.cli.conftest import SAMPLE, Cli

CAT = SAMPLE / "photos" / "Abyssinian_14.jpg"


def _expanded(*given: str, stdin: bytes = b"") -> list[Input]:
    return list(expand(given, io.BufferedReader(io.BytesIO(stdin)), Counter()))


def _names(inputs: list[Input]) -> list[str]:
    return [photo.shown for photo in inputs]


def test_a_folder_has_a_row_for_all_that_looks_like_a_photo_and_counts_the_rest(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    copy(CAT, tmp_path / "photos" / "no suffix")
    copy(CAT, tmp_path / "photos" / "deep" / "cat.jpg")
    (tmp_path / "photos" / "iphone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    for name in ("a.txt", "b.txt", "c"):
        (tmp_path / "photos" / "deep" / name).write_text("text")
    result = cli("predict", "photos", "--format", "json")
    assert result.status == 1
    rows = {row["path"]: row["error"] for row in json.loads(result.out)}
    assert rows == {
        "photos/no suffix": None,
        "photos/deep/cat.jpg": None,
        "photos/iphone.heic": "a HEIC photo, which Pillow cannot read: convert it to JPEG",
    }
    notes = [line for line in result.err.splitlines() if "ignored" in line]
    assert notes == ["note: ignored 3 files: not photos by name or content (.txt 2, no extension 1)"]


def test_a_folder_that_cannot_be_listed_has_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos" / "closed").mkdir(parents=True)
    copy(CAT, tmp_path / "photos" / "cat.jpg")
    scandir = os.scandir

    def guarded(folder: Path) -> object:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr("catdog.data.walk.os.scandir", guarded)
    inputs = _expanded(str(tmp_path / "photos"))
    assert [(photo.path.name, str(photo.error)) for photo in inputs] == [
        ("cat.jpg", "None"),
        ("closed", "the folder cannot be listed"),
    ]
    (alone,) = _expanded(str(tmp_path / "photos" / "closed"))
    assert str(alone.error) == "the folder cannot be listed"


def test_names_are_as_they_were_given(cli: Cli, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        copy(CAT, tmp_path / name)
    given = ["./a.jpg", "a.jpg", ".//b.jpg", str(tmp_path / "a.jpg"), "./missing.jpg"]
    for form in ("json", "text"):
        result = cli("predict", *given, "--format", form)
        assert result.status == 1
        if form == "json":
            assert [row["path"] for row in json.loads(result.out)] == given
        else:
            assert [line.split(": ")[0] for line in result.out.splitlines()] == given


def test_an_empty_name_is_refused(cli: Cli, tmp_path: Path) -> None:
    copy(CAT, tmp_path / "a.jpg")
    for arguments in (("",), ("a.jpg", ""), ("--random", 1, "")):
        result = cli("predict", *arguments)
        assert (result.status, result.out) == (2, "")
        assert "found an empty one ('')" in result.err


def test_what_comes_from_stdin_is_never_a_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photo1.jpg", "photo[2].jpg", "x.jpg"):
        copy(CAT, tmp_path / name)
    inputs = _expanded("-", stdin=b"photo[1].jpg\n*.jpg\nphoto[2].jpg\n-\n")
    assert _names(inputs) == ["photo[1].jpg", "*.jpg", "photo[2].jpg", "-"]
    assert all(photo.error is None for photo in inputs)  # reading them gives the reason
    assert _names(_expanded("photo[1].jpg")) == ["photo1.jpg"]  # a pattern of the command line
    assert _names(_expanded("photo[2].jpg")) == ["photo[2].jpg"]  # but a file of that name wins


def test_what_a_pattern_finds_is_a_file_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy(CAT, tmp_path / "-")
    inputs = _expanded("[-]", stdin=b"never read")
    assert _names(inputs) == ["-"]
