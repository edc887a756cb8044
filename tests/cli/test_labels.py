"""`--output labels`: labels of 60 real photos, learned, resumed, evaluated, predicted and exported."""

import csv
import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog.cli import run as catdog
from catdog.evaluation.several import average_precision
from catdog.model.thresholds import best_thresholds
from catdog.runs import Run, shipped_run
from tests.cli.conftest import SAMPLE, Cli
from tests.pictures import draw_pictures


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 real photos, each with the label cat or dog, some with portrait. Not to be changed."""
    root = tmp_path_factory.mktemp("several")
    with (root / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "labels"])
        for photo in sorted((SAMPLE / "valid").rglob("*.jpg")):
            shutil.copy(photo, root)
            with Image.open(photo) as image:
                labels = [photo.parent.name[:3], *(["portrait"] if image.height > image.width else [])]
            rows.writerow([photo.name, ";".join(labels)])
    return root


@pytest.fixture(scope="session")
def several(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on them. Not to be changed."""
    runs = tmp_path_factory.mktemp("labels")
    words = ["train", photos, "--output", "labels", "--labels", photos / "labels.csv", "--size", 96]
    assert catdog([*map(str, words), "--runs-dir", str(runs), "--name", "several"]) == 0
    return Run(runs / "several")


def test_each_label_has_a_probability_and_a_threshold(several: Run) -> None:
    spec = several.read_model()[1]
    assert spec.classes == ("cat", "dog", "portrait")
    assert len(spec.thresholds) == 3
    assert spec.temperature
    last = several.history()[-1]
    assert last.val_acc and last.val_acc > 0.75
    assert last.val_loss < np.log(2)  # what a probability of 0.5 for every label would have


def test_evaluate_has_a_row_for_each_label(cli: Cli, several: Run) -> None:
    found = json.loads(cli("evaluate", several.folder, "--json", "--worst", 60).out)
    assert found["loss"] == pytest.approx(several.history()[-1].val_loss, rel=1e-5)
    assert found["right"] == sum(photo["true"] == photo["labels"] for photo in found["worst"])
    for row in found["per_label"]:
        there = [row["label"] in photo["true"] for photo in found["worst"]]
        seen = [row["label"] in photo["labels"] for photo in found["worst"]]
        hits = sum(map(min, there, seen))
        assert row["count"] == sum(there)
        assert row["precision"] == pytest.approx(hits / sum(seen))
        assert row["recall"] == pytest.approx(hits / sum(there))
    assert found["per_label"][0]["average_precision"] > 0.8
    shown = cli("evaluate", several.folder, "--report", "r.html", "--plots", "plots")
    assert "mean average precision" in shown.out
    assert "slightly too good" in " ".join(shown.out.split())
    assert {path.stem for path in Path("plots").iterdir()} == {"precision-recall", "loss", "accuracy"}
    page = Path("r.html").read_text("utf-8")
    assert "Metrics of each label" in page
    assert "It predicts several labels: cat, dog, portrait." in page


def test_predict_prints_the_labels_above_their_thresholds(cli: Cli, several: Run, photos: Path) -> None:
    paths, model = sorted(photos.glob("*.jpg"))[:3], ("--model", several.folder)
    rows = json.loads(cli("predict", *paths, *model, "--format", "json").out)
    spec = several.read_model()[1]
    for row in rows:
        every = dict(zip(spec.classes, spec.thresholds, strict=True))
        above = [name for name, value in row["probabilities"].items() if value >= every[name]]
        assert row["labels"] == above
    text = cli("predict", paths[0], *model).out
    listed = [f"{name} {rows[0]['probabilities'][name]:.1%}" for name in rows[0]["labels"]]
    assert text == f"{paths[0]}: {', '.join(listed) or 'no label'}\n"
    table = list(csv.reader(cli("predict", paths[0], *model, "--format", "csv").out.splitlines()))
    assert table[0][:3] == ["path", "labels", "probability of cat"]
    assert table[1][1] == ";".join(rows[0]["labels"])
    uncalibrated = json.loads(cli("predict", *paths, *model, "--format", "json", "--no-calibrate").out)
    assert [row["labels"] for row in uncalibrated] == [row["labels"] for row in rows]
    assert [row["probabilities"] for row in uncalibrated] != [row["probabilities"] for row in rows]
    assert "(true labels: " in cli("predict", "--random", 1, *model).out
    assert cli("predict", paths[0], *model, "--save", "saved", "--why").status == 0
    refused = cli("predict", paths[0], *model, "--sort-into", "there")
    assert refused.status == 1
    assert "are about classes" in refused.err
    facts = json.loads(cli("inspect", paths[0], *model, "--json").out)
    assert facts["predictions"][str(several.folder)]["labels"] == rows[0]["labels"]


@pytest.mark.slow
def test_exported_files_give_the_labels(cli: Cli, several: Run, photos: Path) -> None:
    paths = sorted(photos.glob("*.jpg"))[:3]

    def found(model: object) -> list[dict[str, Any]]:
        return json.loads(cli("predict", *paths, "--model", model, "--format", "json").out)

    expected = found(several.folder)
    for name, options in (("l.safetensors", ()), ("u.safetensors", ("--no-calibrate",)), ("l.onnx", ())):
        assert cli("export", several.folder, name, *options).status == 0
    exported = found("l.safetensors")
    for ours, theirs in zip(expected, exported, strict=True):
        assert ours["labels"] == theirs["labels"]
        assert ours["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-4)
    assert [row["labels"] for row in found("u.safetensors")] == [row["labels"] for row in expected]
    onnxruntime: Any = importlib.import_module("onnxruntime")
    session = onnxruntime.InferenceSession("l.onnx", providers=["CPUExecutionProvider"])
    shape = (96, 96), Image.Resampling.BILINEAR
    pixels = [np.asarray(Image.open(path).convert("RGB").resize(*shape)) for path in paths]
    values = session.run(["probabilities"], {"photos": np.stack(pixels)})[0]
    order = ("cat", "dog", "portrait")
    # Another decoder shrinks the photos a little differently.
    assert values == pytest.approx(
        np.array([[row["probabilities"][name] for name in order] for row in expected]), abs=0.1
    )


def test_a_run_is_resumed_to_the_same_bits(cli: Cli, photos: Path, tmp_path: Path) -> None:
    words = ("--output", "labels", "--labels", photos / "labels.csv", "--size", 96, "--optimizer", "adam")
    assert cli("train", photos, *words, "--epochs", 4, "--name", "whole").status == 0
    assert cli("train", photos, *words, "--epochs", 2, "--name", "parts").status == 0
    assert cli("train", "--resume", "parts", "--epochs", 4).status == 0
    whole, parts = (Run(tmp_path / "runs" / name) for name in ("whole", "parts"))
    assert whole.model_path.read_bytes() == parts.model_path.read_bytes()
    first, *_, last = whole.history()
    assert last.loss < first.loss


def test_a_label_that_is_not_learned_or_not_evaluated_is_named(cli: Cli, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "data" / "train", {"circles": 6, "squares": 6}, seed=1, size=32)
    draw_pictures(tmp_path / "data" / "valid", {"circles": 3, "squares": 3}, seed=2, size=32)
    labels = {path: path.parent.name for path in sorted((tmp_path / "data").rglob("*.png"))}
    unread, cut, lonely, *_, strange = labels
    unread.write_bytes(b"")
    cut.write_bytes(cut.read_bytes()[:-100])  # known when its pixels are decoded
    for path, name in ((unread, "lost"), (cut, "cut"), (lonely, "lonely"), (strange, "rare")):
        labels[path] += f";{name}"
    rows = "".join(f"{path},{names}\n" for path, names in labels.items())
    Path("labels.csv").write_text(f"path,labels\n{rows}")
    words = ("--output", "labels", "--labels", "labels.csv", "--size", 96, "--epochs", 1)
    found = cli("train", "data", *words)
    assert found.status == 0, found.err
    unlearned = "labels without readable training photos: "
    assert f"{unlearned}2 (validation photos: 'lost' 0, 'rare' 1; unreadable: 1). They" in found.err
    assert f"{unlearned}3 (validation photos: 'cut' 0, 'lost' 0, 'rare' 1; unreadable: 2). They" in found.err
    assert "readable validation photos: 1 (training photos: 'lonely' 1; unreadable: 0). They" in found.err
    assert "labels of fewer than 5 training photos: 2 ('circles' 4, 'lonely' 1). " in found.err
    assert "not know are ignored: 2 (lost, rare)" in cli("evaluate", "data", "--split", "all").err


def test_options_that_do_not_fit(cli: Cli, photos: Path, several: Run) -> None:
    table = ("--labels", photos / "labels.csv")
    for words, problem in (
        ((), "expected a CSV file with the columns path and labels"),
        ((*table, "--loss", "huber"), "found labels"),
        ((*table, "--class-weights", "balanced"), "about classes"),
    ):
        refused = cli("train", photos, "--output", "labels", *words, "--size", 96)
        assert refused.status == 1
        assert problem in refused.err


def test_several_runs_are_compared_by_the_photos_whose_labels_are_all_right(cli: Cli, several: Run) -> None:
    assert cli("export", several.folder, "again.safetensors").status == 0
    found = json.loads(cli("evaluate", several.folder, "again.safetensors", "--json", "--worst", 60).out)
    held_out, fitted = (
        {photo["path"]: photo["true"] == photo["labels"] for photo in run["worst"]} for run in found["runs"]
    )
    (pair,) = found["comparisons"]
    assert pair["both_right"] == sum(held_out[path] and fitted[path] for path in held_out)
    assert pair["only_second"] == sum(fitted[path] > held_out[path] for path in held_out) > 0
    shown = cli("evaluate", several.folder, "again.safetensors").out
    assert "2 models on the same 60 photos" in shown
    assert "McNemar's exact test" in shown
    refused = cli("evaluate", several.folder, shipped_run().folder)
    assert refused.status == 1
    assert "models can be compared if all predict classes" in refused.err


def test_thresholds_have_the_largest_f1() -> None:
    probabilities = np.array([[0.9, 0.5], [0.8, 0.5], [0.6, 0.5], [0.2, 0.5]])
    labels = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])
    assert best_thresholds(probabilities, labels) == (pytest.approx(0.4), 0.5)
    assert best_thresholds(probabilities[:, 1:], labels[:, :1]) == (0.25,)  # all of them, or none


@pytest.mark.peer
def test_average_precision_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score

    random = np.random.default_rng(0)
    scores, true = random.integers(0, 20, 200) / 20, random.random(200) < 0.3
    assert average_precision(scores, true) == pytest.approx(average_precision_score(true, scores))
    assert average_precision(scores, np.zeros(200, bool)) is None
