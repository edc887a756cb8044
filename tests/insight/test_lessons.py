"""The experiments of the lessons, on small material: what they compute is what they say."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from catdog.insight.lessons import gradients, learned, overfitting, race, splits
from catdog.insight.lessons.descent import batches_of, descend, masked_mean
from catdog.insight.lessons.material import PENALTY, Material
from catdog.insight.lessons.plane import plane_of
from catdog.model import outputs, winograd
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.suffix import Suffix
from catdog.training.optimizers import OPTIMIZERS
from tests.insight.lessons import material


@pytest.fixture(scope="module")
def small() -> Material:
    return material([Path(f"{number}.jpg") for number in range(60)], classes=3)


@pytest.fixture(scope="module")
def raced(small: Material) -> race.Race:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(race, "OPTIMIZERS", {name: OPTIMIZERS[name] for name in ("gd", "lbfgs", "momentum")})
        patch.setattr(race, "RATES", (0.001, 0.1, 10.0))
        return race.race(small, lambda _: None)


def test_every_photo_is_in_an_epoch_once() -> None:
    rows, mask = batches_of(10, batch_size=4, epochs=3, seed=0)
    assert rows.shape == mask.shape == (3, 3, 4)
    assert all(sorted(rows[epoch][mask[epoch]]) == list(range(10)) for epoch in range(3))
    assert batches_of(3, batch_size=4, epochs=1, seed=0)[0].shape == (1, 1, 3)


def test_a_descent_is_that_of_optax_step_by_step() -> None:
    data = jnp.array([1.0, 2.0, 5.0, -1.0])

    def loss(x, data, rows, mask, key):
        return masked_mean((x - data[rows]) ** 2, mask)

    batches = batches_of(4, batch_size=3, epochs=2, seed=1)
    build, start = OPTIMIZERS["adam"].build, jnp.zeros(())
    found = descend(loss, lambda x, _: x, build, 0.1, start, data, batches, jax.random.key(0))  # pyright: ignore
    adam, x = build(0.1), start
    state, expected = adam.init(x), [0.0]
    for rows, masks in zip(*batches, strict=True):
        for batch in zip(rows, masks, strict=True):
            updates, state = adam.update(jax.grad(loss)(x, data, *batch, None), state, x)
            x = optax.apply_updates(x, updates)
        expected.append(float(x))  # pyright: ignore
    assert np.asarray(found) == pytest.approx(expected, rel=1e-5)


def test_all_optimizers_run_from_the_same_start(raced: race.Race) -> None:
    for racer in raced.racers:
        run = racer.runs["right"]
        assert run.losses[0] == pytest.approx(np.log(3), rel=1e-6)
        assert not run.layers[0].any()
        assert raced.lowest <= run.losses[-1] < run.losses[0]
        assert racer.seconds > 0
        for layer, loss in zip(run.layers, run.losses, strict=True):
            of_penalty = PENALTY / 2 * (layer[:-1] ** 2).sum()
            assert raced.samples.losses(layer).mean() + of_penalty == pytest.approx(loss, rel=1e-4)
    gd, lbfgs, momentum = raced.racers
    assert {name: run.rate for name, run in momentum.runs.items()} == pytest.approx(
        {"small": momentum.runs["right"].rate / 30, "right": 0.1, "large": 3.0}
    )
    assert list(lbfgs.runs) == ["right"]
    assert lbfgs.runs["right"].losses[-1] == pytest.approx(raced.lowest, rel=1e-4)


def test_the_plane_has_the_real_loss(raced: race.Race) -> None:
    plane = plane_of(raced)
    for name, path in plane.paths.items():
        assert path[0] == pytest.approx([0, 0])
        assert 0 < plane.fractions[name] <= 1
        assert (path >= plane.lows).all() and (path <= plane.highs).all()
    # The start and two more places are in one plane: there the loss is that of the run.
    gd = raced.racers[0].runs["right"]
    short = {"right": replace(gd, layers=gd.layers[[0, 1, 9]])}
    of_three = plane_of(replace(raced, racers=[replace(raced.racers[0], runs=short)]))
    assert of_three.fractions["gd"] == pytest.approx(1)
    for place, loss in zip(of_three.paths["gd"], gd.losses[[0, 1, 9]], strict=True):
        assert of_three.loss(*place) == pytest.approx(loss, rel=1e-4)


def test_some_labels_are_flipped(small: Material) -> None:
    labels = small.train.samples.labels
    rows, found = overfitting._drawn(labels, 3, 20, seed=4)
    assert len(set(rows.tolist())) == 20
    assert (found != labels[rows]).sum() == round(overfitting.FLIPPED * 20)
    assert np.ptp(np.bincount(labels[rows])) <= 1


@pytest.mark.slow
def test_the_gradients_are_those_of_the_network(small: Material) -> None:
    # The shapes of the lessons' page: its program is in the cache.
    size = gradients.SIZE, gradients.SIZE, 3
    images = jnp.asarray(np.random.default_rng(0).normal(size=(gradients.PHOTOS, *size)), jnp.float32)
    labels = jnp.arange(gradients.PHOTOS) % 2
    params = {
        name: jnp.asarray(tensor)
        for name, tensor in gradients._start("he", 0, small.tensors, classes=2).items()
    }
    sizes, loss = gradients._sizes(jnp.array(True), params, images, labels)

    convolutions = Suffix(
        CONVOLUTIONS, "category", preprocessing="none", dtype="float32", convolve=winograd.convolve_batch
    )

    def loss_of(first: jax.Array, params: gradients.Params) -> jax.Array:
        maps = convolutions.logits(params | {"block1_conv1/kernel": first}, {}, images)
        logits = maps.mean(axis=(1, 2)) @ params["predictions/kernel"]
        return outputs.photo_losses(logits, labels, "category").mean()

    value, gradient = jax.jit(jax.value_and_grad(loss_of))(params["block1_conv1/kernel"], params)
    assert float(loss) == pytest.approx(float(value), rel=1e-4)
    assert float(sizes[0]) == pytest.approx(float(jnp.sqrt(jnp.mean(gradient**2))), rel=1e-3)


def test_photos_whose_prediction_changed_last_come_first(small: Material) -> None:
    found = learned.learn(small)
    assert len(found.photos) == learned.SHOWN
    assert [photo.changed for photo in found.photos] == sorted(
        (photo.changed for photo in found.photos), reverse=True
    )
    for photo in found.photos:
        predicted = photo.probabilities.argmax(axis=1)
        assert (predicted[photo.changed - 1 :] == predicted[-1]).all()
        assert photo.changed == 1 or predicted[photo.changed - 2] != predicted[-1]
        assert photo.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert found.accuracy[-1] > 0.6


def test_splits_hold_out_a_fraction_of_each_class(small: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "SPLITS", 12)
    found = splits.try_splits(small, lambda _: None)
    assert (found.photos, found.validated, len(found.right)) == (60, 12, 12)
    assert 6 < found.right.max() <= 12
    held_out = splits._held_out(np.array([0] * 10 + [1, 1]), np.random.default_rng(0))
    assert (held_out[:10].sum(), held_out[10:].sum()) == (2, 1)
