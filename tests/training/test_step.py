"""One epoch on the device equals the textbook: batch after batch, padding without effect, each photo once."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from catdog.config import Head, Output
from catdog.features import forward as forward_module
from catdog.features.features import Features
from catdog.features.forward import fit_rescale
from catdog.model import outputs
from catdog.model.architecture import head
from catdog.model.suffix import Suffix, Tensors
from catdog.training import step as step_module
from catdog.training.events import Sums
from catdog.training.optimizers import OPTIMIZERS, Optimizer
from catdog.training.step import Trainer
from tests.model.rounding import UNIT, relative_error

SHAPE = (2, 2, 8)
PHOTOS = 37  # no multiple of the batch size


def _suffix(new: Head, classes: int = 2) -> Suffix:
    return Suffix(head(new, classes, features=SHAPE), new.output, preprocessing="caffe", dtype="float32")


def _trainer(suffix: Suffix, optimizer: Optimizer, **options: int) -> Trainer:
    chosen: dict[str, Any] = {"batch_size": 8, "photos": PHOTOS, "seed": 3} | options
    return Trainer(suffix, optimizer, learning_rate=optimizer.learning_rate, **chosen)


def _data(classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, PHOTOS).astype(np.int32)
    features = random.normal(size=(PHOTOS, *SHAPE)) + labels[:, None, None, None]
    return features.astype(np.float16), labels


def _condensed(suffix: Suffix, rows: np.ndarray) -> Features:
    return Features.in_memory(
        np.asarray(suffix.condense({}, jnp.asarray(rows))) if suffix.condensed else rows
    )


def _train(
    suffix: Suffix, trainer: Trainer, epochs: int, report: Callable[[Sums], None] = lambda _: None
) -> tuple[Tensors, list[Sums]]:
    rows, labels = _data()
    params, constants = suffix.initial(0)
    state = trainer.initial(params)
    sums = []
    for epoch in range(1, epochs + 1):
        state, total = trainer.epoch(
            state, constants, _condensed(suffix, rows), labels, epoch=epoch, report=report
        )
        sums.append(total)
    return state.params, sums


def _textbook(suffix: Suffix, optimizer: Optimizer, epochs: int) -> tuple[Tensors, list[float]]:
    """The same training written out: one Python loop, batches of their true size, no masks."""
    rows, labels = _data()
    inputs = _condensed(suffix, rows).gather(np.arange(PHOTOS))
    params, constants = suffix.initial(0)
    transformation = optimizer.build(optimizer.learning_rate)
    state = transformation.init(params)
    losses = []

    def mean_loss(params: Tensors, chosen: np.ndarray) -> jax.Array:
        logits = suffix.logits(params, constants, jnp.asarray(inputs[chosen]))
        return jnp.mean(outputs.photo_losses(logits, jnp.asarray(labels[chosen]), suffix.output))

    for epoch in range(1, epochs + 1):
        order = np.random.default_rng([3, epoch]).permutation(PHOTOS)
        size = PHOTOS if optimizer.whole_epoch else 8
        total = 0.0
        for start in range(0, PHOTOS, size):
            chosen = order[start : start + size]
            loss, gradients = jax.value_and_grad(mean_loss)(params, chosen)
            updates, state = transformation.update(gradients, state, params)
            params = cast(Tensors, optax.apply_updates(params, updates))
            total += float(loss) * len(chosen)
        losses.append(total / PHOTOS)
    return params, losses


@pytest.mark.parametrize("output", ["category", "binary"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_equals_the_textbook(optimizer: Optimizer, output: Output) -> None:
    suffix = _suffix(Head(output=output))
    params, sums = _train(suffix, _trainer(suffix, optimizer), 3)
    expected, losses = _textbook(suffix, optimizer, 3)
    start, _ = suffix.initial(0)
    # Of the largest value: some hundred roundings of float32 in 15 steps. Muon makes all singular values of a
    # gradient alike. With two classes one of them is zero but for roundings, and each of Muon's five
    # iterations multiplies it by 3.4445.
    tolerance = 3.4445**5 * 8 * UNIT if optimizer is OPTIMIZERS["muon"] else 1e-5
    for name, value in params.items():
        assert relative_error(value, expected[name]) < tolerance
        assert not np.array_equal(value, start[name]), f"{name} did not move"
    assert [total.loss / total.photos for total in sums] == pytest.approx(losses, rel=1e-4)


def test_chunks_of_any_size_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    suffix = _suffix(Head("fc", (16,), dropout=0.5))
    optimizer = OPTIMIZERS["adam"]
    whole, whole_sums = _train(suffix, _trainer(suffix, optimizer), 2)
    # Two batches a chunk: the fifth is alone in its chunk, beside one that is all padding.
    monkeypatch.setattr(step_module, "_CHUNK_BYTES", 2 * 8 * 2 * 32)
    parts, parts_sums = _train(suffix, _trainer(suffix, optimizer), 2)
    for name, value in whole.items():
        np.testing.assert_array_equal(value, parts[name])
    assert [sums.photos for sums in parts_sums] == [PHOTOS, PHOTOS]
    assert [sums.loss for sums in parts_sums] == pytest.approx([sums.loss for sums in whole_sums])


def test_every_photo_is_trained_on_once_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    suffix = _suffix(Head())
    monkeypatch.setattr(step_module, "_CHUNK_BYTES", 1)
    seen: list[int] = []
    _, sums = _train(suffix, _trainer(suffix, OPTIMIZERS["sgd"]), 1, lambda sums: seen.append(sums.photos))
    assert seen == [8, 16, 24, 32, PHOTOS]
    assert sums[0].photos == PHOTOS


def test_one_compilation_serves_all_epochs() -> None:
    suffix = _suffix(Head("fc", (16,)))
    trainer = _trainer(suffix, OPTIMIZERS["adam"])
    rows, labels = _data()
    params, constants = suffix.initial(0)
    state = trainer.initial(params)
    compiled: Any = Trainer._run
    before = compiled._cache_size()
    for epoch in range(1, 5):
        state, _ = trainer.epoch(
            state, constants, Features.in_memory(rows), labels, epoch=epoch, report=lambda _: None
        )
    assert compiled._cache_size() == before + 1


def test_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    suffix = _suffix(Head("fc", (16,), dropout=0.5))
    adam = OPTIMIZERS["adam"]
    first, again, other = (
        _train(suffix, _trainer(suffix, adam, seed=seed), 2)[0]["fc1/kernel"] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_fit_rescale_makes_the_deviation_one(monkeypatch: pytest.MonkeyPatch) -> None:
    suffix = _suffix(Head())
    rows, _ = _data()
    condensed = _condensed(suffix, 40 * rows)
    values = condensed.gather(np.arange(PHOTOS))
    params, constants = suffix.initial(0)
    constants = fit_rescale(suffix, params, constants, condensed)
    assert float(jnp.std(values / constants["rescale/scale"])) == pytest.approx(1.0, abs=1e-5)
    monkeypatch.setattr(forward_module, "_BATCH_BYTES", 5 * values[0].nbytes)
    parts = fit_rescale(suffix, params, constants, condensed)
    assert float(parts["rescale/scale"]) == pytest.approx(float(constants["rescale/scale"]), rel=1e-6)
    zeros = fit_rescale(suffix, params, constants, Features.in_memory(np.zeros_like(values)))
    assert float(zeros["rescale/scale"]) == 1.0


def test_the_rescale_is_no_parameter() -> None:
    suffix = _suffix(Head())
    params, constants = suffix.initial(0)
    assert constants.keys() == {"rescale/scale"}
    assert params.keys() == {"predictions/kernel", "predictions/bias"}
