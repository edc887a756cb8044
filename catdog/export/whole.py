"""A run together with the pretrained weights below its trained layers."""

from collections.abc import Callable

import numpy as np

from catdog.config import ModelSpec
from catdog.export.files import WholeNetwork
from catdog.features.prefix import shape_behind
from catdog.inference.classifier import foundation
from catdog.model.architecture import body
from catdog.progress import Progress
from catdog.runs import Run
from catdog.workspace import Workspace

_LAST = ("predictions/kernel", "predictions/bias")  # the last layer of every head


def whole_network(
    run: Run,
    *,
    workspace: Workspace,
    calibrate: bool = True,
    report: Callable[[Progress], None] = lambda _: None,
) -> WholeNetwork:
    """All its layers and float32 tensors.

    Args:
        calibrate: divide the last layer by the run's temperature, so that the network's probabilities are
            calibrated.
        report: called while weights are downloaded.

    Raises:
        RunError: the run has no model, or the weights are not those it was trained on.
        WeightsError: the pretrained weights cannot be read.
    """
    trained, spec = run.read_model()
    _, prefix = foundation(run, spec, workspace=workspace, report=report)
    tensors = prefix.fixed_tensors() | trained
    calibrated = calibrate and spec.temperature is not None
    if calibrated:
        tensors |= {name: tensors[name] / np.float32(spec.temperature) for name in _LAST}
    return WholeNetwork(
        ModelSpec(spec.classes, spec.preprocessing, spec.head, spec.decoding, calibrated),
        tensors={name: value.astype(np.float32, copy=False) for name, value in tensors.items()},
        features=shape_behind(body(spec.head), spec.decoding.size),
    )
