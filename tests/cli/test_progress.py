"""Progress where nothing can move: a plain line every ten seconds; and how long lines are broken."""

import io
import os
import sys
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console

from catdog.cli import console, progress_bars
from catdog.progress import Progress
from catdog.text import columns_of, message, wrapped


@pytest.mark.parametrize(
    ("stage", "title"), [("compare", "Comparing photos"), ("hash", "Reading photos")], ids=["compare", "hash"]
)
def test_long_work_is_told_of(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    stage: Literal["compare", "hash"],
    title: str,
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress_bars.time, "monotonic", lambda: now[0])
    with progress_bars.FeatureBar() as bar:
        for done in range(0, 31, 3):
            bar(Progress(stage, done, 30))
            now[0] += 4
    lines = capfd.readouterr().err.splitlines()
    assert lines == [f"{title}: {done}/30 photos" for done in (9, 18, 27)]


def test_short_work_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bars.FeatureBar() as bar:
        for done in range(31):
            bar(Progress("compare", done, 30))
    assert capfd.readouterr().err == ""


def test_a_download_has_its_speed_and_the_time_that_is_left(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress_bars.time, "monotonic", lambda: now[0])
    with progress_bars.FeatureBar() as bar:
        for megabytes in (0, 150, 500):
            bar(Progress("download", megabytes * 1_000_000, 500_000_000))
            now[0] += 15
    assert capfd.readouterr().err.splitlines() == [
        "Downloading weights: 150.0 MB of 500.0 MB, 10.0 MB/s, 35s left",
        "Downloading weights: 500.0 MB of 500.0 MB, 16.7 MB/s, 0s left",
    ]


def test_parts_are_counted_on(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress_bars.time, "monotonic", lambda: now[0])
    with progress_bars.FeatureBar(in_parts=True) as bar:
        for part in range(3):
            bar(Progress("features", 0, 10))
            now[0] += 20
            bar(Progress("features", 10, 10))
            assert f"{10 * (part + 1)} photos, 0.5 photos/s" in capfd.readouterr().err


def test_no_bar_moves_where_rows_go_through_a_pipe_to_the_same_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(console, "err", Console(file=io.StringIO(), force_terminal=True))
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    reading, writing = os.pipe()
    with open(reading), open(writing, "w") as pipe, (tmp_path / "rows").open("w") as file:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert console.moves() and not console.moves(beside_rows=True)
        # Also where descriptor 1 is a pipe: that of what libraries print, in several processes.
        monkeypatch.setattr(sys, "stdout", file)
        before = os.dup(1)
        try:
            os.dup2(writing, 1)
            assert console.moves(beside_rows=True)
        finally:
            os.dup2(before, 1)
            os.close(before)


def test_a_terminal_gets_lines_that_are_broken_at_spaces_only(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=file, force_terminal=True, width=30, color_system=None))
    path = "/a/folder/with/a/name/that/is/wider/than/the/terminal.jpg"
    console.note(message("the file {path} is unreadable and was skipped", path=path))
    assert file.getvalue().splitlines() == ["note: the file", path, "is unreadable and was skipped"]
    file.truncate(0)
    console.tell(message("Continue with:\n  {command}", command="catdog train --resume runs/nadam --lang ko"))
    assert file.getvalue().splitlines()[1] == "  catdog train --resume runs/nadam --lang ko"


def test_wide_letters_take_two_columns() -> None:
    text = "사진 23장을 읽을 수 없어 건너뛰었습니다"
    assert columns_of("사진 2") == 6
    assert " ".join(wrapped(text, 20)) == text
    assert max(map(columns_of, wrapped(text, 20))) <= 20
