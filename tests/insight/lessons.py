"""Small material for the experiments: random inputs of a last layer that say something about the class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from catdog.insight.lessons.material import Material, Split
from catdog.model.architecture import CONVOLUTIONS
from catdog.training.logistic import Samples
from tests.weights_files import random_tensors


def material(
    paths: Sequence[Path], *, classes: int = 2, inputs: int = 12, apart: float = 1.0, seed: int = 0
) -> Material:
    """The photos at `paths`, two thirds of them for training; their classes take turns.

    Args:
        apart: how far the means of the classes are from each other.
    """
    random = np.random.default_rng(seed)
    labels = np.arange(len(paths)) % classes
    means = apart * random.normal(size=(classes, inputs))
    rows = (means[labels] + random.normal(size=(len(paths), inputs))).astype(np.float32)

    def split(part: slice) -> Split:
        chosen = labels[part].astype(np.int32)
        return Split(
            tuple(paths[part]), Samples(rows[part], chosen, np.ones(len(chosen)), classes, "category")
        )

    count = 2 * len(paths) // 3
    return Material(
        folder=Path("photos"),
        classes=tuple("abcdefgh"[:classes]),
        train=split(slice(count)),
        valid=split(slice(count, None)),
        size=96,
        skipped=(),
        tensors=random_tensors(CONVOLUTIONS),
        preprocessing="caffe",
    )
