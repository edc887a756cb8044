"""The last layer fitted by L-BFGS, its penalty chosen by cross-validation, and heads that are held out."""

import json
from collections import Counter
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from catdog.config import Loss, Output
from catdog.data import folds_by_content
from catdog.errors import OptionError
from catdog.evaluation.evaluate import evaluate
from catdog.evaluation.predictions import EvaluatedPredictions
from catdog.model import outputs
from catdog.model.outputs import photo_losses
from catdog.training import logistic, logistic_losses
from catdog.training.logistic import PENALTIES, Samples, cross_validate
from catdog.training.logistic_losses import losses_and_slopes
from catdog.training.options import NewRun, Resume
from catdog.training.train import train as train_run
from tests.pictures import draw_pictures
from tests.training.whole import tiny_photos, train
from tests.workspaces import two_workers

LOGISTIC: dict[str, Any] = {"optimizer": "lbfgs", "lr": None, "head": "gem"}


def samples(count: int, classes: int, *, units: int | None = None, weights: Any = None) -> Samples:
    """Clouds of points around one centre for each class, near enough to overlap."""
    random = np.random.default_rng(7)
    labels = np.arange(count, dtype=np.int32) % classes
    centres = random.standard_normal((classes, 6))
    inputs = (centres[labels] + random.standard_normal((count, 6))).astype(np.float32)
    return Samples(
        inputs,
        labels,
        np.ones(count) if weights is None else weights,
        units or classes,
        "category" if units is None else "binary",
    )


def zeros(of: Samples) -> np.ndarray:
    return np.zeros((of.inputs.shape[1] + 1, of.units))


@pytest.mark.peer
@pytest.mark.parametrize("l2", [0.1, 0.001])
def test_the_layer_is_that_of_scikit_learn(l2: float) -> None:
    from sklearn.linear_model import LogisticRegression

    of = samples(120, 3)
    peer = LogisticRegression(C=1 / (l2 * 120), tol=1e-10, max_iter=10_000).fit(of.inputs, of.labels)
    layer = of.fit(zeros(of), l2, ftol=1e-12, gtol=1e-8)
    assert_allclose(layer[:-1], peer.coef_.T, atol=2e-3)
    # All logits of a photo may move together: the bias is compared without its mean.
    assert_allclose(layer[-1] - layer[-1].mean(), peer.intercept_ - peer.intercept_.mean(), atol=2e-3)


@pytest.mark.peer
def test_a_binary_output_and_weights_are_those_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    weights = np.where(np.arange(90) % 2, 1.5, 0.5)
    of = samples(90, 2, units=1, weights=weights)
    peer = LogisticRegression(C=1 / (0.01 * 90), tol=1e-10, max_iter=10_000)
    peer.fit(of.inputs, of.labels, sample_weight=weights)
    layer = of.fit(zeros(of), 0.01, ftol=1e-12, gtol=1e-8)
    assert_allclose(layer[:-1, 0], peer.coef_[0], atol=2e-3)
    assert_allclose(layer[-1], peer.intercept_, atol=2e-3)


@pytest.mark.peer
def test_values_are_those_of_ridge_regression() -> None:
    from sklearn.linear_model import Ridge

    of = samples(90, 3)
    of = replace(of, labels=of.labels.astype(np.float32), units=1, output="value", loss="mse")
    peer = Ridge(alpha=0.1 * 90 / 2).fit(of.inputs, of.labels)
    layer = of.fit(zeros(of), 0.1, ftol=1e-12, gtol=1e-8)
    assert_allclose(layer[:-1, 0], peer.coef_, atol=1e-4)
    assert_allclose(layer[-1], peer.intercept_, atol=1e-4)


@pytest.mark.parametrize("output", get_args(Output))
@pytest.mark.parametrize("loss", get_args(Loss))
def test_losses_slopes_and_scores_are_those_of_jax(output: Output, loss: Loss) -> None:
    units = {"category": 3, "labels": 3}.get(output, 1)
    logits = np.random.default_rng(1).normal(scale=2, size=(8, units)).astype(np.float32)
    labels = np.arange(8, dtype=np.int32) % max(units, 2)
    if output == "value":
        labels = labels.astype(np.float32)
    if output == "labels":
        labels = (np.arange(24).reshape(8, 3) % 4 == 0).astype(np.float32)
    losses, slopes = losses_and_slopes(logits, labels, output, loss)
    ours = partial(photo_losses, labels_b=jnp.asarray(labels), output=output, loss=loss)
    assert_allclose(losses, ours(jnp.asarray(logits)), rtol=1e-4, atol=1e-6)
    gradient = jax.grad(lambda logits_bk: ours(logits_bk).sum())(jnp.asarray(logits))
    assert_allclose(slopes, gradient, rtol=1e-4, atol=1e-5)
    expected = outputs.scores(jnp.asarray(logits), jnp.asarray(labels), output)
    assert_allclose(logistic_losses.scores(logits, labels, output), expected, rtol=1e-6)


def test_the_penalty_has_the_lowest_loss_of_photos_that_were_held_out() -> None:
    of = samples(60, 3)
    folds = np.arange(60) // 3 % 5
    found = cross_validate(of, folds, lambda _: None)
    assert (found.folds, found.photos) == (5, 60)
    assert [penalty.l2 for penalty in found.tried] == list(PENALTIES[: len(found.tried)])
    assert found.loss == min(penalty.loss for penalty in found.tried)
    losses = np.zeros(60)
    for fold in range(5):
        layer = of.select(folds != fold).fit(zeros(of), found.l2)
        losses[folds == fold] = of.select(folds == fold).losses(layer)
    assert losses.mean() == pytest.approx(found.loss, rel=0.02)
    assert of.losses(of.fit(zeros(of), found.l2)).mean() < found.loss  # the training photos look better


def test_of_many_photos_a_sample_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    of = samples(400, 2)
    folds = np.arange(400) // 2 % 5
    whole = cross_validate(of, folds, lambda _: None)
    monkeypatch.setattr("catdog.training.logistic._SAMPLE", 100)
    sampled = cross_validate(of, folds, lambda _: None)
    assert sampled.photos == 100
    assert sampled.tried[0].l2 == pytest.approx(
        whole.tried[0].l2 / 4
    )  # the same penalty for all photos together


def test_folds_are_even_and_hold_duplicates_together() -> None:
    digests = [f"{number:064x}" for number in range(53)]
    labels = [int(number % 5 == 0) for number in range(53)]
    folds = folds_by_content([*labels, labels[3]], [*digests, digests[3]], count=5)
    assert folds[-1] == folds[3]
    for label in (0, 1):
        sizes = Counter(fold for fold, own in zip(folds, labels, strict=False) if own == label)
        assert max(sizes.values()) - min(sizes[fold] for fold in range(5)) <= 1
    assert folds_by_content(labels[:20], digests[:20], count=4) == folds_by_content(
        labels[:20], digests[:20], count=4
    )


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 pictures in class folders. Not to be changed."""
    root = tmp_path_factory.mktemp("shapes")
    draw_pictures(root, {"circles": 6, "squares": 6}, seed=1)
    return root


def test_few_photos_are_cross_validated_and_evaluated_so(shapes: Path, tmp_path: Path) -> None:
    run = train(shapes, tmp_path, epochs=8, **LOGISTIC)
    assert run.config.options.folds == 5
    assert run.split()["train"] == run.split()["valid"] == run.held_out().keys()
    record = run.history()[-1]
    [found] = evaluate([run], None, None, two_workers(tmp_path / "cache")).models
    assert isinstance(found, EvaluatedPredictions)
    assert found.metrics.count == 12
    assert found.metrics.loss == pytest.approx(record.val_loss, rel=1e-5)
    assert found.metrics.accuracy == record.val_acc
    with pytest.raises(OptionError, match="leave out --tta"):
        evaluate([run], None, None, two_workers(tmp_path / "cache"), tta=True)


def test_the_products_of_a_fit_have_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    def minimize(objective: Any, start: np.ndarray, **_: Any) -> Any:
        assert threads() == {1}
        return SimpleNamespace(x=start)

    monkeypatch.setattr("scipy.optimize.minimize", minimize)
    samples = Samples(np.ones((4, 3), np.float32), np.array([0, 1, 0, 1]), np.ones(4), 2, "category")
    with threadpool_limits(2, user_api="blas"):
        assert samples.fit(np.zeros((4, 2)), 0.1).shape == (4, 2)
        assert threads() == {2}


def test_the_only_photo_of_a_class_is_trained_on_alone(shapes: Path, tmp_path: Path) -> None:
    """Heads without it cannot predict its class: it would count as wrong with an enormous loss."""
    data = tmp_path / "data"
    for path in sorted(shapes.glob("*/*")):
        (data / path.parent.name).mkdir(parents=True, exist_ok=True)
        (data / path.parent.name / path.name).symlink_to(path)
    draw_pictures(data, {"stripes": 1}, seed=1)
    (only,) = (data / "stripes").iterdir()
    run = train(data, tmp_path, epochs=8, **LOGISTIC)
    assert run.config.classes == ("circles", "squares", "stripes")
    assert run.split()["train"] - run.split()["valid"] == {sha256(only.read_bytes()).hexdigest()}
    assert run.held_out().keys() == run.split()["valid"]
    chosen = run.cross_validation()
    assert chosen and (chosen.photos, chosen.folds) == (12, 5)
    assert run.history()[-1].val_loss < np.log(3)
    found = evaluate([run], data, None, two_workers(tmp_path / "cache"))
    assert found.models[0].metrics.count == 12
    assert any("1 photo is left out" in str(remark) for remark in found.remarks)


def test_a_photo_has_no_part_in_its_own_prediction(shapes: Path, tmp_path: Path) -> None:
    """The held-out logits of a fold are those of a head that is trained without the photos of the fold."""
    options: dict[str, Any] = {"epochs": 8, "l2": 0.01, **LOGISTIC}
    whole = train(shapes, tmp_path / "whole", folds=3, **options)
    paths = {sha256(path.read_bytes()).hexdigest(): path for path in sorted(shapes.glob("*/*"))}
    digests = sorted(paths)
    labels = [int(paths[digest].parent.name == "squares") for digest in digests]
    folds = folds_by_content(labels, digests, count=3)
    data = tmp_path / "data"
    for digest, fold in zip(digests, folds, strict=True):
        target = data / ("valid" if fold == 1 else "train") / paths[digest].parent.name / paths[digest].name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(paths[digest])
    without = train(data, tmp_path / "without", folds=0, **options)
    found = evaluate([without], None, "valid", two_workers(tmp_path / "without" / "cache")).models[0]
    assert len(found.digests) == folds.count(1)
    for digest, logits in zip(found.digests, found.logits, strict=True):
        # The divisor of the features is that of all photos in one case, of the others in the other.
        assert_allclose(logits, whole.held_out()[digest], rtol=0.05, atol=0.02)


def test_a_validation_folder_is_used_and_chooses_nothing(shapes: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    draw_pictures(data / "train", {"circles": 6, "squares": 6}, seed=1)
    draw_pictures(data / "valid", {"circles": 2, "squares": 2}, seed=2)
    run = train(data, tmp_path, epochs=3, **LOGISTIC)
    assert run.config.options.folds == 0
    assert not run.has_held_out
    assert run.read_model()[1].epoch == 3  # the last, whatever the validation loss was
    chosen = run.cross_validation()
    assert chosen is not None
    assert chosen.photos == 12  # of training
    assert json.loads((run.folder / "config.json").read_text())["options"]["l2"] is None


def test_a_resumed_training_ends_with_the_same_bits(shapes: Path, tmp_path: Path) -> None:
    whole = train(shapes, tmp_path / "whole", epochs=4, **LOGISTIC)
    short = train(shapes, tmp_path / "short", epochs=2, **LOGISTIC)
    again = train_run(Resume(short.folder, epochs=4), two_workers(tmp_path / "short" / "cache"))
    assert again.model_path.read_bytes() == whole.model_path.read_bytes()
    for digest, logits in whole.held_out().items():
        assert_array_equal(again.held_out()[digest], logits)
    assert [record.val_loss for record in again.history()] == [record.val_loss for record in whole.history()]


@pytest.mark.parametrize(
    "options", [{"optimizer": "lbfgs", "lr": None, "l2": 1000.0}, {"optimizer": "sgd", "lr": 0.001}]
)
def test_balanced_classes_weigh_the_same(options: dict[str, Any], tmp_path: Path) -> None:
    """Where the kernel is nearly zero, the bias says how much each class weighs."""
    draw_pictures(tmp_path / "data" / "train", {"circles": 12, "squares": 3}, seed=1)
    draw_pictures(tmp_path / "data" / "valid", {"circles": 2, "squares": 2}, seed=2)
    gaps = {}
    for weights in ("none", "balanced"):
        options |= {"head": "gem", "epochs": 4, "class_weights": weights}
        bias = train(tmp_path / "data", tmp_path / weights, **options).read_model()[0]["predictions/bias"]
        gaps[weights] = float(bias[0] - bias[1])
    assert gaps["none"] > 0
    assert abs(gaps["balanced"]) < 0.1 * gaps["none"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"optimizer": "lbfgs", "lr": 0.1}, "leave out --lr"),
        ({"optimizer": "lbfgs", "head": "fc"}, "trains one layer on frozen features"),
        ({"optimizer": "lbfgs", "unfreeze": "block5"}, "trains one layer on frozen features"),
        ({"optimizer": "adam", "folds": 5}, "need the optimizer lbfgs, found adam"),
        ({"head": "fc", "l2": 0.1}, "need the optimizer lbfgs, found adam"),
        ({"head": "fc", "size": 320}, "the fc head takes photos of 224 pixels"),
        ({"size": 100}, "expected sizes from 96 to 768 that 32 divides, found 100"),
        ({"folds": 1}, "expected folds of 0, or of 2 and more, found 1"),
        ({"l2": -1.0}, "expected l2 >= 0, found -1.0"),
        ({"quality": "great"}, "expected quality to be one of fast, good, best"),
    ],
)
def test_options_that_do_not_go_together(
    changes: dict[str, Any], expected: str, shapes: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=expected):
        train_run(NewRun(shapes, runs_dir=tmp_path, **changes), two_workers(tmp_path / "cache"))
    assert not list(tmp_path.glob("*/config.json"))


def test_defaults_follow_the_head(shapes: Path, tmp_path: Path) -> None:
    from catdog.weights.source import find_weights

    source = find_weights("builtin")
    cases: tuple[tuple[dict[str, Any], tuple[Any, ...]], ...] = (
        ({}, ("lbfgs", "gem", 320, 8, None)),
        ({"quality": "fast"}, ("lbfgs", "gem", 224, 8, None)),
        ({"quality": "best"}, ("lbfgs", "gem", 448, 8, None)),
        ({"lr": 0.01}, ("adam", "gem", 320, 20, 0)),
        ({"optimizer": "nadam", "size": 96}, ("nadam", "gem", 96, 20, 0)),
        ({"head": "fc"}, ("adam", "fc", 224, 20, 0)),
        ({"unfreeze": "block5"}, ("adamw", "gem", 224, 6, 0)),
    )
    for changes, expected in cases:
        options = NewRun(shapes, **changes).complete(source)
        found = options.optimizer, options.head.kind, options.decoding.size, options.epochs, options.folds
        assert found == expected, changes
    with tiny_photos():
        assert NewRun(shapes, head="fc", size=32).complete(source).decoding.size == 32


@pytest.mark.parametrize(
    ("output", "loss"), [("category", None), ("binary", None), ("labels", None), ("value", "huber")]
)
def test_a_layer_that_is_fitted_on_a_device_is_the_same(
    output: Output, loss: Loss | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    labels = {
        "category": random.integers(0, 3, 400),
        "binary": random.integers(0, 2, 400),
        "labels": random.integers(0, 2, (400, 3)).astype(np.float32),
        "value": random.standard_normal(400).astype(np.float32),
    }[output]
    units = 3 if output in ("category", "labels") else 1
    inputs = random.standard_normal((400, 16)).astype(np.float32)
    photos = Samples(inputs, labels, random.uniform(0.5, 1.5, 400), units, output, loss)
    expected = photos.fit(np.zeros((17, units)), 0.01)
    monkeypatch.setattr(logistic, "_MANY_INPUTS", 1)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = photos.fit(np.zeros((17, units)), 0.01)
    assert np.abs(found - expected).max() < 3e-3 * np.abs(expected).max()
    least, reached = (
        photos.sums(layer).loss / 400 + 0.01 / 2 * (layer[:-1] ** 2).sum() for layer in (expected, found)
    )
    assert abs(reached - least) < 1e-6
