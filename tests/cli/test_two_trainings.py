"""Two processes that train one run: the second is refused, and a kill leaves nothing that refuses anybody."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from catdog.runs import Run, open_run
from tests.cli.conftest import Cli
from tests.pictures import draw_pictures

_SECONDS = 120.0  # until a training has written its first epoch


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draw_pictures(tmp_path / "data" / "train", {"circles": 4, "squares": 4}, seed=1)
    draw_pictures(tmp_path / "data" / "valid", {"circles": 2, "squares": 2}, seed=2)
    return tmp_path / "data"


@pytest.fixture
def stopped(data: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Run]]:
    """A training in the middle of its epochs, that stands still and is there."""
    command = [
        sys.executable,
        "-m",
        "catdog",
        "train",
        str(data),
        "--name",
        "both",
        "--epochs",
        "100000",
        "--size",
        "96",
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
    )
    try:
        run = Run(tmp_path / "runs" / "both")
        until = time.monotonic() + _SECONDS
        while not run.epochs_done():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGSTOP)
        yield process, run
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_the_second_is_refused_until_the_first_is_gone(
    stopped: tuple[subprocess.Popen[bytes], Run], data: Path, cli: Cli
) -> None:
    first, run = stopped
    done = run.epochs_done()
    before = run.config

    second = cli("train", "--resume", run.folder)
    assert second.status == 1
    assert f"another training is running in {run.folder}" in second.err
    assert "Wait until it ends or stop it" in second.err
    assert open_run(run.folder).config == before
    assert run.epochs_done() == done
    same_name = cli("train", data, "--name", "both", "--size", 96)
    assert same_name.status == 1
    assert "both exists already" in same_name.err

    # Whoever only reads does not ask.
    assert cli("inspect", "runs").status == 0
    assert cli("evaluate", run.folder).status == 0

    first.kill()
    first.wait()
    resumed = cli("train", "--resume", run.folder, "--epochs", done + 2)
    assert resumed.status == 0, resumed.err
    assert run.epochs_done() == done + 2


@pytest.mark.slow
def test_reading_a_run_takes_no_lock_and_writes_nothing(cli: Cli, data: Path, tmp_path: Path) -> None:
    assert cli("train", data, "--name", "seen", "--epochs", 1, "--size", 96).status == 0
    run = Run(tmp_path / "runs" / "seen")
    photo = next((data / "valid" / "circles").iterdir())
    (run.folder / "resume" / "lock").unlink()
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    for command in (
        ["evaluate", run.folder],
        ["predict", photo, "--model", run.folder],
        ["inspect", run.folder],
        ["export", run.folder, "model.safetensors"],
    ):
        assert cli(*command).status == 0
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before
