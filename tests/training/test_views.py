"""Training with views: what is computed, what counts, resumed to the same bits, predicted as in training."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

import catdog
from catdog.errors import OptionError
from catdog.evaluation.evaluate import evaluate
from catdog.evaluation.predictions import EvaluatedPredictions
from catdog.export import export
from catdog.features import shards
from catdog.features.features import Features
from catdog.features.key import FeatureKey
from catdog.features.upkeep import KEY_FILE, key_folders
from catdog.inference.models import open_classifier
from catdog.progress import Progress
from catdog.runs import Run
from catdog.training.events import Event
from catdog.training.logistic import Samples, cross_validate
from catdog.training.options import Resume
from catdog.training.train import train as train_run
from catdog.workspace import Workspace
from tests.pictures import draw_pictures
from tests.training import test_step
from tests.training.whole import train
from tests.workspaces import two_workers

LOGISTIC: dict[str, Any] = {"optimizer": "lbfgs", "lr": None, "head": "gem", "views": 2}
ADAM: dict[str, Any] = {"optimizer": "adam", "head": "gem", "views": 2}


@pytest.fixture(scope="module")
def split_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 pictures to train on and 6 to validate on, 32 × 32 pixels each. Not to be changed."""
    root = tmp_path_factory.mktemp("split")
    draw_pictures(root / "train", {"circles": 6, "squares": 6}, seed=1, size=32)
    draw_pictures(root / "valid", {"circles": 3, "squares": 3}, seed=2, size=32)
    return root


def _cached(folder: Path) -> dict[int, int]:
    """View → how many photos have features in the cache."""
    found: dict[int, int] = {}
    for keyed in key_folders(folder):
        key = FeatureKey.from_json(json.loads((keyed / KEY_FILE).read_text()))
        indexes = keyed.glob(f"*{shards.INDEX_SUFFIX}")
        found[key.decoding.view] = sum(len(shards.read_shard(path, key)) for path in indexes)
    return found


def _computing(events: list[Event]) -> list[Progress]:
    return [event for event in events if isinstance(event, Progress) and event.stage == "features"]


def test_each_view_is_computed_once(split_shapes: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    run = train(split_shapes, tmp_path, report=events.append, **LOGISTIC)
    assert run.read_model()[1].views == run.config.options.views == 2
    assert _cached(tmp_path / "cache") == {0: 18, 1: 18, 2: 18}
    told = _computing(events)
    assert {step.total for step in told} == {54}
    assert [step.done for step in told] == sorted(step.done for step in told)
    assert told[-1].done == 54
    events.clear()
    options: dict[str, Any] = LOGISTIC | {"seed": 5, "views": 1}
    train(split_shapes, tmp_path, report=events.append, name="again", **options)
    assert _computing(events) == []


@pytest.mark.parametrize("options", [LOGISTIC, ADAM])
def test_a_resumed_training_ends_with_the_same_bits(
    options: dict[str, Any], split_shapes: Path, tmp_path: Path
) -> None:
    whole = train(split_shapes, tmp_path / "whole", epochs=4, **options)
    short = train(split_shapes, tmp_path / "short", epochs=2, **options)
    again = train_run(Resume(short.folder, epochs=4), two_workers(tmp_path / "short" / "cache"))
    assert again.model_path.read_bytes() == whole.model_path.read_bytes()
    assert [record.val_loss for record in again.history()] == [record.val_loss for record in whole.history()]
    options = options | {"views": 1, "name": "other"}
    other = train(split_shapes, tmp_path / "whole", epochs=4, **options)
    assert other.model_path.read_bytes() != whole.model_path.read_bytes()


@pytest.mark.slow
def test_an_interrupt_between_two_views_costs_nothing(split_shapes: Path, tmp_path: Path) -> None:
    events: list[Event] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "features" and event.done > 18:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(split_shapes, tmp_path, report=interrupt, **LOGISTIC)
    there = _cached(tmp_path / "cache")
    assert there[0] == 18
    assert 0 < there[1] < 18
    (folder,) = (tmp_path / "runs").iterdir()
    again = train_run(Resume(folder), two_workers(tmp_path / "cache"), events.append)
    assert _computing(events)[0].done > sum(there.values())
    whole = train(split_shapes, tmp_path / "whole", **LOGISTIC)
    assert again.model_path.read_bytes() == whole.model_path.read_bytes()


def test_a_photo_that_changes_between_two_views_is_skipped(split_shapes: Path, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "data" / "train", {"circles": 6, "squares": 6}, seed=1, size=32)
    draw_pictures(tmp_path / "data" / "valid", {"circles": 3, "squares": 3}, seed=2, size=32)
    photo = min((tmp_path / "data" / "train" / "circles").iterdir())

    def change(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "features" and event.done == 18:
            photo.write_bytes(b"something else")

    run = train(tmp_path / "data", tmp_path, report=change, **LOGISTIC)
    assert [skipped.path for skipped in run.skipped()] == [str(photo)]


def _mirrored(folder: Path, photos: list[Path]) -> list[Path]:
    """Files with the mirror images of photos."""
    folder.mkdir()
    for number, path in enumerate(photos):
        with Image.open(path) as photo:
            photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / f"{number:02}.png")
    return sorted(folder.iterdir())


@pytest.mark.slow
def test_predictions_are_the_mean_over_views_that_a_hand_computes(split_shapes: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = LOGISTIC | {"views": 1}
    run = train(split_shapes, tmp_path, **options)
    photos = sorted((split_shapes / "valid").rglob("*.png"))
    workspace = two_workers(tmp_path / "cache")
    plain = open_classifier(run, workspace, tta=False)
    mirrored = plain.predict(_mirrored(tmp_path / "mirrored", photos))
    usual = open_classifier(run, workspace)
    averaged = usual.predict(photos)
    of_classes = usual.probabilities(averaged.logits)
    by_hand = (plain.predict(photos).logits + mirrored.logits) / 2
    assert_allclose(averaged.logits, by_hand, atol=1e-5)
    assert_array_equal(averaged.plain_logits, plain.predict(photos).logits)
    assert np.abs(averaged.logits - averaged.plain_logits).max() > 1e-3
    # The same in Python, whether the features are cached or not, and from the exported file.
    file = tmp_path / "model.safetensors"
    export(run, file, format="catdog", workspace=workspace)
    for model, cache in ((run, "cache"), (run, "new"), (file, "new")):
        found = catdog.load(model, cache_dir=tmp_path / cache, workers=1).predict(photos)
        for prediction, probabilities in zip(found, of_classes, strict=True):
            assert [prediction.probabilities[name] for name in run.config.classes] == pytest.approx(
                probabilities, abs=1e-5
            )
    (other,) = catdog.load(run, tta=False, cache_dir=tmp_path / "cache").predict(photos[0])
    assert other.probability != pytest.approx(of_classes[0].max(), abs=1e-6)


@pytest.mark.slow
def test_a_file_that_cannot_be_read_and_a_copy_keep_their_places(split_shapes: Path, tmp_path: Path) -> None:
    run = train(split_shapes, tmp_path, **LOGISTIC)
    first, second, *_ = sorted((split_shapes / "valid").rglob("*.png"))
    (tmp_path / "bad.png").write_text("no photo")
    model = catdog.load(run, cache_dir=tmp_path / "cache")
    found = model.predict([second, tmp_path / "bad.png", first, second])
    assert found[1].error is not None
    assert found[0].probabilities == found[3].probabilities == model.predict(second)[0].probabilities
    assert found[2].probabilities == model.predict(first)[0].probabilities


def _evaluated(run: Run, workspace: Workspace, *, tta: bool | None = None) -> EvaluatedPredictions:
    (found,) = evaluate([run], None, None, workspace, tta=tta).models
    assert isinstance(found, EvaluatedPredictions)
    return found


def test_an_evaluation_is_that_of_the_log_and_says_what_the_views_give(
    split_shapes: Path, tmp_path: Path
) -> None:
    workspace = two_workers(tmp_path / "cache")
    for options in (LOGISTIC, ADAM):
        options = options | {"name": options["optimizer"]}
        run = train(split_shapes, tmp_path, **options)
        best = run.best_epoch()
        found = _evaluated(run, workspace)
        assert best is not None
        assert found.metrics.loss == pytest.approx(best.val_loss, rel=1e-5)
        assert found.metrics.accuracy == best.val_acc
        plain = _evaluated(run, workspace, tta=False)
        assert plain.gain is None
        assert found.gain is not None
        assert found.gain.loss == pytest.approx(plain.metrics.loss, rel=1e-5)
        assert found.gain.loss_averaged == pytest.approx(found.metrics.loss, rel=1e-5)
        assert found.gain.right == plain.metrics.right


def test_held_out_predictions_are_means_too(split_shapes: Path, tmp_path: Path) -> None:
    run = train(split_shapes / "train", tmp_path, folds=3, epochs=8, **LOGISTIC)
    assert _cached(tmp_path / "cache") == {0: 12, 1: 12, 2: 12}
    workspace = two_workers(tmp_path / "cache")
    found = _evaluated(run, workspace)
    assert found.metrics.loss == pytest.approx(run.history()[-1].val_loss, rel=1e-5)
    assert found.gain is None
    with pytest.raises(OptionError, match="leave out --tta and --no-tta"):
        evaluate([run], None, None, workspace, tta=False)


def test_all_views_of_a_photo_are_in_its_fold() -> None:
    """By hand: fitted to all views of the other photos, judged by the mean of its own."""
    random = np.random.default_rng(0)
    labels = np.arange(30, dtype=np.int32) % 3
    views = [random.standard_normal((30, 5)) + np.eye(3, 5)[labels] for _ in range(3)]
    inputs = np.stack(views).astype(np.float32)
    of = Samples(inputs.reshape(-1, 5), np.tile(labels, 3), np.ones(90), 3, "category")
    folds = np.arange(30) // 3 % 5
    found = cross_validate(of, folds, lambda _: None)
    assert found.photos == 30
    losses = np.zeros(30)
    for fold in range(5):
        inside = folds == fold
        others = Samples(
            inputs[:, ~inside].reshape(-1, 5), np.tile(labels[~inside], 3), np.ones(72), 3, "category"
        )
        layer = others.fit(np.zeros((6, 3)), found.l2)
        logits = np.mean([view[inside] @ layer[:-1] + layer[-1] for view in views], axis=0)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        losses[inside] = -logits[np.arange(inside.sum()), labels[inside]]
    assert found.loss == pytest.approx(losses.mean(), rel=0.02)


def test_of_many_views_a_sample_of_photos_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = np.random.default_rng(1).standard_normal((400, 4)).astype(np.float32)
    of = Samples(inputs, np.arange(400, dtype=np.int32) % 2, np.ones(400), 2, "category")
    monkeypatch.setattr("catdog.training.logistic._SAMPLE", 100)
    assert cross_validate(of, np.arange(100) // 2 % 5, lambda _: None).photos == 25


def test_an_epoch_shows_one_view_of_each_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    suffix = test_step._suffix(test_step.Head("linear"))
    rows, labels = test_step._data()
    views = test_step._condensed(suffix, np.concatenate([rows, rows + 1, rows - 1]))
    gather: Callable[[Features, np.ndarray], np.ndarray] = Features.gather
    read: list[np.ndarray] = []
    monkeypatch.setattr(Features, "gather", lambda of, photos: read.append(photos) or gather(of, photos))

    def shown(seed: int, epoch: int) -> np.ndarray:
        trainer = test_step._trainer(suffix, test_step.OPTIMIZERS["sgd"], seed=seed)
        params, constants = suffix.initial(0)
        read.clear()
        trainer.epoch(trainer.initial(params), constants, views, labels, epoch=epoch, report=lambda _: None)
        return np.concatenate([chunk.ravel() for chunk in read])[: len(labels)]

    first = shown(3, 1)
    assert sorted(first % len(labels)) == list(range(len(labels)))
    assert set(first // len(labels)) == {0, 1, 2}
    assert_array_equal(shown(3, 1), first)
    assert not np.array_equal(np.sort(shown(3, 2)), np.sort(first))
    assert not np.array_equal(np.sort(shown(4, 1)), np.sort(first))


def test_views_below_0_are_refused(split_shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="expected views >= 0, found -1"):
        train(split_shapes, tmp_path, views=-1)
