"""The freeze boundary: what is behind it moves, what is before it does not, by one and the same path."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog.config import Decoding, Head, TrainOptions
from catdog.features.answer import make_suffix
from catdog.model import weights
from catdog.model.architecture import CONVOLUTIONS
from catdog.runs import EpochRecord, Run, create_run
from catdog.training.fit import fit
from catdog.training.photos import find_photos
from catdog.training.prepare import prepare, run_config
from tests.prefixes import builtin_prefix


def _train(data: Path, folder: Path, unfreeze: str, epochs: int = 2, **changes: Any) -> Run:
    values: dict[str, Any] = {
        "data": str(data),
        "epochs": epochs,
        "batch_size": 16,
        "optimizer": "sgd",
        "learning_rate": 1e-3,
        "head": Head(),
        "unfreeze": unfreeze,
        "weights": "builtin",
        "valid_fraction": 0.2,
        "seed": 0,
        "decoding": Decoding(size=32),
        "strict": False,
    }
    options = TrainOptions(**(values | changes))
    prefix = builtin_prefix(unfreeze)
    photos = find_photos(options, workers=2)
    run = create_run(folder / "runs", unfreeze, run_config(options, photos, prefix))
    suffix = make_suffix(prefix, options.head, 2, size=options.decoding.size)
    job = prepare(options, photos, prefix, suffix, cache_root=folder / "cache", workers=2)
    records: Iterator[EpochRecord] = fit(
        run,
        job.trainer,
        suffix,
        job.train,
        job.valid,
        start=job.start,
        frozen=job.frozen,
        saved=job.saved,
        epochs=epochs,
    )
    assert [record.epoch for record in records] == list(range(1, epochs + 1))
    return run


@pytest.mark.parametrize("unfreeze", ["head", "block5", "block4", "all"])
def test_what_is_thawed_moves_and_nothing_else(shapes: Path, tmp_path: Path, unfreeze: str) -> None:
    run = _train(shapes, tmp_path, unfreeze)
    tensors, saved = run.read_model()
    source = weights.find_weights("builtin")
    pretrained = weights.read_tensors(source, CONVOLUTIONS)
    first = {"head": 18, "block5": 14, "block4": 10, "all": 0}[unfreeze]
    thawed = {layer.name for layer in CONVOLUTIONS[first:]}
    moved = {name for name in pretrained if name.split("/")[0] in thawed}
    assert tensors.keys() == moved | {"predictions/kernel", "predictions/bias", "rescale/scale"}
    for name in moved:
        assert not np.array_equal(tensors[name], pretrained[name].astype(np.float32)), name
    before = builtin_prefix(unfreeze)
    assert saved.prefix_digest == before.digest


def test_the_first_loss_is_the_same_wherever_the_boundary_is(shapes: Path, tmp_path: Path) -> None:
    # With a rate of nearly nothing the photos go through the same numbers, cached or not.
    losses = [
        _train(shapes, tmp_path / unfreeze, unfreeze, epochs=1, learning_rate=1e-12).history()[0].val_loss
        for unfreeze in ("head", "block5", "block3")
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=5e-3)
