"""The head of a model as the few arrays that it is: enough to compute its logits again."""

from dataclasses import dataclass

import numpy as np

from catdog.config import HeadKind, Output, Scale
from catdog.inference.classifier import Classifier
from catdog.model.architecture import POOLS
from catdog.model.layers import GEM_FLOOR


@dataclass(frozen=True)
class PooledHead:
    """One dense layer behind pooled channels: a head `gem`, `concat` or `linear`.

    The logits are pooled(maps) / scale @ kernel + bias; probabilities are those of logits / temperature.
    """

    kind: HeadKind
    output: Output
    classes: tuple[str, ...]
    kernel: np.ndarray  # (channels, units) float32; twice the channels for `concat`: means, then maxima
    bias: np.ndarray  # (units,) float32
    scale: float
    temperature: float
    value: Scale | None  # of a `value` output: the value is logit · deviation + mean
    floor: float = GEM_FLOOR  # of a mean of cubes


def pooled_head(classifier: Classifier) -> PooledHead | None:
    """The head of a classifier; None where it has hidden layers, whose sums over channels say little."""
    head, tensors = classifier.head, classifier.tensors()
    if head.kind not in POOLS:
        return None
    return PooledHead(
        kind=head.kind,
        output=head.output,
        classes=classifier.classes,
        kernel=np.asarray(tensors["predictions/kernel"], np.float32),
        bias=np.asarray(tensors["predictions/bias"], np.float32),
        scale=float(tensors["rescale/scale"]),
        temperature=classifier.temperature,
        value=classifier.scale,
    )
