"""Which model a name stands for: paths, names of runs, exported files."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from catdog.errors import OptionError, RunError, WeightsError
from catdog.inference.models import find_model, is_exported, open_classifier, open_imagenet
from catdog.runs import Run, shipped_run
from catdog.workspace import Workspace

Make = Callable[[str], Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a run in a folder of its own, which the test works in."""
    monkeypatch.chdir(tmp_path)
    return lambda folder: Path(copytree(shipped_run().folder, folder))


def _folder(name: str) -> Path:
    found = find_model(name, Path("runs"))
    assert isinstance(found, Run)
    return found.folder


def test_without_a_name_it_is_the_newest_run_or_the_one_in_the_package(make: Make) -> None:
    found = find_model(None, Path("runs"))
    assert isinstance(found, Run) and found.folder == shipped_run().folder
    for number, name in enumerate(("b", "a")):
        os.utime(make(f"runs/{name}") / "model.safetensors", (number, number))
    found = find_model(None, Path("runs"))
    assert isinstance(found, Run) and found.folder == Path("runs/a")


def test_a_run_is_found_by_its_path_by_its_name_and_by_its_files(make: Make) -> None:
    make("runs/nadam")
    make("elsewhere/deep")
    assert _folder("nadam") == _folder("runs/nadam") == _folder("./runs/nadam/") == Path("runs/nadam")
    assert _folder("elsewhere/deep") == Path("elsewhere/deep")
    assert _folder("runs/nadam/model.safetensors") == _folder("runs/nadam/config.json") == Path("runs/nadam")
    with pytest.raises(RunError):
        find_model("deep", Path("runs"))  # a name is that of a run in `runs_dir`, not below it
    with pytest.raises(RunError):
        find_model("../elsewhere/deep", Path("runs"))


def test_a_path_wins_over_a_name_if_a_model_is_there(make: Make) -> None:
    make("runs/nadam")
    make("runs/sample_data")
    make("runs/exported")
    make("nadam")
    Path("sample_data/cats").mkdir(parents=True)
    Path("exported").write_bytes(b"perhaps a model")
    assert _folder("nadam") == Path("nadam")
    assert _folder("sample_data") == Path("runs/sample_data")  # ./sample_data holds photos
    assert find_model("exported", Path("runs")) == Path("exported")


def test_where_there_is_no_such_model_the_error_lists_the_runs(make: Make) -> None:
    with pytest.raises(RunError) as caught:
        find_model("nadam", Path("runs"))
    assert str(caught.value) == (
        "expected a run or an exported file, found none at nadam. There is no run under runs; `catdog train "
        "DATA` makes one."
    )
    make("runs/sgd")
    make("runs/adam")
    Path("runs/no run").mkdir()
    Path("photos").mkdir()
    for name in ("nadam", "photos", "runs/nadam"):
        with pytest.raises(RunError) as caught:
            find_model(name, Path("runs"))
        assert str(caught.value) == (
            f"expected a run or an exported file, found none at {name}. The runs under runs are: adam, sgd"
        )
    for number in range(10):
        make(f"runs/{number}")
    with pytest.raises(RunError, match="are: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...$"):
        find_model("nadam", Path("runs"))


def test_a_damaged_run_is_reported_as_such(make: Make) -> None:
    (make("runs/nadam") / "config.json").write_text("{")
    for name in ("nadam", "runs/nadam", "runs/nadam/model.safetensors"):
        with pytest.raises(RunError, match="runs/nadam/config.json cannot be read as a file of a run"):
            find_model(name, Path("runs"))


def test_an_exported_file_is_one_that_is_not_of_a_run_folder(make: Make) -> None:
    run = make("run")
    (run / "other.safetensors").write_bytes(b"")
    hub = Path("hub")
    hub.mkdir()
    (hub / "model.safetensors").write_bytes(b"")
    assert is_exported(hub / "model.safetensors")
    for content, expected in ((json.dumps({"model_type": "vgg"}), True), ("[]", True), ("{", False)):
        (hub / "config.json").write_text(content)  # of another program, or of a damaged run
        assert is_exported(hub / "model.safetensors") == expected
    assert is_exported(run / "other.safetensors")
    for path in (run, run / "model.safetensors", run / "config.json", Path("missing.safetensors")):
        assert not is_exported(path)


def test_the_calibration_of_an_exported_file_cannot_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="calibration is part of its weights"):
        open_classifier(tmp_path / "model.safetensors", Workspace(), calibrate=False)


def test_imagenet_needs_weights_that_were_downloaded_or_are_named(tmp_path: Path) -> None:
    for workspace in (Workspace(), Workspace(weights=tmp_path)):
        with pytest.raises(WeightsError, match="none have been downloaded yet: give --weights keras"):
            open_imagenet(None, None, workspace)
    with pytest.raises(WeightsError, match="which the weights 'builtin' lack"):
        open_imagenet("builtin", None, Workspace())


def test_finding_a_model_and_the_help_import_nothing_that_is_slow() -> None:
    program = "import catdog.inference.models; from catdog.cli import run; run(['predict', '--help'])"
    check = "import sys; assert not {'jax', 'flax', 'scipy', 'requests', 'filelock'} & sys.modules.keys()"
    command = [sys.executable, "-W", "error", "-c", f"{program}; {check}"]
    subprocess.run(command, check=True, capture_output=True)
