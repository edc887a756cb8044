"""Files that are too large for a photo: every command skips them and reports why."""

import os
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from catdog.inference import inputs
from catdog.inference.inputs import photo_from
from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli

PHOTO = SAMPLE / "photos" / "Abyssinian_14.jpg"
REASON = "the file has 300,000,000,000 bytes: more than 1,073,741,824"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """sample_data's photos, and a hole of 300 GB that begins like a JPEG."""
    folder = tmp_path / "data"
    for split in ("train", "valid"):
        copytree(SAMPLE / split, folder / split)
    with (folder / "train" / "cats" / "enormous.jpg").open("wb") as file:
        file.write(PHOTO.read_bytes())
        file.truncate(300 * 10**9)
    return folder


def test_predict_has_a_row_for_it(cli: Cli, trained: Run, data: Path) -> None:
    enormous = data / "train" / "cats" / "enormous.jpg"
    result = cli("predict", enormous, PHOTO, "--model", trained.folder)
    assert result.status == 1
    first, second = result.out.splitlines()
    assert first.endswith(f"enormous.jpg: {REASON}")
    assert ": cats " in second
    korean = cli("predict", enormous, "--model", trained.folder, "--lang", "ko")
    assert "파일이 300,000,000,000바이트로, 한도인 1,073,741,824바이트를 넘습니다" in korean.out


def test_train_and_inspect_skip_it(cli: Cli, data: Path) -> None:
    trained = cli("train", data, "--epochs", 1, "--name", "run")
    assert trained.status == 0, trained.err
    assert f"enormous.jpg ({REASON})" in trained.err
    found = cli("inspect", data, "--quick")
    assert REASON in found.out + found.err
    alone = cli("inspect", data / "train" / "cats" / "enormous.jpg")
    assert alone.status == 1
    assert REASON in alone.err


class _Endless(RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def test_stdin_may_have_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_FILE_BYTES", 10**6)
    with photo_from(BufferedReader(_Endless())) as photo:
        assert 10**6 < os.stat(photo.path).st_size < 2 * 10**6
    with photo_from(BufferedReader(BytesIO(bytes(10**6)))) as photo:  # pyright: ignore[reportArgumentType]
        assert os.stat(photo.path).st_size == 10**6
