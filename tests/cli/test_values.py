"""`--output value`: weights of 60 real photos, learned, resumed, evaluated, predicted and exported."""

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
from catdog.evaluation.values import compute_value_metrics
from catdog.runs import Run
from catdog.text import quantity
from tests.cli.conftest import SAMPLE, Cli

SIZE = ("--size", 96)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 real photos and a weight for each: cats of 3 to 6 kg, dogs of 20 to 25 kg. Not to be changed."""
    root = tmp_path_factory.mktemp("weights")
    with (root / "kg.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "value"])
        for number, photo in enumerate(sorted((SAMPLE / "valid").rglob("*.jpg"))):
            shutil.copy(photo, root)
            rows.writerow(
                [photo.name, 3 + number % 7 / 2 if photo.parent.name == "cats" else 20 + number % 6]
            )
    return root


@pytest.fixture(scope="session")
def heavy(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on them. Not to be changed."""
    runs = tmp_path_factory.mktemp("values")
    words = ["train", photos, "--output", "value", "--labels", photos / "kg.csv", "--unit", "kg"]
    assert catdog([*map(str, words), "--size", "96", "--runs-dir", str(runs), "--name", "heavy"]) == 0
    return Run(runs / "heavy")


def test_the_scale_and_the_errors_are_in_the_unit(photos: Path, heavy: Run) -> None:
    with (photos / "kg.csv").open(newline="") as file:
        values = np.array([float(row["value"]) for row in csv.DictReader(file)])
    scale = heavy.read_model()[1].scale
    assert scale and scale.unit == "kg"
    assert (scale.mean, scale.deviation) == pytest.approx((values.mean(), values.std()))
    assert heavy.config.options.labels == "kg.csv"  # the folder may move
    last = heavy.history()[-1]
    assert (last.acc, last.val_acc, last.metric) == (None, None, "mae")
    baseline = np.abs(values - values.mean()).mean()
    assert last.mae and last.val_mae
    assert last.mae < last.val_mae < baseline
    assert last.val_loss < 0.6  # the mean of the training values would have a loss of 1


def test_evaluate_measures_held_out_predictions(cli: Cli, heavy: Run) -> None:
    found = json.loads(cli("evaluate", heavy.folder, "--json", "--worst", 60).out)
    errors = np.array([photo["error"] for photo in found["worst"]])
    assert found["mae"] == pytest.approx(np.abs(errors).mean()) == pytest.approx(heavy.history()[-1].val_mae)
    assert found["rmse"] == pytest.approx(np.sqrt((errors**2).mean()))
    true = np.array([photo["true"] for photo in found["worst"]])
    assert found["r2"] == pytest.approx(1 - (errors**2).sum() / ((true - true.mean()) ** 2).sum())
    for metric in ("mae", "rmse", "r2"):
        low, high = found[f"{metric}_interval"]
        assert low < found[metric] < high
    shown = cli("evaluate", heavy.folder, "--report", "r.html", "--plots", "plots")
    assert "mean absolute error" in shown.out
    assert "Photos with the largest error" in shown.out
    assert {path.name for path in Path("plots").iterdir()} == {"values.png", "mae.png", "loss.png"}
    page = Path("r.html").read_text("utf-8")
    assert "Predicted against true values of 60 photos" in page
    assert "true value (kg)" in page


def test_predict_prints_the_value_with_its_unit(cli: Cli, heavy: Run, photos: Path) -> None:
    photo, model = sorted(photos.glob("*.jpg"))[0], ("--model", heavy.folder)
    [row] = json.loads(cli("predict", photo, *model, "--format", "json").out)
    assert row == {"path": str(photo), "value": row["value"], "unit": "kg", "error": None}
    assert 0 < row["value"] < 30
    assert cli("predict", photo, *model).out == f"{photo}: {quantity(row['value'], 'kg')}\n"
    table = list(csv.reader(cli("predict", photo, "gone.jpg", *model, "--format", "csv").out.splitlines()))
    assert table[:2] == [["path", "value", "unit", "error"], [str(photo), str(row["value"]), "kg", ""]]
    assert table[2][:2] == ["gone.jpg", ""]
    assert "(true value: " in cli("predict", "--random", 1, *model).out
    assert cli("predict", photo, *model, "--save", "saved", "--why").status == 0
    assert [path.suffix for path in Path("saved").iterdir()] == [".jpg"]
    for option in (("--top-k", 2), ("--threshold", 0.5), ("--sort-into", "there")):
        refused = cli("predict", photo, *model, *option)
        assert refused.status == 1
        assert "are about classes, which this model does not predict" in refused.err


def test_inspect_knows_values(cli: Cli, heavy: Run, photos: Path) -> None:
    page = cli("inspect", heavy.folder).out
    assert "val_mae" in page
    assert "classes:" not in page
    assert "val_mae" in cli("inspect", heavy.folder.parent).out
    photo = sorted(photos.glob("*.jpg"))[0]
    facts = json.loads(cli("inspect", photo, "--model", heavy.folder, "--json").out)
    assert facts["predictions"][str(heavy.folder)]["unit"] == "kg"
    assert cli("inspect", heavy.folder, "--layers").status == 0


@pytest.mark.slow
def test_exported_files_give_the_value(cli: Cli, heavy: Run, photos: Path) -> None:
    paths = sorted(photos.glob("*.jpg"))[:3]

    def values(model: object) -> list[float]:
        out = cli("predict", *paths, "--model", model, "--format", "json").out
        return [row["value"] for row in json.loads(out)]

    expected = values(heavy.folder)
    for name in ("v.safetensors", "v.onnx", "v.h5"):
        assert cli("export", heavy.folder, name).status == 0
    assert values("v.safetensors") == pytest.approx(expected, abs=1e-3)
    assert "value" in cli("inspect", "v.safetensors").out
    shown = json.loads(cli("evaluate", "v.safetensors", photos, "--labels", photos / "kg.csv", "--json").out)
    assert shown["count"] == 60
    onnxruntime: Any = importlib.import_module("onnxruntime")
    session = onnxruntime.InferenceSession("v.onnx", providers=["CPUExecutionProvider"])
    pixels = [
        np.asarray(Image.open(path).convert("RGB").resize((96, 96), Image.Resampling.BILINEAR))
        for path in paths
    ]
    found = session.run(["values"], {"photos": np.stack(pixels)})[0]
    assert found.shape == (3, 1)
    # Another decoder shrinks the photos a little differently.
    assert found[:, 0] == pytest.approx(expected, abs=2)


def test_a_run_is_resumed_to_the_same_bits(cli: Cli, photos: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(photos, moved)
    words = ("--output", "value", "--labels", moved / "kg.csv", "--loss", "huber", *SIZE)
    assert cli("train", moved, *words, "--epochs", 4, "--name", "whole").status == 0
    assert cli("train", moved, *words, "--epochs", 2, "--name", "parts").status == 0
    moved.rename(tmp_path / "again")
    resumed = cli("train", tmp_path / "again", "--resume", "parts", "--epochs", 4)
    assert resumed.status == 0, resumed.err
    whole, parts = (Run(tmp_path / "runs" / name) for name in ("whole", "parts"))
    assert whole.model_path.read_bytes() == parts.model_path.read_bytes()
    assert whole.config.options.head.loss == "huber"
    table = tmp_path / "again" / "kg.csv"
    table.write_text(table.read_text().replace("\n", "9\n", 2).replace("value9", "value"))
    changed = cli("train", tmp_path / "again", "--resume", "parts", "--epochs", 8)
    assert changed.status == 1
    assert "have another split or label than when" in changed.err


def test_another_optimizer_and_a_split(cli: Cli, photos: Path, heavy: Run, tmp_path: Path) -> None:
    words = ("--output", "value", "--labels", photos / "kg.csv", "--unit", "[kg]", *SIZE)
    result = cli("train", photos, *words, "--optimizer", "adam", "--epochs", 3, "--name", "adam")
    assert result.status == 0, result.err
    first, *_, last = Run(tmp_path / "runs" / "adam").history()
    assert last.loss < first.loss
    assert last.val_mae
    assert len(Run(tmp_path / "runs" / "adam").split()["valid"]) < 20
    assert json.loads(cli("evaluate", "adam", "--json").out)["mae"] == pytest.approx(last.val_mae, rel=0.3)
    assert cli("evaluate", "adam").out.count(" [kg]") == 6 + 3 * 5  # the brackets are no markup
    assert cli("export", "adam", "adam.safetensors").status == 0
    found = json.loads(cli("evaluate", "adam", "adam.safetensors", "--json").out)
    (pair,), (run, file) = found["comparisons"], found["runs"]
    assert run["mae"] == pytest.approx(file["mae"], rel=1e-3)
    assert pair["difference"] == pytest.approx(run["mae"] - file["mae"], abs=1e-9)
    assert "difference of the errors" in cli("evaluate", "adam", "adam.safetensors").out
    refused = cli("evaluate", "adam", heavy.folder)
    assert refused.status == 1
    assert "or all a value in the same unit" in refused.err


def test_options_that_do_not_fit(cli: Cli, photos: Path) -> None:
    table = ("--labels", photos / "kg.csv")
    for words, problem in (
        ((*table,), "expected the columns path and label in the first line"),
        (("--output", "binary", "--unit", "cm"), "found binary"),
        (("--output", "value", *table, "--class-weights", "balanced"), "--class-weights is about classes"),
        (("--output", "value", "--labels", "no.csv"), "no.csv cannot be read as a table"),
    ):
        refused = cli("train", photos, *words, *SIZE)
        assert refused.status == 1
        assert problem in refused.err


def test_metrics_without_errors_and_without_spread() -> None:
    perfect = compute_value_metrics(np.arange(9.0), np.arange(9.0), "")
    assert (perfect.mae, perfect.rmse, perfect.r2, perfect.mae_interval) == (0, 0, 1, (0, 0))
    alike = compute_value_metrics(np.ones(5), np.arange(5.0), "")
    assert (alike.r2, alike.r2_interval) == (None, ())
    again = compute_value_metrics(np.ones(5), np.arange(5.0), "")
    assert again == alike


def test_copies_of_one_photo_are_refused(cli: Cli, photos: Path, tmp_path: Path) -> None:
    first = next(photos.glob("*.jpg"))
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(first, tmp_path / name)
    (tmp_path / "v.csv").write_text("path,value\na.jpg,1\nb.jpg,2\n")
    refused = cli("train", tmp_path, "--output", "value", "--labels", tmp_path / "v.csv", *SIZE)
    assert refused.status == 1
    assert "expected different training photos" in refused.err
    assert "found 2 copies of one" in refused.err
