"""`catdog evaluate`: metrics agree with the run, classes go by name, data leaks are reported."""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from shutil import copy, copytree

import numpy as np
import pytest

from catdog.evaluation.choose import own_folder
from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli
from tests.pictures import draw_pictures


@pytest.fixture
def model(trained: Run) -> tuple[str, str]:
    return ("--model", str(trained.folder))


def test_json_agrees_with_the_history_and_with_itself(cli: Cli, trained: Run, model: tuple[str, str]) -> None:
    result = cli("evaluate", "--json", *model)
    assert result.status == 0
    report = json.loads(result.out)
    best = trained.history()[-1]
    assert report["count"] == 60
    assert report["accuracy"] == pytest.approx(best.val_acc)
    assert report["loss"] == pytest.approx(best.val_loss, rel=1e-5)
    low, high = report["accuracy_interval"]
    assert 0 <= low < report["accuracy"] <= high <= 1
    assert report["classes"] == ["cats", "dogs"]
    assert [sum(row) for row in report["confusion"]] == [30, 30]
    right = sum(report["confusion"][i][i] for i in range(2))
    assert report["accuracy"] == right / 60
    assert [score["label"] for score in report["per_class"]] == ["cats", "dogs"]
    losses = [photo["loss"] for photo in report["worst"]]
    assert losses == sorted(losses, reverse=True)


def test_predict_and_evaluate_agree(cli: Cli, model: tuple[str, str]) -> None:
    report = json.loads(cli("evaluate", "--json", *model).out)
    rows = json.loads(cli("predict", SAMPLE / "valid", "--format", "json", *model).out)
    right = sum(Path(row["path"]).parent.name == row["label"] for row in rows)
    assert right == report["right"]


def test_text_for_people(cli: Cli, model: tuple[str, str]) -> None:
    result = cli("evaluate", SAMPLE, *model)
    assert result.status == 0
    for words in ("loss: ", "acc: ", "95 %", "precision", "recall", "F1", "predicted cats", "largest loss"):
        assert words in result.out
    assert re.search(r"^valid/(cats|dogs)/", result.out, re.M)
    assert result.err == "note: Ignored the folder photos: it is not a split.\n"


def test_classes_go_by_name_and_strangers_are_left_out(
    cli: Cli, model: tuple[str, str], tmp_path: Path
) -> None:
    data = tmp_path / "data" / "valid"
    # `aardvarks` sorts before the classes of the run, and `dogs` is alone: positions would be wrong.
    copytree(SAMPLE / "valid" / "dogs", data / "dogs")
    copytree(SAMPLE / "valid" / "cats", data / "aardvarks")
    result = cli("evaluate", tmp_path / "data", "--json", *model)
    assert result.status == 0
    report = json.loads(result.out)
    assert report["count"] == 30
    assert [sum(row) for row in report["confusion"]] == [0, 30]
    assert "aardvarks" in result.err
    cats = report["per_class"][0]
    assert (cats["count"], cats["recall"]) == (0, None)


def test_photos_that_were_trained_on_are_left_out_or_reported(
    cli: Cli, model: tuple[str, str], tmp_path: Path
) -> None:
    for label in ("cats", "dogs"):
        copytree(SAMPLE / "valid" / label, tmp_path / "mixed" / label)
        for path in sorted((SAMPLE / "train" / label).iterdir())[:5]:
            copy(path, tmp_path / "mixed" / label / f"seen {path.name}")
    assert json.loads(cli("evaluate", "mixed", "--json", *model).out)["count"] == 60
    everything = cli("evaluate", "mixed", "--split", "all", "--json", *model)
    assert json.loads(everything.out)["count"] == 70
    assert json.loads(cli("evaluate", "mixed", "--split", "train", "--json", *model).out)["count"] == 10
    (tmp_path / "leak").mkdir()
    (tmp_path / "mixed").rename(tmp_path / "leak" / "valid")
    leak = cli("evaluate", "leak", *model)
    assert "trained on 10 of these 70 photos" in leak.err


def test_unreadable_photos_are_reported(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    copytree(SAMPLE / "valid", tmp_path / "valid")
    (tmp_path / "valid" / "cats" / "empty.jpg").write_bytes(b"")
    result = cli("evaluate", tmp_path, "--json", *model)
    report = json.loads(result.out)
    assert report["count"] == 60
    assert [photo["path"] for photo in report["skipped"]] == [str(tmp_path / "valid" / "cats" / "empty.jpg")]
    skipped = "1 photo is unreadable and was skipped: valid/cats/empty.jpg: the file is empty"
    assert skipped in cli("evaluate", tmp_path, *model).err


def test_a_run_whose_photos_are_gone(cli: Cli, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "photos", {"circles": 6, "squares": 6})
    assert cli("train", "photos", "--epochs", 1).status == 0
    assert cli("evaluate").status == 0
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    gone = cli("evaluate")
    assert gone.status == 1
    assert "are no longer at" in gone.err
    assert "Give DATA" in gone.err
    assert cli("evaluate", "elsewhere").status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "found nothing at nowhere"),
        ((str(SAMPLE), "--split", "test"), "--split"),
        (("strangers",), "photos of the classes cats, dogs"),
        (("strangers", "--split", "train"), "in the split 'train'"),
    ],
)
def test_nothing_to_evaluate_on(
    cli: Cli, model: tuple[str, str], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    draw_pictures(tmp_path / "strangers", {"circles": 2, "squares": 2})
    result = cli("evaluate", *arguments, *model)
    assert result.status == 1
    assert message in result.err


def test_weights_that_are_not_the_runs_are_refused(cli: Cli, shapes: Path, tmp_path: Path) -> None:
    import safetensors.numpy

    from catdog.weights.source import find_weights

    tensors = safetensors.numpy.load_file(find_weights("builtin").path)
    weights = tmp_path / "mine.safetensors"
    safetensors.numpy.save_file(tensors, weights)
    assert cli("train", shapes, "--epochs", 1, "--weights", weights, "--preprocessing", "caffe").status == 0
    assert cli("evaluate").status == 0
    tensors["block3_conv1/bias"] = tensors["block3_conv1/bias"] + np.float16(1)
    safetensors.numpy.save_file(tensors, weights)
    result = cli("evaluate")
    assert result.status == 1
    assert "trained on weights with digest" in result.err


def test_an_error_where_all_photos_were_trained_on(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    for label in ("cats", "dogs"):
        copytree(SAMPLE / "train" / label, tmp_path / "seen" / label)
    result = cli("evaluate", "seen", *model)
    assert result.status == 1
    assert "trained on all 120" in result.err
    copy(sorted((SAMPLE / "valid" / "dogs").iterdir())[0], tmp_path / "seen" / "dogs" / "new.jpg")
    result = cli("evaluate", "seen", *model)
    assert result.status == 0
    assert "120 photos are left out: " in result.err
    assert "was trained on them" in result.err
    assert re.search(r" on 1 photo$", result.out, re.M)


def test_a_name_that_nothing_has(cli: Cli) -> None:
    result = cli("evaluate", "runs/nope")
    assert result.status == 1
    assert "expected a folder of photos or a model, found nothing at runs/nope. There is no run" in result.err


@pytest.fixture
def named(trained: Run, tmp_path: Path) -> Callable[..., None]:
    """Makes runs with these names under ./runs."""

    def make(*names: str) -> None:
        for name in names:
            copytree(trained.folder, tmp_path / "runs" / name)

    return make


def test_runs_by_name(cli: Cli, trained: Run, named: Callable[..., None], tmp_path: Path) -> None:
    named("nadam", "sgd")
    by_path = json.loads(cli("evaluate", trained.folder, "--json").out)
    for arguments in (("nadam",), ("--model", "nadam"), ("nadam", SAMPLE), ("runs/nadam", "--data", SAMPLE)):
        report = json.loads(cli("evaluate", *arguments, "--json").out)
        assert report["model"] == "runs/nadam"
        assert report["loss"] == by_path["loss"]
    pair = json.loads(cli("evaluate", "nadam", "sgd", "--json").out)["comparisons"][0]
    assert (pair["first"], pair["second"]) == ("runs/nadam", "runs/sgd")
    unknown = cli("evaluate", "adam")
    assert unknown.status == 1
    assert re.search(r"The runs under runs are: nadam, sgd$", unknown.err, re.M)
    (tmp_path / "nadam").mkdir()  # a folder that is no run is DATA
    assert "expected photos" in cli("evaluate", "nadam").err
    assert "a run is given twice" in cli("evaluate", "runs/nadam", "runs/nadam/model.safetensors").err


@pytest.mark.slow
def test_exported_files(cli: Cli, trained: Run, few: Path, tmp_path: Path) -> None:
    file = "cats.safetensors"
    assert cli("export", trained.folder, file).status == 0
    without_data = cli("evaluate", file)
    assert without_data.status == 1
    assert "the exported file cats.safetensors has no photos of its own. Give DATA too." in without_data.err
    assert own_folder([Path(file), trained]) == SAMPLE
    both = json.loads(cli("evaluate", file, trained.folder, few, "--json").out)
    exported, run = both["runs"]
    assert (exported["count"], run["count"]) == (4, 4)
    assert exported["calibration"]["after"]["nll"] == pytest.approx(
        np.mean([photo["loss"] for photo in run["worst"]]), rel=1e-3
    )
    report = json.loads(cli("evaluate", "--model", file, few, "--json", "--report", "page.html").out)
    assert report == {**exported, "worst": report["worst"]}
    assert report["model"] == file
    assert (report["calibration"]["temperature"], report["calibration"]["before"]) == (None, None)
    assert "The exported file is calibrated" in (tmp_path / "page.html").read_text()
    no_calibrate = cli("evaluate", file, few, "--no-calibrate")
    assert no_calibrate.status == 2
    assert "--no-calibrate is for runs" in no_calibrate.err
    without_split = cli("evaluate", file, few / "train", "--json")
    assert json.loads(without_split.out)["count"] == 8
    assert "does not record its training photos" in without_split.err
    unknown = cli("evaluate", file, few / "train", "--split", "valid")
    assert unknown.status == 1
    assert "in the split 'valid'" in unknown.err


def test_several_runs_read_each_photo_once(
    cli: Cli, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["catdog.data.fingerprint"]
    digest, hashed = module._hashed, Counter[Path]()

    def counted(path: Path) -> object:
        hashed[path] += 1
        return digest(path)

    monkeypatch.setattr(module, "_hashed", counted)
    runs = [copytree(trained.folder, tmp_path / name) for name in ("a", "b", "c")]
    result = cli("evaluate", *runs, "--json", "--rehash")
    assert result.status == 0
    assert len(json.loads(result.out)["comparisons"]) == 3
    assert len(hashed) == 60
    assert set(hashed.values()) == {1}
