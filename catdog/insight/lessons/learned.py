"""How it learned: the validation photos whose prediction changed last."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog.insight.lessons.material import Material
from catdog.insight.lessons.race import run
from catdog.training.optimizers import OPTIMIZERS
from catdog.training.options import DEFAULT_BATCH_SIZE, EPOCHS

SHOWN = 8


@dataclass(frozen=True)
class Learned:
    """One validation photo.

    Attributes:
        label: its class.
        changed: the epoch after which its prediction did not change any more; 1 if it never changed.
        probabilities: of all classes after each epoch, (EPOCHS, k).
    """

    path: Path
    label: int
    changed: int
    probabilities: np.ndarray


@dataclass(frozen=True)
class Learning:
    """The lecture's optimizer, Adam, on a last layer.

    Attributes:
        photos: the ones that changed last, the latest first; among equals those with the lowest probability
            of their class.
        changed: how many of all validation photos changed in each epoch but the first, (EPOCHS - 1,).
        ever: how many did in any of these.
        accuracy: of all validation photos after each epoch, (EPOCHS,).
    """

    photos: list[Learned]
    changed: np.ndarray
    ever: int
    accuracy: np.ndarray


def learn(material: Material) -> Learning:
    """Train with the defaults of `catdog train --optimizer adam`, and follow each validation photo."""
    adam = OPTIMIZERS["adam"]
    found = run(material.train.samples, adam, adam.learning_rate, EPOCHS, DEFAULT_BATCH_SIZE)
    samples, paths = material.valid.samples, material.valid.paths
    logits = np.stack([samples.logits(layer) for layer in found.layers[1:]])
    powers = np.exp(logits - logits.max(axis=2, keepdims=True))
    probabilities = powers / powers.sum(axis=2, keepdims=True)
    predicted = logits.argmax(axis=2)
    changes = predicted[1:] != predicted[:-1]
    epochs = np.arange(2, EPOCHS + 1)[:, None]
    changed = np.where(changes, epochs, 1).max(axis=0, initial=1)
    last = probabilities[-1, np.arange(len(paths)), samples.labels]
    order = np.lexsort((last, -changed))[:SHOWN]
    return Learning(
        [
            Learned(paths[row], int(samples.labels[row]), int(changed[row]), probabilities[:, row])
            for row in order
        ],
        changes.sum(axis=1),
        int(changes.any(axis=0).sum()),
        (predicted == samples.labels).mean(axis=1),
    )
