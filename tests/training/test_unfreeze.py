"""The freeze boundary: what is behind it moves, what is before it does not, by one and the same path."""

from pathlib import Path

import numpy as np
import pytest

from catdog.model.architecture import CONVOLUTIONS
from catdog.weights import source as weights
from tests.prefixes import builtin_prefix
from tests.training.whole import train


@pytest.mark.slow
@pytest.mark.parametrize("unfreeze", ["head", "block5"])
def test_what_is_thawed_moves_and_nothing_else(shapes: Path, tmp_path: Path, unfreeze: str) -> None:
    run = train(shapes, tmp_path, unfreeze, optimizer="adam")
    saved = run.read_model()[1]
    state, _ = run.read_state() or ({}, {})
    tensors = {
        name.removeprefix("tensors/"): value for name, value in state.items() if name.startswith("tensors/")
    }
    source = weights.find_weights("builtin")
    pretrained = weights.read_tensors(source, CONVOLUTIONS)
    first = {"head": 18, "block5": 14}[unfreeze]
    thawed = {layer.name for layer in CONVOLUTIONS[first:]}
    moved = {name for name in pretrained if name.split("/")[0] in thawed}
    assert tensors.keys() == moved | {"predictions/kernel", "predictions/bias", "rescale/scale"}
    for name in moved:
        assert not np.array_equal(tensors[name], pretrained[name].astype(np.float32)), name
    before = builtin_prefix(unfreeze)
    assert saved.prefix_digest == before.digest


@pytest.mark.slow
def test_the_first_loss_is_the_same_wherever_the_boundary_is(shapes: Path, tmp_path: Path) -> None:
    # The photos go through the same numbers, cached or not, to the fitted head.
    losses = [
        train(shapes, tmp_path / unfreeze, unfreeze, epochs=1, l2=0.1).history()[0].val_loss
        for unfreeze in ("block5", "block3")
    ]
    assert losses == pytest.approx([losses[0]] * 2, rel=5e-3)
