"""The command line inside the test's process, and one training that many tests look at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copy

import pytest
from filelock import FileLock
from safetensors.numpy import save_file

from catdog.cli import run
from catdog.runs import Run
from catdog.training.options import SIZES_OF
from tests.weights_files import Tensors

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
    """Run `catdog ARGUMENTS...` in an empty folder of its own; a training is a fast one, unless it says.

    A data set is inspected with the same small photos.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SIZES_OF, "good", SIZES_OF["fast"])

    def call(*arguments: object) -> Result:
        capfd.readouterr()
        words = [str(argument) for argument in arguments]
        if words[:1] == ["train"] and not {"--quality", "--size", "--resume", "--help", "-h"} & {*words}:
            words[1:1] = ["--quality", "fast"]
        status = run(words)
        out, err = capfd.readouterr()
        return Result(status, out, err)

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Run:
    """A run on sample_data. Not to be changed."""
    runs = tmp_path_factory.mktemp("trained")
    command = ["train", str(SAMPLE), "--runs-dir", str(runs), "--name", "sample", "--quality", "fast"]
    with FileLock(cache_dir / "sample.lock"):  # a second process then finds the features
        assert run(command) == 0
    return Run(runs / "sample")


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 8 + 4 pictures: weights that no other test uses cost convolutions of their own."""
    root = tmp_path_factory.mktemp("few")
    for split, count in (("train", 4), ("valid", 2)):
        for label in ("cats", "dogs"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for path in sorted((SAMPLE / split / label).iterdir())[:count]:
                copy(path, folder)
    return root


@pytest.fixture(scope="session")
def whole_file(whole_tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of all of VGG16's weights, random. Not to be changed."""
    path = tmp_path_factory.mktemp("weights") / "whole.safetensors"
    save_file(whole_tensors, path, {"preprocessing": "caffe"})
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def whole_run(few: Path, whole_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The lecture's recipe on those weights: fc1 and fc2 frozen, dropout, a new softmax."""
    runs = tmp_path_factory.mktemp("whole")
    options = ["--weights", str(whole_file), "--epochs", "2", "--runs-dir", str(runs), "--name", "lecture"]
    assert run(["train", str(few), *options]) == 0
    return Run(runs / "lecture")


def files_below(folder: Path) -> dict[Path, bytes]:
    """Every file and its content, to see that nothing was touched."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
