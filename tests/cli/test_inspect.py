"""`catdog inspect`: architecture, run, data set, optimizers, cache."""

import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from catdog.cli import console
from catdog.config import Decoding, Head
from catdog.features.pooling import stores_of
from catdog.features.prefix import Prefix
from catdog.features.writer import ShardWriter
from catdog.runs import Run
from catdog.training.optimizers import OPTIMIZERS
from catdog.weights.source import find_weights
from catdog.workspace import FeatureCache
from tests.cli.conftest import SAMPLE, Cli
from tests.process import catdog


def test_vgg16_layer_by_layer(cli: Cli) -> None:
    facts = json.loads(cli("inspect", "--layers", "--json").out)
    assert facts["parameters"] == 138_357_544
    assert facts["multiply_adds"] == 15_470_264_320
    rows = {row["name"]: row for row in facts["layers"]}
    assert rows["block5_conv3"]["output_shape"] == [14, 14, 512]
    assert rows["block5_conv3"]["receptive_field"] == 196
    assert all(row["frozen"] for row in rows.values())
    text = cli("inspect", "--layers").out
    for name in rows:
        assert name in text
    assert "138,357,544" in text
    assert cli("inspect").out == text


def test_the_networks_of_the_lecture(cli: Cli) -> None:
    facts = json.loads(cli("inspect", "--architectures", "--json").out)
    assert [row["name"] for row in facts] == ["AlexNet", "VGG16", "GoogLeNet", "ResNet-50"]
    assert all("table" in row["source"] and row["top5"] < 20 for row in facts)
    text = cli("inspect", "--architectures").out
    assert max(map(len, text.split("\n\n")[0].splitlines())) <= 80
    for words in ("15,470", "25.6", "6.71 %", "arXiv:1512.03385"):
        assert words in text


def test_the_boundary_moves(cli: Cli) -> None:
    facts = json.loads(cli("inspect", "--layers", "--unfreeze", "block5", "--json").out)
    trains = [row["name"] for row in facts["layers"] if not row["frozen"] and row["parameters"]]
    assert trains == ["block5_conv1", "block5_conv2", "block5_conv3", "fc1", "fc2", "predictions"]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands print as on a terminal of 80 columns."""
    monkeypatch.setattr(console.out, "width", 80)


def test_tables_fit_a_terminal_of_80_columns(
    cli: Cli, narrow: None, trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = catdog("inspect", "--layers", COLUMNS="80").stdout
    assert cli("inspect", "--layers").out == asked
    for folder, arguments in ((trained.folder, ["--layers"]), (SAMPLE, ["--quick"])):
        monkeypatch.chdir(folder.parent)
        shown = cli("inspect", folder.name, *arguments).out
        for text in (asked, shown):
            assert max(map(len, text.splitlines())) <= 80
            assert "…" not in text


def test_the_layers_of_a_run(cli: Cli, trained: Run) -> None:
    facts = json.loads(cli("inspect", trained.folder, "--layers", "--json").out)
    assert facts["trainable"] == 1026
    assert facts["parameters"] == 14_714_688 + 1026
    assert [row["name"] for row in facts["layers"] if not row["frozen"]] == [
        "gem_pool",
        "rescale",
        "predictions",
    ]


def test_a_run(cli: Cli, trained: Run) -> None:
    result = cli("inspect", trained.folder)
    for words in (
        "classes: cats, dogs",
        "learning_rate",
        "val_acc",
        "Checkpoint in model.safetensors: epoch",
    ):
        assert words in result.out
    facts = json.loads(cli("inspect", trained.folder, "--json").out)
    assert facts["classes"] == ["cats", "dogs"]
    assert len(facts["history"]) == facts["options"]["epochs"]
    assert facts["finished"]


def test_runs_beside_each_other(cli: Cli, trained: Run, tmp_path: Path) -> None:
    copytree(trained.folder, tmp_path / "runs" / "whole")
    (copytree(trained.folder, tmp_path / "runs" / "killed at once") / "history.jsonl").unlink()
    (copytree(trained.folder, tmp_path / "runs" / "damaged") / "config.json").write_text("{")
    (tmp_path / "runs" / "no run").mkdir()
    text = cli("inspect", "runs")
    assert text.status == 0
    best = trained.history()[-1]
    (whole,) = [line for line in text.out.splitlines() if line.startswith("whole")]
    assert whole.split()[3:] == ["gem", "head", "lbfgs", "8", f"{best.val_loss:.4f}", f"{best.val_acc:.4f}"]
    (killed,) = [line for line in text.out.splitlines() if line.startswith("killed")]
    assert killed.split()[-5:] == ["0", "of", "8", "-", "-"]
    assert str(Path("runs") / "damaged" / "config.json") in text.out
    facts = json.loads(cli("inspect", "runs", "--json").out)
    assert {Path(one["run"]).name: one["epochs"] for one in facts} == {"whole": 8, "killed at once": 0}
    assert cli("inspect", "runs", "--quick").status == 2


def test_a_data_set(cli: Cli, tmp_path: Path) -> None:
    copytree(SAMPLE, tmp_path / "data")
    (tmp_path / "data" / "train" / "cats" / "empty.jpg").write_bytes(b"")
    result = cli("inspect", "data")
    assert result.status == 0
    for words in ("split folders", "train", "valid", "cats", "dogs", "JPEG", "empty.jpg", "0 bytes"):
        assert words in result.out
    facts = json.loads(cli("inspect", "data", "--json").out)
    assert facts["splits"]["train"]["counts"] == {"cats": 61, "dogs": 60}
    assert len(facts["splits"]["train"]["unreadable"]) == 1


@pytest.mark.parametrize("count", [3, 12, 37, 300])
def test_many_classes_fit_a_terminal_of_80_columns(
    cli: Cli, narrow: None, tmp_path: Path, count: int
) -> None:
    names = [f"Staffordshire bull terrier {number:03}" for number in range(count)]
    many = 5 if count > 40 else 2
    photo = sorted((SAMPLE / "photos").iterdir())[0]
    for number, name in enumerate(names):
        for split, photos in (("train", 1 + number % many), ("valid", int(number < 2))):
            for copy in range(photos):
                path = tmp_path / "data" / split / name / f"{copy}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(photo)
    result = cli("inspect", "data", "--quick")
    assert result.status == 0
    lines = result.out.splitlines()
    tables = lines[: lines.index("All files are readable.")]
    assert max(map(len, tables)) <= 80
    assert len([line for line in lines if "in train but not in valid" in line]) == 1
    assert "…" not in result.out
    rows = {line[:30].strip(): line[30:].split() for line in lines if line.startswith("Staffordshire")}
    expected = {name: [str(1 + at % many), str(int(at < 2))] for at, name in enumerate(names)}
    if count <= 40:
        assert rows == expected
    else:
        assert [row[0] for row in rows.values()] == ["1"] * 10 + ["5"] * 10
        assert rows.items() <= expected.items()
        assert any("300 classes" in line for line in lines)
        assert any("280 classes between them" in line for line in lines)
        assert len(lines) < 50


def test_the_family_tree(cli: Cli) -> None:
    result = cli("inspect", "--optimizers")
    for one in OPTIMIZERS.values():
        assert f"{one.name} ({one.year}" in result.out
        assert one.sentence in result.out
    assert [one["name"] for one in json.loads(cli("inspect", "--optimizers", "--json").out)] == list(
        OPTIMIZERS
    )


def test_pooled_vectors_in_the_cache_are_shown(cli: Cli, tmp_path: Path) -> None:
    prefix = Prefix(find_weights("builtin"), Head("gem"), unfreeze="head")
    vectors, _ = stores_of(FeatureCache(tmp_path / "cache" / "features"), prefix, Decoding())
    with ShardWriter(vectors) as writer:
        writer.add("ab" * 32, np.zeros(512, np.float32))
    assert (
        "pooled by gem_pool, 512 float32" in cli("inspect", "--cache", "--cache-dir", tmp_path / "cache").out
    )


@pytest.mark.slow
def test_the_cache_is_shown_and_emptied(cli: Cli, tmp_path: Path, few: Path) -> None:
    cache = ("--cache-dir", tmp_path / "cache")
    assert "features: 0 bytes, at most " in cli("inspect", "--cache", *cache).out
    limited = cli("inspect", "--cache", *cache, "--cache-limit", "20GB")
    assert "features: 0 bytes, at most 20.0 GB (--cache-limit)" in limited.out
    assert cli("train", few, "--epochs", 1, *cache).status == 0
    facts = json.loads(cli("inspect", "--cache", "--json", *cache).out)
    assert [(entry["photos"], entry["data_sets"]) for entry in facts["entries"]] == [(12, {str(few): 12})]
    other = json.loads(cli("inspect", "--cache", "--json", "--runs-dir", tmp_path / "none", *cache).out)
    assert [entry["data_sets"] for entry in other["entries"]] == [{}]
    assert facts["bytes"] > 12 * 7 * 7 * 512 * 2
    program = tmp_path / "cache" / "compiled" / "program-cache"
    program.parent.mkdir(exist_ok=True)
    program.write_bytes(bytes(1000))
    text = cli("inspect", "--cache", *cache).out
    assert str(tmp_path / "cache") in text
    assert "compiled programs: " in text
    assert "7×7×512 float16" in text and f"{few.name} 12" in text
    for wrong in ("--strict", "--quick", "--layers"):
        assert cli("inspect", "--cache", "--clear", wrong, *cache).status == 2
    assert program.exists() and cli("inspect", "--cache", *cache).out == text  # refused before it is cleared
    assert cli("inspect", "--cache", "--clear", *cache).out.startswith("Deleted ")
    assert not program.exists()
    assert json.loads(cli("inspect", "--cache", "--json", *cache).out)["entries"] == []
    assert cli("evaluate", *cache).status == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--clear",), "--clear does not go with the layers of VGG16. It is for: --cache."),
        (("--cache", "--layers"), "expected one of --layers, --optimizers, --architectures and --cache."),
        (("x", "--optimizers"), "--optimizers, --architectures and --cache take no TARGET."),
        (("photo.jpg", "--quick"), "--quick does not go with a photo. It is for: a data set."),
        (
            (".", "--unfreeze", "block5"),
            "--unfreeze does not go with a data set. It is for: the layers of VGG16.",
        ),
        (
            ("cats.safetensors", "--model", "x"),
            "--model does not go with an exported file. It is for: a photo.",
        ),
        (("runs/sample", "--weights", "keras"), "--weights does not go with a run. It is for: a photo."),
        (("--lessons", "a.html"), "--lessons needs TARGET, a folder of photos such as sample_data."),
        (
            ("photo.jpg", "--lessons", "a.html"),
            "--lessons does not go with a photo. It is for: a data set with --lessons.",
        ),
        (
            (".", "--lessons", "a.html", "--quick"),
            "--quick does not go with a data set with --lessons. It is for: a data set.",
        ),
    ],
)
def test_an_option_of_another_subject_is_refused(
    cli: Cli, trained: Run, arguments: tuple[str, ...], error: str
) -> None:
    for name in ("photo.jpg", "cats.safetensors"):
        Path(name).touch()
    copytree(trained.folder, Path("runs", "sample"))
    result = cli("inspect", *arguments)
    assert result.status == 2
    assert result.err.endswith(f"Error: {error}\n")
    assert not result.out


def test_a_run_by_its_name(cli: Cli, trained: Run) -> None:
    copytree(trained.folder, Path("runs", "nadam"))
    assert cli("inspect", "nadam").out == cli("inspect", "runs/nadam").out
    assert cli("inspect", "nadam", "--layers").out == cli("inspect", "runs/nadam", "--layers").out
    other = cli("inspect", "sgd")
    assert other.status == 1
    assert other.err.endswith("The runs under runs are: nadam\n")
    copytree(SAMPLE / "train", "nadam")  # a path wins over a name
    assert json.loads(cli("inspect", "nadam", "--quick", "--json").out)["classes"] == ["cats", "dogs"]


def test_an_exported_file(cli: Cli, trained: Run) -> None:
    assert cli("export", trained.folder, "cats.safetensors").status == 0
    text = cli("inspect", "cats.safetensors")
    assert text.status == 0
    for line in ("classes: cats, dogs", "predictions", "head.kind"):
        assert line in text.out
    facts = json.loads(cli("inspect", "cats.safetensors", "--json").out)
    assert (facts["classes"], facts["preprocessing"], facts["calibrated"]) == (
        ["cats", "dogs"],
        "caffe",
        True,
    )
    layers = json.loads(cli("inspect", trained.folder, "--layers", "--json").out)
    assert facts["parameters"] == layers["parameters"]
    assert [row["name"] for row in facts["layers"]] == [row["name"] for row in layers["layers"]]
    assert "cats.safetensors: photos of 224×224" in cli("inspect", "cats.safetensors", "--layers").out
    Path("vgg16.h5").write_bytes(b"no weights")
    assert cli("inspect", "vgg16.h5").status == 1


@pytest.mark.slow
def test_a_photo_inside_the_network(cli: Cli, trained: Run) -> None:
    photo = SAMPLE / "photos" / "pug_139.jpg"
    result = cli("inspect", photo, "--model", trained.folder, "--report", "pug.html", "--lang", "ko")
    assert result.status == 0
    assert "pug.html" in result.err
    text = Path("pug.html").read_text("utf-8")
    assert '<html lang="ko">' in text
    assert str(trained.folder.parent) not in text
    assert cli("inspect", photo, "--unit", 3).status == 2
    assert cli("inspect", SAMPLE, "--layer", "block1_conv1").status == 2


def test_the_strongest_units_of_a_layer(cli: Cli, trained: Run) -> None:
    photo, model = SAMPLE / "photos" / "pug_139.jpg", ("--model", trained.folder)
    facts = json.loads(cli("inspect", photo, "--layer", "block3_conv2", "--json", *model).out)
    assert facts["output_shape"] == [56, 56, 256]
    assert facts["receptive_field"] == 32
    assert len({peak["unit"] for peak in facts["peaks"]}) == 10
    strongest = facts["peaks"][0]
    assert strongest["field"] == [4 * strongest["y"] - 14, 4 * strongest["x"] - 14, 32]
    chosen = cli("inspect", photo, "--layer", "block3_conv2", "--unit", strongest["unit"], "--json", *model)
    assert json.loads(chosen.out)["peaks"][0] == strongest
    table = cli("inspect", photo, "--layer", "block3_conv2", *model).out
    assert f"{strongest['value']:.2f}" in table
    assert "▀" not in table
    drawn = cli("inspect", photo, "--layer", "block3_conv2", "--show", *model).out
    assert drawn.startswith(table)
    assert drawn[len(table) :].splitlines() == ["▀" * 48] * 24
    assert cli("inspect", photo, "--show", *model).status == 2
    assert cli("inspect", photo, "--layer", "block3_conv2", "--show", "--json", *model).status == 2
    refused = cli("inspect", photo, "--layer", "block3_conv2", "--unit", 256, *model)
    assert refused.status == 1
    assert "units 0 to 255, found 256" in refused.err
