"""Photos at several sizes: one head for all of them, and predictions that are means over them."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from catdog.config import Decoding
from catdog.errors import OptionError
from catdog.evaluation.evaluate import evaluate
from catdog.evaluation.predictions import EvaluatedPredictions
from catdog.export import export
from catdog.features.upkeep import cache_entries
from catdog.inference.models import open_classifier
from catdog.runs import Run
from catdog.training.options import NewRun, Resume
from catdog.training.train import train as train_run
from catdog.weights.source import find_weights
from catdog.workspace import FeatureCache, Workspace
from tests.training.whole import train
from tests.workspaces import two_workers

SEVERAL: dict[str, Any] = {"optimizer": "lbfgs", "lr": None, "head": "gem", "size": (64, 32), "epochs": 3}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run and its cache are."""
    return tmp_path_factory.mktemp("sizes")


@pytest.fixture(scope="module")
def run(shapes: Path, place: Path) -> Run:
    """Photos of 64 and of 32 pixels."""
    return train(shapes, place, **SEVERAL)


@pytest.mark.slow
def test_a_prediction_is_the_mean_over_the_sizes(run: Run, shapes: Path, place: Path, tmp_path: Path) -> None:
    tensors, spec = run.read_model()
    assert spec.decodings == run.config.options.decodings == (Decoding(64), Decoding(32))
    workspace, photos = two_workers(place / "cache"), sorted((shapes / "valid").rglob("*.png"))
    logits = []
    for size in (64, 32):
        copy = Run(copytree(run.folder, tmp_path / str(size)))
        copy.write_model(tensors, replace(spec, decoding=Decoding(size), other_sizes=()))
        logits.append(open_classifier(copy, workspace).predict(photos).logits)
    found = open_classifier(run, workspace).predict(photos)
    assert_allclose(found.logits, np.mean(logits, axis=0), atol=1e-5)
    assert np.abs(logits[0] - logits[1]).max() > 1e-3
    assert_allclose(open_classifier(run, workspace, tta=False).predict(photos).logits, logits[0], atol=1e-5)
    assert_allclose(open_classifier(run, workspace, tta=True).predict(photos).logits, found.logits, atol=1e-5)
    export(run, tmp_path / "model.safetensors", format="catdog", workspace=workspace)
    exported = open_classifier(tmp_path / "model.safetensors", workspace)
    assert_allclose(exported.predict(photos).logits * (spec.temperature or 1), found.logits, atol=1e-4)


def test_an_evaluation_is_that_of_the_log(run: Run, place: Path) -> None:
    (found,) = evaluate([run], None, None, two_workers(place / "cache")).models
    assert isinstance(found, EvaluatedPredictions)
    assert found.metrics.loss == pytest.approx(run.history()[-1].val_loss, rel=1e-5)
    assert found.gain is not None


@pytest.mark.parametrize("limit", [None, 300_000])
def test_a_resumed_training_ends_with_the_same_bits(
    run: Run, shapes: Path, place: Path, tmp_path: Path, limit: int | None
) -> None:
    """Also if the cache has no room for maps any more."""
    short = train(shapes, place, **SEVERAL | {"epochs": 1, "name": f"short{limit}"})
    features = copytree(place / "cache", tmp_path / "cache") if limit else place / "cache"
    cache = FeatureCache(features, limit, warn=lambda _: None)
    again = train_run(Resume(short.folder, epochs=3), Workspace(features=cache, workers=2))
    assert again.model_path.read_bytes() == run.model_path.read_bytes()
    pooled = [entry.photos for entry in cache_entries(features) if entry.key and entry.key.pool]
    assert pooled == ([64, 64] if limit else [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unfreeze": "block5"}, "several sizes need frozen features"),
        ({"head": "fc"}, "the fc head takes photos of 224 pixels"),
        ({"size": (96, 96)}, "different sizes"),
        ({"size": (96, 100)}, "sizes from 96 to 768"),
    ],
)
def test_sizes_that_are_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=words):
        values: dict[str, Any] = {"size": (128, 96)} | options
        NewRun(tmp_path, **values).complete(find_weights("builtin"))


def test_the_best_quality_takes_several(tmp_path: Path) -> None:
    options = NewRun(tmp_path, quality="best").complete(find_weights("builtin"))
    assert [decoding.size for decoding in options.decodings] == [448, 320, 224]
