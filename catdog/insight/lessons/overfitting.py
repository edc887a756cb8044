"""Dropout against overfitting: few photos, some with a wrong label, a hidden layer."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np

from catdog.insight.lessons.descent import Data, Params, batches_of, descend, masked_mean
from catdog.insight.lessons.gradients import drawn
from catdog.insight.lessons.material import MOST, Material
from catdog.model.layers import Dense, Dropout, Layer
from catdog.model.suffix import Suffix
from catdog.training.optimizers import OPTIMIZERS

PHOTOS = 40  # of training, or all where there are fewer
FLIPPED = 0.2  # of their labels
UNITS, DROPPED = 256, 0.5  # of the hidden layer
EPOCHS, BATCH, RATE = 60, 20, 0.001  # Adam
SEEDS = 8


@dataclass(frozen=True)
class Fits:
    """Trainings with one rate of dropout, of all seeds.

    Attributes:
        train: loss on the training photos with the labels they have, dropout off, (seeds, EPOCHS + 1).
        valid: loss on the validation photos, (seeds, EPOCHS + 1).
        accuracy: on the validation photos, (seeds, EPOCHS + 1).
    """

    dropout: float
    train: np.ndarray
    valid: np.ndarray
    accuracy: np.ndarray


@dataclass(frozen=True)
class Overfitting:
    """Both, from the same photos, flipped labels, starts and orders for each seed."""

    photos: int
    flipped: int
    validated: int
    without: Fits
    dropped: Fits


def overfit(material: Material, report: Callable[[int], None]) -> Overfitting:
    """Train with and without dropout.

    Args:
        report: called with the number of trainings that are done, seeds counted.
    """
    train, valid = material.train.samples, material.valid.some(MOST).samples
    count = min(PHOTOS, len(train.labels))
    chosen = [_drawn(train.labels, train.units, count, seed) for seed in range(SEEDS)]
    inputs = np.stack([train.inputs[rows] for rows, _ in chosen])
    labels = np.stack([found for _, found in chosen])
    batches = [batches_of(count, batch_size=BATCH, epochs=EPOCHS, seed=seed) for seed in range(SEEDS)]
    rows, masks = (np.stack(part) for part in zip(*batches, strict=True))
    held_out, seeds = (valid.inputs, valid.labels), np.arange(SEEDS)
    starts = [_start(inputs.shape[-1], train.units, seed) for seed in range(SEEDS)]
    params = {name: np.stack([start[name] for start in starts]) for name in starts[0]}
    found = []
    for dropout in (0.0, DROPPED):
        layers = _layers(inputs.shape[-1], train.units, dropout)
        suffix = Suffix(layers, "category", preprocessing="none", dtype="float32")
        measured = _trained(suffix, params, (inputs, labels), held_out, (rows, masks), seeds)
        found.append(Fits(dropout, *map(np.asarray, measured)))
        report(len(found) * SEEDS)
    return Overfitting(count, round(FLIPPED * count), len(valid.labels), *found)


def _layers(inputs: int, classes: int, dropout: float) -> tuple[Layer, ...]:
    """What the head `fc` has behind its flattened features."""
    random = [Dropout("dropout1", "head", dropout)] if dropout else []
    last = Dense("predictions", "head", UNITS, classes, "none")
    return (Dense("fc1", "head", inputs, UNITS, "relu"), *random, last)


def _start(inputs: int, classes: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "fc1/kernel": drawn("glorot", (inputs, UNITS), random),
        "fc1/bias": np.zeros(UNITS, np.float32),
        "predictions/kernel": drawn("glorot", (UNITS, classes), random),
        "predictions/bias": np.zeros(classes, np.float32),
    }


def _drawn(labels: np.ndarray, classes: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of photos, as many of each class as possible, and their labels, some of them another class's."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)
    for label in range(classes):
        of_class = order[labels[order] == label]
        turn[of_class] = np.arange(len(of_class))
    rows = order[np.argsort(turn[order], kind="stable")][:count]
    found = labels[rows].copy()
    wrong = random.choice(count, round(FLIPPED * count), replace=False)
    found[wrong] = (found[wrong] + random.integers(1, classes, len(wrong))) % classes
    return rows, found


@partial(jax.jit, static_argnums=0)
def _trained(suffix: Suffix, params: Params, data: Data, held_out: Data, batches: Data, seeds: Data) -> Data:
    """(train losses, valid losses, accuracies), each (seeds, EPOCHS + 1)."""

    def loss(params: Params, data: Data, rows: jax.Array, mask: jax.Array, key: jax.Array) -> jax.Array:
        inputs, labels = data
        return masked_mean(
            suffix.losses(suffix.logits(params, {}, inputs[rows], key=key), labels[rows]), mask
        )

    def measure(params: Params, data: Data) -> Data:
        (inputs, labels), (valid_inputs, valid_labels) = data, held_out
        logits = suffix.logits(params, {}, valid_inputs)
        return (
            suffix.losses(suffix.logits(params, {}, inputs), labels).mean(),
            suffix.losses(logits, valid_labels).mean(),
            (logits.argmax(axis=1) == valid_labels).mean(),
        )

    def of_seed(params: Params, data: Data, batches: Data, seed: jax.Array) -> Data:
        return descend(
            loss, measure, OPTIMIZERS["adam"].build, RATE, params, data, batches, jax.random.key(seed)
        )

    return jax.vmap(of_seed)(params, data, batches, seeds)
