"""A run together with the pretrained weights below its trained layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from catdog.config import ModelSpec, Scale
from catdog.features.prefix import shape_behind
from catdog.inference.classifier import foundation
from catdog.model.architecture import body, head
from catdog.model.layers import Dropout, Layer, Rescale
from catdog.model.thresholds import without_temperature
from catdog.progress import OnProgress, unreported
from catdog.runs import Run
from catdog.workspace import Workspace

_LAST = ("predictions/kernel", "predictions/bias")  # the last layer of every head


@dataclass(frozen=True)
class WholeNetwork:
    """Everything that is needed to predict."""

    spec: ModelSpec
    tensors: Mapping[str, np.ndarray]  # of all layers, float32, by `layer/part`

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that compute something in a prediction, from the first convolution to the logits."""
        pretrained = body(self.spec.head)
        features = shape_behind(pretrained, self.spec.decoding.size)
        new = head(self.spec.head, len(self.spec.classes), features=features)
        return tuple(layer for layer in (*pretrained, *new) if not isinstance(layer, Dropout))

    def folded(self) -> dict[str, np.ndarray]:
        """The tensors without a Rescale: the next layer's kernel is divided instead, for the same outputs."""
        tensors = dict(self.tensors)
        for layer, following in zip(self.layers, self.layers[1:], strict=False):
            if isinstance(layer, Rescale):
                scale = tensors.pop(f"{layer.name}/scale")
                tensors[f"{following.name}/kernel"] = tensors[f"{following.name}/kernel"] / scale
        return tensors


def whole_network(
    run: Run, *, workspace: Workspace, calibrate: bool = True, report: OnProgress = unreported
) -> WholeNetwork:
    """All its layers and float32 tensors. For the arguments and errors see `catdog.export.export`."""
    trained, spec = run.read_model()
    spec = spec if calibrate else without_temperature(spec)
    _, prefix = foundation(run, spec, workspace=workspace, report=report)
    tensors = prefix.fixed_tensors() | trained
    calibrated = spec.temperature is not None
    if calibrated:
        tensors |= {name: tensors[name] / np.float32(spec.temperature) for name in _LAST}
    if scale := spec.scale:  # the last layer gives the value itself
        tensors |= {name: tensors[name] * np.float32(scale.deviation) for name in _LAST}
        tensors["predictions/bias"] = tensors["predictions/bias"] + np.float32(scale.mean)
        scale = Scale(0.0, 1.0, scale.unit)
    return WholeNetwork(
        ModelSpec(
            spec.classes,
            spec.preprocessing,
            spec.head,
            spec.decoding,
            calibrated,
            views=spec.views,
            other_sizes=spec.other_sizes,
            scale=scale,
            thresholds=spec.thresholds,
        ),
        {name: value.astype(np.float32, copy=False) for name, value in tensors.items()},
    )
