"""Weights with fc1, fc2 and the 1000 classes of ImageNet, from the command line."""

import json
import os
import re
import sys
from pathlib import Path
from shutil import copy
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from catdog.runs import Run
from catdog.weights.source import class_names, find_weights
from tests.cli.conftest import Cli
from tests.weights_files import PHOTOS, real_photos

pytestmark = pytest.mark.slow


def test_weights_that_have_the_top_are_trained_as_the_lecture_does(whole_run: Run) -> None:
    head = whole_run.config.options.head
    assert (head.kind, head.dropout) == ("imagenet", 0.5)
    tensors, _ = whole_run.read_model()
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "predictions/kernel": (4096, 2),
        "predictions/bias": (2,),
    }
    assert whole_run.model_path.stat().st_size < 40_000, "fc1 and fc2 stay in the weights file"


def test_the_layers_of_the_run_are_shown(whole_run: Run, cli: Cli) -> None:
    page = json.loads(cli("inspect", whole_run.folder, "--layers", "--json").out)
    top = {row["name"]: row for row in page["layers"][-6:]}
    assert list(top) == ["flatten", "fc1", "dropout1", "fc2", "dropout2", "predictions"]
    assert [row["name"] for row in page["layers"] if not row["frozen"] and row["parameters"]] == [
        "predictions"
    ]
    assert page["parameters"] - page["trainable"] == 134_260_544
    assert page["trainable"] == 8_194


def test_a_resumed_run_goes_on_to_the_same_bytes(few: Path, whole_file: Path, cli: Cli) -> None:
    options = (few, "--weights", whole_file, "--seed", 1)
    assert cli("train", *options, "--epochs", 3, "--name", "once").status == 0
    assert cli("train", *options, "--epochs", 1, "--name", "twice").status == 0
    assert cli("train", "--resume", "runs/twice", "--epochs", 3).status == 0
    assert Run(Path("runs/once")).model_path.read_bytes() == Run(Path("runs/twice")).model_path.read_bytes()


def test_fc2_can_be_thawed(few: Path, whole_file: Path, cli: Cli) -> None:
    options = ("--weights", whole_file, "--unfreeze", "fc2", "--epochs", 1, "--lr", "1e-5", "--name", "fc2")
    assert cli("train", few, *options).status == 0
    tensors, _ = Run(Path("runs/fc2")).read_model()
    assert tensors["fc2/kernel"].shape == (4096, 4096)
    assert "fc1/kernel" not in tensors
    assert cli("evaluate", "--model", "runs/fc2").status == 0


def test_the_head_needs_weights_that_have_fc1_and_fc2(few: Path, cli: Cli) -> None:
    result = cli("train", few, "--head", "imagenet")
    assert result.status == 1
    assert "needs fc1 and fc2, which the weights 'builtin' lack" in result.err
    assert "--weights keras" in result.err
    result = cli("train", few, "--unfreeze", "fc1")
    assert result.status == 1
    assert "there is no stage 'fc1': expected one of block1, " in result.err


def test_another_head_can_stand_on_the_same_weights(few: Path, whole_file: Path, cli: Cli) -> None:
    assert cli("train", few, "--weights", whole_file, "--head", "concat", "--epochs", 1).status == 0


def test_the_1000_classes_of_imagenet(whole_file: Path, cli: Cli) -> None:
    result = cli("predict", *PHOTOS, "--model", "imagenet", "--weights", whole_file, "--format", "json")
    assert result.status == 0, result.err
    rows = json.loads(result.out)
    for row in rows:
        assert len(row["top"]) == 5
        assert {entry["label"] for entry in row["top"]} <= set(class_names())
        probabilities = [entry["probability"] for entry in row["top"]]
        assert probabilities == sorted(probabilities, reverse=True)
    assert len({row["label"] for row in rows}) > 1
    single = cli("predict", PHOTOS[0], "--model", "imagenet", "--weights", whole_file, "--top-k", 1)
    assert single.out.count("%") == 1


@pytest.mark.peer
def test_the_probabilities_are_those_of_keras(
    whole_file: Path, cli: Cli, keras_vgg16: Any, keras: ModuleType
) -> None:
    inputs = keras.applications.vgg16.preprocess_input(real_photos().astype(np.float32))
    logits = np.asarray(keras_vgg16(inputs), np.float64)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    result = cli("predict", *PHOTOS, "--model", "imagenet", "--weights", whole_file, "--format", "json")
    for row, expected in zip(json.loads(result.out), probabilities, strict=True):
        order = np.argsort(-expected)[:5]
        assert [entry["label"] for entry in row["top"]] == [class_names()[label] for label in order]
        found = [entry["probability"] for entry in row["top"]]
        np.testing.assert_allclose(found, expected[order], rtol=0, atol=1e-4)


def test_the_names_of_the_classes() -> None:
    names = class_names()
    assert len(names) == len(set(names)) == 1000
    known = {0: "tench", 151: "Chihuahua", 207: "golden retriever", 281: "tabby", 285: "Egyptian cat"}
    assert {number: names[number] for number in known} == known
    assert (names[134], names[517]) == ("crane (bird)", "crane (machine)")


def test_a_photo_is_inspected_with_both_predictions_beside_each_other(
    whole_run: Run, whole_file: Path, cli: Cli
) -> None:
    options = (PHOTOS[0], "--model", whole_run.folder, "--weights", whole_file)
    page = json.loads(cli("inspect", *options, "--json").out)
    assert (page["format"], page["width"], page["height"]) == ("JPEG", 322, 480)
    of_run, of_imagenet = page["predictions"].values()
    assert [len(of_run), len(of_imagenet)] == [2, 5]
    assert list(page["predictions"]) == [str(whole_run.folder), "ImageNet"]
    text = cli("inspect", *options, "--report", "page.html").out
    assert "ImageNet" in text
    assert of_imagenet[0]["label"] in text
    (facts,) = re.findall(r'id="facts-data">(.*?)</script>', Path("page.html").read_text("utf-8"))
    on_page = json.loads(facts)
    assert [shown["model"] for shown in on_page["predictions"]] == [whole_run.folder.name, "ImageNet"]
    assert on_page["predictions"][1]["classes"] == of_imagenet
    assert on_page["head"] is None and on_page["images"] == {}
    assert [searched["photos"] for searched in on_page["patches"]] == [12]


def test_without_such_weights_only_the_run_predicts(trained: Run, cli: Cli) -> None:
    result = cli("inspect", PHOTOS[0], "--model", trained.folder)
    assert result.status == 0
    assert "cats" in result.out
    assert "none have been downloaded yet: give --weights keras" in result.out


def test_without_either_the_model_in_the_package_predicts_and_the_reason_is_reported(cli: Cli) -> None:
    result = cli("inspect", PHOTOS[0])
    assert result.status == 0
    assert "cats_and_dogs" in result.out
    assert "give --weights keras or --weights timm" in result.out
    assert "using the model in the package" in result.err


def test_a_photo_that_cannot_be_read_is_an_error(trained: Run, cli: Cli) -> None:
    Path("broken.jpg").write_bytes(PHOTOS[0].read_bytes()[:2000])
    result = cli("inspect", "broken.jpg", "--model", trained.folder)
    assert result.status == 1
    assert "broken.jpg: " in result.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--model", "imagenet"), "none have been downloaded yet"),
        (("--model", "imagenet", "--weights", "builtin"), "which the weights 'builtin' lack"),
    ],
)
def test_the_1000_classes_need_the_whole_top(arguments: tuple[str, ...], reason: str, cli: Cli) -> None:
    result = cli("predict", PHOTOS[0], *arguments)
    assert result.status == 1
    assert reason in result.err


def test_options_that_do_nothing_are_refused(trained: Run, cli: Cli) -> None:
    run = ("--model", trained.folder)
    for arguments in ((*run, "--weights", "keras"), (*run, "--preprocessing", "torch")):
        result = cli("predict", PHOTOS[0], *arguments)
        assert result.status == 2
        assert f"{arguments[2]} goes with --model imagenet" in result.err
    for arguments in (("--layers",), (trained.folder,)):
        result = cli("inspect", *arguments, "--weights", "keras")
        assert result.status == 2
        assert "It is for: a photo." in result.err
    for arguments, reason in (
        (("--random", 2), "--random takes photos of a run"),
        ((PHOTOS[0], "--no-calibrate"), "--no-calibrate is about a run"),
    ):
        result = cli("predict", *arguments, "--model", "imagenet")
        assert result.status == 2
        assert f"{reason}: it does not go with --model imagenet" in result.err


def test_a_file_that_is_no_photo_is_named(cli: Cli) -> None:
    Path("weights.txt").write_text("words")
    result = cli("inspect", "weights.txt")
    assert result.status == 1
    assert result.err.startswith("catdog: error: weights.txt: ")


def test_a_model_beside_some_other_config_is_a_file_of_its_own(trained: Run, cli: Cli) -> None:
    assert cli("export", trained.folder, "hub/cats.safetensors").status == 0
    Path("hub/config.json").write_text("{}")
    assert cli("predict", PHOTOS[0], "--model", "hub/cats.safetensors").status == 0
    Path("hub/cats.safetensors").unlink()


@pytest.mark.parametrize("name", ["~nobody-of-that-name/vgg16.h5", "w" * 300])
def test_a_path_that_cannot_be_is_no_traceback(name: str, few: Path, cli: Cli) -> None:
    result = cli("train", few, "--weights", name)
    assert result.status == 1
    assert "there are no weights" in result.err


def test_the_name_of_a_weights_file_need_not_be_utf_8(few: Path, cli: Cli) -> None:
    weights = Path(os.fsdecode(b"w\xff.safetensors"))
    copy(find_weights("builtin").path, weights)
    options = ("--weights", weights, "--preprocessing", "caffe", "--epochs", 1, "--name", "strange")
    assert cli("train", few, *options).status == 0
    assert Run(Path("runs/strange")).read_model()[1].weights == str(weights.absolute())
    assert cli("evaluate").status == 0
    weights.unlink()


def test_a_download_can_be_put_into_the_cache_by_hand(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with another digest is never used."""
    monkeypatch.setenv("CATDOG_OFFLINE", "1")
    result = cli("predict", PHOTOS[0], "--model", "imagenet", "--weights", "timm", "--cache-dir", "cache")
    assert result.status == 1
    assert "CATDOG_OFFLINE=1 forbids it" in result.err
    folder = Path("cache/weights").absolute()
    assert f"vgg16.tv_in1k.safetensors in the folder {folder}" in result.err
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vgg16.tv_in1k.safetensors").write_bytes(b"something else")
    result = cli("predict", PHOTOS[0], "--model", "imagenet", "--cache-dir", "cache")
    assert result.status == 1
    assert "expected" in result.err and "57b026918159a6bf" in result.err


def test_h5_without_h5py_names_the_extra(few: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("vgg16.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    monkeypatch.setitem(sys.modules, "h5py", None)
    result = cli("train", few, "--weights", "vgg16.h5")
    assert result.status == 1
    assert "pip install 'catdog-cli[keras]'" in result.err
