"""A full disk takes neither what a command prints nor the file that it writes: one sentence, no damage."""

import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from catdog.cli import run
from catdog.runs import Run
from tests.cli.conftest import Cli


class _Full(io.StringIO):
    """Takes no text that begins like this."""

    def __init__(self, refused: str):
        super().__init__()
        self._refused = refused

    def write(self, text: str) -> int:
        if text.startswith(self._refused):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(text)


def test_output_that_cannot_be_written_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", _Full(""))
    assert run(["--help"]) == 1
    assert capfd.readouterr().err == (
        "catdog: error: the output of this command cannot be written: No space left on device. Free some "
        "space, or send it to another disk; `catdog train --resume` continues a training that has begun.\n"
    )
    monkeypatch.setattr(sys, "stdout", _Full(""))
    monkeypatch.setattr(sys, "stderr", _Full(""))
    assert run(["--help"]) == 1


def test_a_training_whose_log_cannot_be_written_goes_on_later(
    cli: Cli, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", _Full("Epoch 3/5"))
        stopped = cli("train", few, "--name", "full", "--epochs", 5)
    assert stopped.status == 1
    assert "the output of this command cannot be written: No space left on device" in stopped.err
    assert Run(Path("runs/full")).epochs_done() == 2
    assert cli("train", "--resume", "full").status == 0
    assert Run(Path("runs/full")).epochs_done() == 5


@pytest.mark.parametrize("name", ["model.safetensors", "model.h5"])
def test_an_export_that_does_not_fit_leaves_the_old_file(
    name: str, cli: Cli, trained: Run, fill: Callable[[int | None], None]
) -> None:
    Path(name).write_text("the old one")
    fill(100_000)
    result = cli("export", trained.folder, name, "--force")
    fill(None)
    assert result.status == 1
    assert f"{name} cannot be written: " in result.err
    assert "File too large" in result.err
    assert Path(name).read_text() == "the old one"
    assert [path.name for path in Path().iterdir()] == [name]
