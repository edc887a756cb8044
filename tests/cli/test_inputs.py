"""What `catdog predict` takes: a row a photo, under the name that was given; a note for what is none."""

import io
import json
import os
from pathlib import Path
from shutil import copy

import pytest

from catdog.cli.inputs import Input, LeftOut, expand
from tests.cli.conftest import SAMPLE, Cli

CAT = SAMPLE / "photos" / "Abyssinian_14.jpg"


def _expanded(*given: str, stdin: bytes = b"") -> tuple[list[Input], LeftOut]:
    left_out = LeftOut()
    return list(expand(given, io.BufferedReader(io.BytesIO(stdin)), left_out)), left_out


def _names(inputs: list[Input]) -> list[str]:
    return [str(each.path) if each.name is None else each.name for each in inputs]


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
    notes = [line for line in result.err.splitlines() if "left out" in line]
    assert notes == ["note: left out 3 files: no photo by name or content (.txt 2, no extension 1)"]


def test_a_folder_that_cannot_be_listed_has_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos" / "closed").mkdir(parents=True)
    copy(CAT, tmp_path / "photos" / "cat.jpg")
    scandir = os.scandir

    def guarded(folder: Path) -> object:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr("catdog.data.walk.os.scandir", guarded)
    inputs, _ = _expanded(str(tmp_path / "photos"))
    assert [(each.path.name, each.error) for each in inputs] == [
        ("cat.jpg", None),
        ("closed", "a folder that cannot be listed"),
    ]
    (alone,), _ = _expanded(str(tmp_path / "photos" / "closed"))
    assert alone.error == "a folder that cannot be listed"


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
            assert [line.split(": ")[0] for line in result.out.splitlines()] == [
                *given[:3], "a.jpg", given[4]
            ]  # fmt: skip


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
    inputs, _ = _expanded("-", stdin=b"photo[1].jpg\n*.jpg\nphoto[2].jpg\n-\n")
    assert _names(inputs) == ["photo[1].jpg", "*.jpg", "photo[2].jpg", "-"]
    assert all(each.error is None for each in inputs)  # rows that reading them fills
    assert _names(_expanded("photo[1].jpg")[0]) == ["photo1.jpg"]  # a pattern of the command line
    assert _names(_expanded("photo[2].jpg")[0]) == ["photo[2].jpg"]  # but a file of that name wins


def test_what_a_pattern_finds_is_a_file_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy(CAT, tmp_path / "-")
    inputs, _ = _expanded("[-]", stdin=b"never read")
    assert _names(inputs) == ["-"]
