"""A value, yes or no, and a category from the same features: three last layers for a model's own photos.

The value is the brightness of a photo, since it can be measured. Yes or no is whether the photo shows the
class that the model predicts.
"""

from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from catdog.config import Output, Scale, has_classes
from catdog.data import decode_for_people
from catdog.inference.classifier import Classifier
from catdog.insight.patches import Cached
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.outputs import probabilities
from catdog.model.scale import fit_scale, in_unit, standardized
from catdog.training.logistic import Samples

PENALTY, OF_VALUES = 0.01, 0.1  # L2 of the kernels. Not tuned; squared errors need a stronger one
_PHOTOS = 300  # that the layers are fitted to and measured on, at most
_FEWEST = 10
_HELD_OUT = 5  # each fifth photo
_SIDE = 64  # pixels of a photo whose brightness is measured


@dataclass(frozen=True)
class QuickOutput:
    """One last layer on the mean of each channel.

    Attributes:
        output: what it predicts; of `binary` the class is the one that the model predicts.
        found: for the photo: the brightness from 0 to 255, the probability of yes, or that of the class.
        held_out: the accuracy on photos that it was not fitted to, or of `value` the mean absolute error.
        guessing: the same of always the mean, or always the largest class.
    """

    output: Output
    found: float
    held_out: float
    guessing: float


@dataclass(frozen=True)
class ThreeOutputs:
    """In the order `value`, `binary`, `category`."""

    label: int  # the class of yes, and of the probability of a category
    brightness: float  # of the photo, as it was measured
    fitted: int  # photos
    held_out: int  # photos
    outputs: tuple[QuickOutput, ...]


def three_outputs(
    photo: Path, maps_hwc: np.ndarray, label: int, cached: Cached, classifier: Classifier
) -> ThreeOutputs | None:
    """Fit the layers; None where the model predicts no classes, or few features of its photos are cached.

    Args:
        photo: the one that they predict for.
        maps_hwc: of block5_pool for it.
        label: the class that the model predicts.
        cached: photos of the model.

    Raises:
        CacheError: the features have disappeared from the cache.
        PhotoError: a photo has disappeared meanwhile.
    """
    classes = classifier.classes
    rows = [row for row, each in enumerate(cached.photos) if each.label in classes][:_PHOTOS]
    usable = has_classes(classifier.output) and cached.layers == len(CONVOLUTIONS) and len(rows) >= _FEWEST
    if not usable or not cached.features:
        return None
    photos = [cached.photos[row] for row in rows]
    pooled = cached.features.gather(np.array(rows)).mean(axis=(1, 2), dtype=np.float32)
    here = maps_hwc.mean(axis=(0, 1), dtype=np.float32)[None] / pooled.std()
    labels = np.array([classes.index(each.label or "") for each in photos], np.int32)
    brightness = np.array([_brightness(each.path) for each in photos])
    scale = fit_scale(brightness, "")

    def quick(output: Output, targets: np.ndarray, units: int) -> QuickOutput:
        weights = np.ones(len(photos), np.float32)
        return _fitted(Samples(pooled / pooled.std(), targets, weights, units, output), here, label, scale)

    outputs = (
        quick("value", standardized(brightness, scale), 1),
        quick("binary", (labels == label).astype(np.int32), 1),
        quick("category", labels, len(classes)),
    )
    held_out = len(range(0, len(photos), _HELD_OUT))
    return ThreeOutputs(label, _brightness(photo), len(photos) - held_out, held_out, outputs)


def _brightness(photo: Path) -> float:
    """The mean of all its pixels and colours, 0…255."""
    return float(decode_for_people(photo, side=_SIDE).mean())


def _fitted(samples: Samples, here: np.ndarray, label: int, scale: Scale) -> QuickOutput:
    held_out = np.arange(len(samples.labels)) % _HELD_OUT == 0
    fitted, tested = (samples.select(np.flatnonzero(rows)) for rows in (~held_out, held_out))
    penalty = OF_VALUES if samples.output == "value" else PENALTY
    layer = fitted.fit(fitted.nothing, penalty)
    score = float(tested.scores(layer).mean())
    logits = (here @ layer[:-1] + layer[-1]).astype(np.float32)
    if samples.output == "value":
        guess = float(np.abs(tested.labels - fitted.labels.mean()).mean())
        found = float(in_unit(logits, scale)[0])
        return QuickOutput(samples.output, found, score * scale.deviation, guess * scale.deviation)
    largest = np.bincount(fitted.labels).argmax()
    place = label if samples.output == "category" else 1
    found = float(np.asarray(probabilities(jnp.asarray(logits), samples.output))[0, place])
    return QuickOutput(samples.output, found, score, float((tested.labels == largest).mean()))
