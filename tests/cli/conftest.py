"""The command line inside the test's process, and one training that many tests look at."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from catdog.cli import run
from catdog.runs import Run

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_data"


@dataclass(frozen=True)
class Result:
    """What a command left."""

    status: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run `catdog ARGUMENTS...` in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Result:
        capfd.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Result(status, out, err)

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on sample_data. Not to be changed."""
    runs = tmp_path_factory.mktemp("trained")
    assert run(["train", str(SAMPLE), "--runs-dir", str(runs), "--name", "sample"]) == 0
    return Run(runs / "sample")


def files_below(folder: Path) -> dict[Path, bytes]:
    """Every file and its content, to see that nothing was touched."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
