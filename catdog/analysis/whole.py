"""A run together with the pretrained weights that it stands on."""

from pathlib import Path

import numpy as np

from catdog.analysis.classify import FindWeights, prefix_of
from catdog.features.prefix import shape_behind
from catdog.model.architecture import body
from catdog.model.export import Facts, WholeNetwork
from catdog.runs import Run

_LAST = ("predictions/kernel", "predictions/bias")  # what the logits come from, in every head


def whole_network(
    run: Run, *, find: FindWeights, memo_dir: Path | None, calibrate: bool = True
) -> WholeNetwork:
    """All its layers and float32 tensors.

    Args:
        calibrate: divide the last layer by the run's temperature: whoever computes the network then gets
            calibrated probabilities.

    Raises:
        RunError: the run has no model, or the weights are not those it was trained on.
        WeightsError: the pretrained weights cannot be read.
    """
    tensors, saved = run.read_model()
    prefix = prefix_of(run, saved, find=find, memo_dir=memo_dir)
    every = prefix.fixed_tensors() | tensors
    calibrated = calibrate and saved.temperature is not None
    if calibrated:
        every |= {name: every[name] / np.float32(saved.temperature) for name in _LAST}
    return WholeNetwork(
        Facts(saved.classes, saved.preprocessing, saved.head, saved.decoding, calibrated),
        tensors={name: value.astype(np.float32, copy=False) for name, value in every.items()},
        features=shape_behind(body(saved.head), saved.decoding.size),
    )
