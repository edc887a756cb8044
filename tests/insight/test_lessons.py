"""The experiments of the lessons, on small material: what they compute is what they say."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from catdog.insight.lessons import gradients, learned, overfitting, race, splits, stack
from catdog.insight.lessons.descent import batches_of, descend, masked_mean
from catdog.insight.lessons.material import PENALTY, Material
from catdog.insight.lessons.plane import plane_of
from catdog.model import outputs
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.network import Network
from catdog.training.optimizers import OPTIMIZERS
from tests.insight.lessons import material


@pytest.fixture(scope="module")
def small() -> Material:
    return material([Path(f"{number}.jpg") for number in range(60)], classes=3)


@pytest.fixture(scope="module")
def raced(small: Material) -> race.Race:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(race, "RATES", (0.001, 0.1, 10.0))
        return race.race(small, lambda _: None)


def test_every_photo_is_in_an_epoch_once() -> None:
    rows, mask = batches_of(10, batch_size=4, epochs=3, seed=0)
    assert rows.shape == mask.shape == (3, 3, 4)
    assert all(sorted(rows[epoch][mask[epoch]]) == list(range(10)) for epoch in range(3))
    assert batches_of(3, batch_size=4, epochs=1, seed=0)[0].shape == (1, 1, 3)


def test_a_descent_is_that_of_optax_step_by_step() -> None:
    data = jnp.array([1.0, 2.0, 5.0, -1.0])

    def loss(params, data, rows, mask, key):
        return masked_mean((params["x"] - data[rows]) ** 2, mask)

    def measure(params, data):
        return params["x"]

    batches = batches_of(4, batch_size=3, epochs=2, seed=1)
    arguments = {"x": jnp.zeros(())}, data, batches, jax.random.key(0)
    found = descend(loss, measure, OPTIMIZERS["adam"].build, 0.1, *arguments)
    adam, params = OPTIMIZERS["adam"].build(0.1), {"x": jnp.zeros(())}
    state, expected = adam.init(params), [0.0]
    for rows, masks in zip(*batches, strict=True):
        for batch in zip(rows, masks, strict=True):
            gradient = jax.grad(loss)(params, data, *batch, None)
            updates, state = adam.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
        expected.append(float(params["x"]))
    assert np.asarray(found) == pytest.approx(expected, rel=1e-5)


def test_all_optimizers_run_from_the_same_start(raced: race.Race) -> None:
    assert [racer.optimizer.name for racer in raced.racers] == list(OPTIMIZERS)
    start = np.log(3)
    for racer in raced.racers:
        run = racer.runs["right"]
        assert run.losses[0] == pytest.approx(start, rel=1e-6)
        assert not run.layers[0].any()
        assert raced.lowest <= run.losses[-1] < start
        assert racer.seconds > 0
        for name, factor in (("small", 1 / race.APART), ("large", race.APART)):
            if name in racer.runs:
                assert racer.runs[name].rate == pytest.approx(factor * run.rate)
                assert not racer.runs[name].losses[-1] < run.losses[-1]
    assert raced.racers[1].runs["right"].losses[-1] == pytest.approx(raced.lowest, rel=1e-4)  # lbfgs


def test_the_plane_has_the_real_loss(raced: race.Race) -> None:
    plane = plane_of(raced)
    samples = raced.samples
    for name, path in plane.paths.items():
        assert path[0] == pytest.approx([0, 0])
        assert 0 <= plane.fractions[name] <= 1 + 1e-9
        assert (path >= plane.lows).all() and (path <= plane.highs).all()
    (gd,) = [racer.runs["right"] for racer in raced.racers if racer.optimizer.name == "gd"]
    # A path of gradient descent alone is nearly in a plane: there its loss is nearly that of the plane.
    alone = race.Race(
        samples, [racer for racer in raced.racers if racer.optimizer.name == "gd"], raced.lowest
    )
    of_gd = plane_of(alone)
    assert of_gd.fractions["gd"] > 0.999
    for place, loss in zip(of_gd.paths["gd"], gd.losses, strict=True):
        assert of_gd.loss(*place) == pytest.approx(loss, rel=0.02)


def test_dropout_sees_the_same_photos_and_flipped_labels(small: Material) -> None:
    labels = small.train.samples.labels
    rows, found = overfitting._drawn(labels, 3, 20, seed=4)
    assert len(set(rows.tolist())) == 20
    assert (found != labels[rows]).sum() == round(overfitting.FLIPPED * 20)
    assert np.ptp(np.bincount(labels[rows])) <= 1
    fits = overfitting.overfit(small, lambda _: None)
    assert fits.without.train[:, 0] == pytest.approx(fits.dropped.train[:, 0])  # the same starts
    assert (
        fits.without.train[:, -1].mean() < fits.dropped.train[:, -1].mean() < fits.dropped.train[:, 0].mean()
    )


def test_stacks_guess_before_the_first_step_and_show_vanishing_gradients(small: Material) -> None:
    found = {(each.activation, each.start): each for each in stack.train_stacks(small, lambda _: None)}
    assert set(found) == {(one, two) for one in ("relu", "sigmoid") for two in ("glorot", "he")}
    for each in found.values():
        assert each.losses.shape == (stack.SEEDS, stack.STEPS // stack.EVERY + 1)
        assert each.rate in stack.RATES
    sigmoid, relu = found["sigmoid", "glorot"].gradients, found["relu", "he"].gradients
    assert (sigmoid[:, 0] / sigmoid[:, -1]).max() < 1e-4 < (relu[:, 0] / relu[:, -1]).min()


def test_the_gradients_are_those_of_the_network(small: Material) -> None:
    random = np.random.default_rng(0)
    images = jnp.asarray(random.normal(size=(2, 32, 32, 3)), jnp.float32)
    labels = jnp.array([0, 2])
    params = gradients._start("he", 0, small, classes=3)
    sizes, loss = gradients._sizes("relu", params, images, labels)

    def expected(first: jax.Array) -> jax.Array:
        network = Network(CONVOLUTIONS, rngs=None)
        network.assign({name: value for name, value in params.items() if name[0] == "b"})
        network.block1_conv1.kernel.set_value(first)  # pyright: ignore
        features = network(images, deterministic=True)[:, 0, 0]
        logits = features @ params["predictions/kernel"]
        return outputs.photo_losses(logits, labels, "category").mean()

    value, gradient = jax.value_and_grad(expected)(params["block1_conv1/kernel"])
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


def test_splits_hold_out_a_fraction_of_each_class(small: Material) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "SPLITS", 12)
        found = splits.try_splits(small, lambda _: None)
    assert (found.photos, found.validated, len(found.right)) == (60, 12, 12)
    assert found.right.max() <= found.validated
    assert 0 <= found.inside <= 12
    held_out = splits._held_out(np.array([0] * 10 + [1, 1]), np.random.default_rng(0))
    assert (held_out[:10].sum(), held_out[10:].sum()) == (2, 1)


def test_the_penalty_is_in_the_loss(raced: race.Race) -> None:
    layer = raced.racers[0].runs["right"].layers[-1]
    plain = raced.samples.losses(layer).mean()
    expected = plain + PENALTY / 2 * (layer[:-1] ** 2).sum()
    assert raced.racers[0].runs["right"].losses[-1] == pytest.approx(expected, rel=1e-5)
