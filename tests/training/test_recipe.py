"""The recipe of fine-tuning equals the textbook: rates by stage and step, clipping, averages, soft labels."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from catdog.config import Head, Output, Schedule
from catdog.features.features import Features
from catdog.model import outputs
from catdog.model.architecture import head
from catdog.model.layers import Conv
from catdog.model.suffix import Suffix, Tensors
from catdog.training.optimizers import OPTIMIZERS
from catdog.training.recipe import Recipe
from catdog.training.step import Trainer

SHAPE = (4, 4, 6)
PHOTOS, BATCH, EPOCHS = 37, 8, 3
STEPS = 5 * EPOCHS
RATES = {"block5": 0.002, "head": 0.01}
RECIPE = Recipe(EPOCHS, "cosine", RATES)


def suffix_of(dtype: str = "float32") -> Suffix:
    layers = (Conv("block5_conv1", "block5", 6, 6), *head(Head("gem"), 3, features=SHAPE))
    return Suffix(layers, "category", preprocessing="caffe", dtype=dtype)


def start(suffix: Suffix) -> tuple[Tensors, Tensors]:
    """Kernels and biases that are not zero."""
    random = np.random.default_rng(5)
    shapes = {
        "block5_conv1/kernel": (3, 3, 6, 6),
        "block5_conv1/bias": (6,),
        "predictions/kernel": (6, 3),
        "predictions/bias": (3,),
    }
    params = {name: jnp.asarray(random.normal(size=shape), jnp.float32) / 4 for name, shape in shapes.items()}
    return params, {**suffix.initial(0)[1], "rescale/scale": jnp.float32(0.2)}


def photos() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, PHOTOS).astype(np.int32)
    features = random.normal(size=(PHOTOS, *SHAPE)) + labels[:, None, None, None]
    return features.astype(np.float16), labels


def trained(suffix: Suffix, recipe: Recipe, optimizer: str = "adamw") -> tuple[Trainer, Any, list[float]]:
    """(the trainer, its state after all epochs, loss of each epoch)."""
    rate = recipe.stage_rates.get("head", 0.01)
    found = OPTIMIZERS[optimizer]
    trainer = Trainer(
        suffix, found, learning_rate=rate, batch_size=BATCH, photos=PHOTOS, seed=3, recipe=recipe
    )
    features, labels = photos()
    params, constants = start(suffix)
    state, losses = trainer.initial(params), []
    for epoch in range(1, EPOCHS + 1):
        state, sums = trainer.epoch(
            state, constants, Features.in_memory(features), labels, epoch=epoch, report=lambda _: None
        )
        losses.append(sums.loss / sums.photos)
    return trainer, state, losses


def cosine(step: int) -> float:
    """Of the highest rate: two steps of warm-up of fifteen, then half a cosine."""
    if step < 2:
        return 0.5 + 0.25 * step
    return (1 + math.cos(math.pi * (step - 2) / (STEPS - 2))) / 2


def textbook(suffix: Suffix) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """AdamW written out: (weights after the last step, their mean after each of the last four)."""
    features, labels = photos()
    params, constants = start(suffix)
    weights = {name: np.asarray(value, np.float64) for name, value in params.items()}
    first, second = ({name: np.zeros_like(value) for name, value in weights.items()} for _ in range(2))

    @jax.jit
    def gradient(params: Tensors, rows: jax.Array) -> Tensors:
        def loss(params: Tensors) -> jax.Array:
            logits = suffix.logits(params, constants, jnp.asarray(features)[rows])
            return jnp.mean(outputs.photo_losses(logits, jnp.asarray(labels)[rows], "category"))

        return jax.grad(loss)(params)

    past: list[dict[str, np.ndarray]] = []
    for epoch in range(1, EPOCHS + 1):
        order = np.random.default_rng([3, epoch]).permutation(PHOTOS)
        for place in range(0, PHOTOS, BATCH):
            found = gradient(
                {name: jnp.asarray(value, jnp.float32) for name, value in weights.items()},
                jnp.asarray(order[place : place + BATCH]),
            )
            slopes = {name: np.asarray(value, np.float64) for name, value in found.items()}
            length = math.sqrt(sum(float((slope**2).sum()) for slope in slopes.values()))
            step = len(past)
            for name, slope in slopes.items():
                clipped = slope / max(1.0, length)
                first[name] = 0.9 * first[name] + 0.1 * clipped
                second[name] = 0.999 * second[name] + 0.001 * clipped**2
                mean = first[name] / (1 - 0.9 ** (step + 1))
                square = second[name] / (1 - 0.999 ** (step + 1))
                move = mean / (np.sqrt(square) + 1e-8)
                if name.endswith("kernel"):
                    move = move + 0.01 * weights[name]
                stage = "head" if name.startswith("predictions") else "block5"
                weights[name] = weights[name] - RATES[stage] * cosine(step) * move
            past.append(dict(weights))
    return weights, {name: np.mean([each[name] for each in past[-4:]], axis=0) for name in weights}


def test_fine_tuning_equals_the_textbook() -> None:
    suffix = suffix_of()
    trainer, state, _ = trained(suffix, RECIPE)
    last, average = textbook(suffix)
    for name, value in trainer.kept(state).items():
        assert_allclose(state.params[name], last[name], atol=2e-5)
        assert_allclose(value, average[name], atol=2e-5)
        assert not np.allclose(value, state.params[name], atol=2e-5)


def test_before_the_last_quarter_the_weights_themselves_are_kept() -> None:
    suffix = suffix_of()
    trainer, state, _ = trained(suffix, Recipe(2 * EPOCHS, "cosine", RATES))
    for name, value in trainer.kept(state).items():
        assert_array_equal(value, state.params[name])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_has_rates_by_stage(optimizer: str) -> None:
    """A stage with a rate of nearly nothing stays; the same optimizer moves the head."""
    suffix = suffix_of()
    trainer, state, losses = trained(
        suffix, Recipe(EPOCHS, "cosine", {"block5": 1e-9, "head": 0.01}), optimizer
    )
    before, _ = start(suffix)
    moved = {name: float(jnp.abs(value - before[name]).max()) for name, value in trainer.kept(state).items()}
    assert 0 < moved["block5_conv1/kernel"] < 1e-6 < 1e-5 < moved["predictions/kernel"]
    assert np.isfinite(losses).all()


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", {0: 0.01, 50: 0.01, 99: 0.01}),
        ("cosine", {0: 0.001, 10: 0.01, 55: 0.005, 100: 0.0}),
        ("one-cycle", {0: 0.01 / 25, 30: 0.01, 100: 0.01 / 25 / 1e4}),
    ],
)
def test_a_schedule_of_a_hundred_steps(schedule: Schedule, expected: dict[int, float]) -> None:
    made = Recipe(20, schedule).over_time(0.01, 100)
    rate = cast("Callable[[int], float]", made) if callable(made) else lambda _: made
    for step, value in expected.items():
        assert float(rate(step)) == pytest.approx(value, abs=1e-7)


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Of soft labels (b, k) that sum to 1, in nats."""
    return -(targets * np.asarray(jax.nn.log_softmax(logits))).sum(axis=1)


@pytest.mark.parametrize("output", ["category", "binary"])
def test_smoothed_and_mixed_losses_are_those_of_soft_labels(output: Output) -> None:
    classes = 2 if output == "binary" else 5
    recipe = Recipe(label_smoothing=0.2, mixup=0.4)
    random = np.random.default_rng(1)
    labels = random.integers(0, classes, 8).astype(np.int32)
    features = random.normal(size=(8, 3)).astype(np.float32)
    mask = np.arange(8) < 6

    def hard_losses(logits: jax.Array, labels: jax.Array) -> jax.Array:
        return outputs.photo_losses(logits, labels, output)

    losses = partial(recipe.smoothed, hard_losses)
    key = jax.random.key(2)
    mixed, losses_of = recipe.mixed(
        jnp.asarray(features), jnp.asarray(labels), jnp.asarray(mask), losses, key
    )
    partner = np.array([1, 2, 3, 4, 5, 0, 6, 7])  # padding is no partner
    fraction = float((mixed[0, 0] - features[1, 0]) / (features[0, 0] - features[1, 0]))
    assert 0.5 <= fraction < 1
    assert_allclose(mixed, fraction * features + (1 - fraction) * features[partner], rtol=1e-5)
    hard = np.eye(classes)[labels]
    soft = 0.8 * hard + 0.2 / classes
    targets = fraction * soft + (1 - fraction) * soft[partner]
    logits = random.normal(size=(8, 1 if output == "binary" else classes)).astype(np.float32)
    both = np.concatenate([np.zeros_like(logits), logits], axis=1) if output == "binary" else logits
    assert_allclose(losses_of(jnp.asarray(logits)), cross_entropy(both, targets), rtol=1e-5)
    other, _ = recipe.mixed(
        jnp.asarray(features), jnp.asarray(labels), jnp.asarray(mask), losses, jax.random.key(3)
    )
    assert not np.allclose(mixed, other)


def test_mixed_pixels_stay_pixels() -> None:
    pixels = jnp.asarray([[0, 200], [100, 0]], jnp.uint8)
    labels, mask = jnp.zeros(2, jnp.int32), jnp.ones(2, bool)
    mixed, _ = Recipe(mixup=1.0).mixed(pixels, labels, mask, lambda *_: labels, jax.random.key(0))
    assert mixed.dtype == jnp.uint8
    assert int(mixed[0, 0]) + int(mixed[1, 0]) in (99, 100, 101)


@pytest.mark.slow
def test_mixup_and_label_smoothing_raise_the_training_loss() -> None:
    """Soft labels cannot be predicted with certainty."""
    suffix = suffix_of()
    hard = trained(suffix, RECIPE)[2][-1]
    for options in ({"mixup": 1.0}, {"label_smoothing": 0.3}):
        assert trained(suffix, Recipe(EPOCHS, "cosine", RATES, **options))[2][-1] > hard


def test_bfloat16_is_for_activations_alone() -> None:
    wide, narrow = suffix_of(), suffix_of("bfloat16")
    params, constants = start(narrow)
    rows = jnp.asarray(photos()[0])
    inside = narrow.logits(params, constants, rows, until=1)
    assert inside.dtype == jnp.bfloat16
    logits = narrow.logits(params, constants, rows)
    assert logits.dtype == jnp.float32
    assert narrow.losses(logits, jnp.asarray(photos()[1])).dtype == jnp.float32
    _, state, losses = trained(narrow, RECIPE)
    floats = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert len(floats) == 16  # weights, two moments and the average
    assert {leaf.dtype for leaf in floats} == {jnp.dtype("float32")}
    # Eight bits of an activation: the losses agree in two digits.
    assert_allclose(losses, trained(wide, RECIPE)[2], rtol=0.01)
