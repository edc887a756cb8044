"""A run together with the pretrained weights that it stands on."""

from collections.abc import Callable

import numpy as np

from catdog.config import ModelSpec
from catdog.export.files import WholeNetwork
from catdog.features.prefix import shape_behind
from catdog.inference.classifier import prefix_of
from catdog.model.architecture import body
from catdog.progress import Progress
from catdog.runs import Run
from catdog.workspace import Workspace

_LAST = ("predictions/kernel", "predictions/bias")  # what the logits come from, in every head


def whole_network(
    run: Run,
    *,
    workspace: Workspace,
    calibrate: bool = True,
    report: Callable[[Progress], None] = lambda _: None,
) -> WholeNetwork:
    """All its layers and float32 tensors.

    Args:
        calibrate: divide the last layer by the run's temperature: whoever computes the network then gets
            calibrated probabilities.
        report: called while weights are downloaded.

    Raises:
        RunError: the run has no model, or the weights are not those it was trained on.
        WeightsError: the pretrained weights cannot be read.
    """
    tensors, saved = run.read_model()
    prefix = prefix_of(run, saved, workspace=workspace, report=report)
    every = prefix.fixed_tensors() | tensors
    calibrated = calibrate and saved.temperature is not None
    if calibrated:
        every |= {name: every[name] / np.float32(saved.temperature) for name in _LAST}
    return WholeNetwork(
        ModelSpec(saved.classes, saved.preprocessing, saved.head, saved.decoding, calibrated),
        tensors={name: value.astype(np.float32, copy=False) for name, value in every.items()},
        features=shape_behind(body(saved.head), saved.decoding.size),
    )
