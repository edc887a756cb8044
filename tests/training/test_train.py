"""The one entry point: what it reports, what it leaves, resuming, and `catdog.train` from Python."""

import inspect
from pathlib import Path
from typing import Any

import pytest

import catdog
from catdog.cli.train import command
from catdog.config import Decoding, Head
from catdog.errors import CatdogError, DataError, OptionError, RunError
from catdog.progress import Progress
from catdog.runs import EpochRecord, Run
from catdog.training.events import (
    EpochStarted,
    Event,
    Finished,
    PhotosFound,
    PhotosSkipped,
    Remark,
    RunStarted,
    Sums,
)
from catdog.training.options import NewRun, Resume
from catdog.training.train import train as train_run
from tests.pictures import draw_pictures
from tests.training.whole import tiny_photos, train
from tests.workspaces import two_workers


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 + 4 pictures, one of them damaged. Not to be changed."""
    root = tmp_path_factory.mktemp("data")
    draw_pictures(root / "train", {"circles": 3, "squares": 3}, seed=1)
    draw_pictures(root / "valid", {"circles": 2, "squares": 2}, seed=2)
    (root / "train" / "squares" / "text.jpg").write_text("no photo")
    return root


def test_events_come_in_order_and_nothing_is_printed(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    events: list[Event] = []
    run = train(data, tmp_path, report=events.append, valid_fraction=0.3)
    assert capfd.readouterr() == ("", "")
    records = [event for event in events if not isinstance(event, Progress)]
    found, *remarks, started, skipped = records[:-7]
    assert found == PhotosFound(train=7, valid=4, classes=("circles", "squares"))
    sentences = [str(remark.sentence) for remark in remarks if isinstance(remark, Remark)]
    assert len(sentences) == len(remarks)
    assert sentences[-1].startswith("--valid-fraction is not used")
    assert isinstance(started, RunStarted)
    assert (started.run.folder, started.epochs) == (run.folder, 2)
    assert isinstance(skipped, PhotosSkipped)
    assert [photo.path.name for photo in skipped.skipped] == ["text.jpg"]
    assert skipped.listed_in.read_text("utf-8").count("\n") == 1
    *epochs, finished = records[-7:]
    assert [epochs[2], epochs[5]] == run.history()
    for number, (start, sums, record) in enumerate((epochs[:3], epochs[3:]), start=1):
        assert start == EpochStarted(number, 2, photos=6)
        assert isinstance(sums, Sums)
        assert sums.photos == 6
        assert isinstance(record, EpochRecord)
        assert record.loss == pytest.approx(sums.loss / 6)
        assert record.acc == sums.score / 6
    assert isinstance(finished, Finished)
    assert finished.best == min(run.history(), key=lambda record: record.val_loss)


def test_a_resumed_training_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"head": "fc", "fc_units": (8,), "optimizer": "adam"}
    whole = train(data, tmp_path / "whole", epochs=3, **options)
    short = train(data, tmp_path / "short", epochs=1, **options)
    workspace = two_workers(tmp_path / "whole" / "cache")
    with pytest.raises(RunError, match="has finished: 1 epochs are done. Extend it with: .* --epochs 2"):
        train_run(Resume(short.folder), workspace)
    events: list[Event] = []
    resumed = train_run(Resume(short.folder, epochs=3), workspace, events.append, command="again")
    assert [event.epoch for event in events if isinstance(event, EpochStarted)] == [2, 3]
    assert resumed.model_path.read_bytes() == whole.model_path.read_bytes()
    assert (resumed.config.command, resumed.config.options.epochs) == ("again", 3)
    with resumed.held(), pytest.raises(RunError, match="another training is running in"):
        train_run(Resume(short.folder, epochs=4), workspace)


def test_python_gets_a_run_that_load_takes(data: Path, tmp_path: Path) -> None:
    run = catdog.train(
        data, quality="fast", epochs=2, optimizer="nadam", runs_dir=tmp_path / "runs", name="python"
    )
    assert isinstance(run, Run)
    assert run.folder == tmp_path / "runs" / "python"
    chosen = run.config.options
    assert (chosen.epochs, chosen.optimizer, chosen.learning_rate) == (2, "nadam", 0.001)
    assert (chosen.head, chosen.decoding, chosen.seed) == (Head("gem"), Decoding(), 0)
    assert [Path(photo.path).name for photo in run.skipped()] == ["text.jpg"]
    photo = next((data / "valid" / "circles").iterdir())
    of_run, of_folder = (catdog.load(model).predict(photo) for model in (run, run.folder))
    assert of_run == of_folder
    assert of_run[0].label in ("circles", "squares")


def test_python_has_the_options_and_defaults_of_the_command_line() -> None:
    parameters = inspect.signature(catdog.train).parameters
    only_python = {"report", "cache_dir", "workers"}
    only_command = {"resume", "find_lr", "cache_dir", "cache_limit", "no_cache", "workers", "rehash", "lang"}
    only_command |= {"coordinator", "processes", "process_id"}
    of_command = command.make_context("train", ["DATA"]).params
    assert parameters.keys() - only_python == of_command.keys() - only_command
    for name in parameters.keys() - only_python - {"data", "runs_dir"}:
        assert parameters[name].default == of_command[name], name
    assert parameters["runs_dir"].default == str(of_command["runs_dir"])


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"epochs": 0}, OptionError, "expected epochs >= 1, found 0"),
        ({"batch_size": 0}, OptionError, "expected batch_size >= 1, found 0"),
        ({"lr": 0}, OptionError, "expected lr > 0, found 0"),
        ({"seed": -1}, OptionError, "expected 0 <= seed < 2**32, found -1"),
        ({"valid_fraction": 1.0}, OptionError, "expected 0 < valid_fraction < 1, found 1.0"),
        (
            {"head": "round"},
            OptionError,
            "expected head to be one of gem, concat, linear, fc, imagenet; found 'round'",
        ),
        ({"resize": "zoom"}, OptionError, "expected resize to be one of squash, crop, pad; found 'zoom'"),
        ({"optimizer": "adma"}, OptionError, "expected an optimizer among gd, lbfgs, sgd, "),
        (
            {"fc_units": (8,)},
            OptionError,
            "--fc-units belongs to --head fc; the gem head has no hidden layers",
        ),
        ({"unfreeze": "block6"}, OptionError, "there is no stage 'block6'"),
        ({"strict": True}, DataError, "expected every photo to be readable (--strict), found 1 that are not"),
        ({"name": "a/b"}, RunError, "expected a plain folder name"),
    ],
)
def test_python_gets_typed_errors_and_no_run(
    data: Path, tmp_path: Path, options: dict[str, Any], kind: type[CatdogError], text: str
) -> None:
    with pytest.raises(kind) as caught:
        catdog.train(data, runs_dir=tmp_path / "runs", **options)
    assert text in str(caught.value)
    assert not list(tmp_path.glob("runs/*"))


def test_a_new_run_that_fails_is_deleted_and_a_resumed_one_stays(data: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="^training diverged: the loss is not finite; lower --lr$"):
        train(data, tmp_path, lr=1e38)
    assert not list(tmp_path.glob("runs/*"))
    run = train(data, tmp_path, epochs=1)
    (run.folder / "resume" / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(RunError):
        train_run(Resume(run.folder, epochs=2), two_workers(tmp_path / "cache"))
    assert run.model_path.exists()


def test_other_names_are_no_attributes() -> None:
    assert {"load", "train", "__version__"} == set(catdog.__all__)
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        _ = catdog.tarin  # type: ignore[attr-defined]


def test_a_new_run_needs_a_folder_name_only_once(data: Path, tmp_path: Path) -> None:
    with tiny_photos():
        first = NewRun(data, name="same", runs_dir=tmp_path, epochs=1, size=32)
    workspace = two_workers(tmp_path / "cache")
    assert train_run(first, workspace).folder == tmp_path / "same"
    with pytest.raises(RunError, match="same exists already"):
        train_run(first, workspace)
