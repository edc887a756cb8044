"""A run together with the pretrained weights that it stands on."""

from pathlib import Path

import numpy as np

from catdog.analysis.classify import FindWeights, prefix_of
from catdog.features.prefix import shape_behind
from catdog.model.architecture import body
from catdog.model.export import Facts, WholeNetwork
from catdog.runs import Run


def whole_network(run: Run, *, find: FindWeights, memo_dir: Path | None) -> WholeNetwork:
    """All its layers and float32 tensors.

    Raises:
        RunError: the run has no model, or the weights are not those it was trained on.
        WeightsError: the pretrained weights cannot be read.
    """
    tensors, saved = run.read_model()
    prefix = prefix_of(run, saved, find=find, memo_dir=memo_dir)
    every = prefix.fixed_tensors() | tensors
    return WholeNetwork(
        Facts(saved.classes, saved.preprocessing, saved.head, saved.decoding),
        tensors={name: value.astype(np.float32, copy=False) for name, value in every.items()},
        features=shape_behind(body(saved.head), saved.decoding.size),
    )
