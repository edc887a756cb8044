"""The main job on real photos: dogs against cats, end to end, on some of them."""

import json
from pathlib import Path
from shutil import copy

import pytest

from catdog.runs import Run
from tests.process import catdog

FAST = ("--quality", "fast")


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
def test_train_evaluate_predict(some: Path, tmp_path: Path) -> None:
    first = catdog("train", some, "--name", "real", *FAST, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("Found 80 images belonging to 2 classes.\nFound 40 images belonging to")
    assert (Run(tmp_path / "runs" / "real").history()[-1].val_acc or 0) >= 0.9

    report = json.loads(catdog("evaluate", "--json", cwd=tmp_path).stdout)
    assert (report["count"], report["classes"]) == (40, ["cats", "dogs"])
    assert report["accuracy"] >= 0.9

    answers = catdog("predict", "--random", 6, some, "--format", "json", cwd=tmp_path)
    rows = json.loads(answers.stdout)
    assert len(rows) == 6
    assert sum(row["label"] == row["true"] for row in rows) >= 4

    second = catdog("train", some, "--name", "again", *FAST, cwd=tmp_path)
    assert "features" not in second.stderr
    first_bytes, second_bytes = (
        (tmp_path / "runs" / name / "model.safetensors").read_bytes() for name in ("real", "again")
    )
    assert first_bytes == second_bytes
