"""Progress where nothing can move: a plain line every ten seconds, whatever the work is."""

from typing import Literal

import pytest

from catdog.cli import progress_bars
from catdog.progress import Progress


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
