"""The main job on real photos: dogs against cats, end to end, on some of them."""

import json
from pathlib import Path
from shutil import copy

import pytest

from catdog.runs import Run
from tests.cli.conftest import Cli


@pytest.fixture(scope="module")
def some(dogscats: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 + 40 of the photos, copied."""
    root = tmp_path_factory.mktemp("some")
    for split, count in (("train", 40), ("valid", 20)):
        for label in ("cats", "dogs"):
            (root / split / label).mkdir(parents=True)
            for path in sorted((dogscats / split / label).iterdir())[:count]:
                copy(path, root / split / label)
    return root


@pytest.mark.slow
def test_train_evaluate_predict(some: Path, cli: Cli, tmp_path: Path) -> None:
    first = cli("train", some, "--name", "real")
    assert first.status == 0, first.err
    assert first.out.startswith("Found 80 images belonging to 2 classes.\nFound 40 images belonging to")
    assert (Run(tmp_path / "runs" / "real").history()[-1].val_acc or 0) >= 0.9

    report = json.loads(cli("evaluate", "--json").out)
    assert (report["count"], report["classes"]) == (40, ["cats", "dogs"])
    assert report["accuracy"] >= 0.9

    rows = json.loads(cli("predict", "--random", 6, some, "--format", "json").out)
    assert len(rows) == 6
    assert sum(row["label"] == row["true"] for row in rows) >= 4

    second = cli("train", some, "--name", "again")
    assert "features" not in second.err
    first_bytes, second_bytes = (
        (tmp_path / "runs" / name / "model.safetensors").read_bytes() for name in ("real", "again")
    )
    assert first_bytes == second_bytes
