"""For the tests of the model: tables that are quick to compute, and random numbers."""

import numpy as np
import pytest

from catdog.model.layers import Conv, Dense, Dropout, Flatten, GlobalAveragePool, Layer, MaxPool, Rescale


@pytest.fixture
def small_table() -> tuple[Layer, ...]:
    """Every kind of layer but the average, for photos of 8×8; stages `block1`, `block2`, `top`."""
    return (
        Conv("block1_conv1", "block1", 3, 4),
        MaxPool("block1_pool", "block1"),
        Conv("block2_conv1", "block2", 4, 6),
        MaxPool("block2_pool", "block2"),
        Flatten("flatten", "top"),
        Rescale("rescale", "top"),
        Dense("fc1", "top", 2 * 2 * 6, 32, "relu"),
        Dropout("dropout1", "top", 0.5),
        Dense("predictions", "top", 32, 3, "none"),
    )


@pytest.fixture
def pooled_table() -> tuple[Layer, ...]:
    """A convolution with a linear head; stages `block1` and `head`."""
    return (
        Conv("block1_conv1", "block1", 3, 4),
        GlobalAveragePool("avg_pool", "head"),
        Rescale("rescale", "head"),
        Dense("predictions", "head", 4, 2, "none"),
    )


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(20140904)  # the day of arXiv:1409.1556
