"""Images of what a model's classes and its trained units look for, computed for one page; see `synthetic`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from catdog.inference.classifier import Classifier
from catdog.insight.head import pooled_head
from catdog.insight.synthetic import ClassScore, Recipe, Score, UnitScore, synthesize
from catdog.model import winograd
from catdog.model.architecture import CONVOLUTIONS, describe, head
from catdog.model.convolution import convolve3x3
from catdog.model.layers import Conv
from catdog.model.suffix import Suffix
from catdog.progress import OnProgress, Progress

SIZE, STEPS = 96, 96  # pixels of an image; more of either shows more, and takes longer
CLASSES = 4  # that have an image, at most: the most probable
UNITS = 3  # of the last layer that was trained: the strongest on the photo
_ROWS = 2  # images that are computed together

Images = dict[int, np.ndarray]  # by class or unit: (SIZE, SIZE, 3), uint8


@dataclass(frozen=True)
class OwnImages:
    """Of a model that was trained."""

    classes: Images
    layer: str  # the last convolution that was trained; empty where none was
    before: Images  # of its units, with the pretrained weights
    after: Images


def own_images(
    classifier: Classifier, classes: Sequence[int], units: Mapping[str, Sequence[int]], report: OnProgress
) -> OwnImages:
    """Compute images of some classes, and of units before and after the training.

    A head with hidden layers has none of classes: it takes maps of one size only.

    Args:
        classes: their numbers; the first few are used.
        units: of each layer; the first few are used.

    Raises:
        WeightsError: the weights of the classifier are no longer there.
    """
    trained = [layer.name for layer in classifier.prefix.thawed if isinstance(layer, Conv)]
    layer = trained[-1] if trained else ""
    wanted: list[tuple[int, ...]] = [(each,) for each in classes[:CLASSES]] if pooled_head(classifier) else []
    chosen: list[tuple[int, ...]] = [(0, unit) for unit in units[layer][:UNITS]] if layer else []
    last = [each.name for each in CONVOLUTIONS].index(layer) if layer else 0
    of_units = UnitScore(CONVOLUTIONS[: last + 1], (layer,))
    after, before = classifier.tensors(), classifier.pretrained()
    jobs = [(_class_score(classifier), after, wanted), (of_units, after, chosen), (of_units, before, chosen)]
    total, found = sum(len(targets) for *_, targets in jobs), []
    for score, tensors, targets in jobs:
        arrays = {name: jnp.asarray(tensor, jnp.float32) for name, tensor in tensors.items()}
        made: Images = {}
        for start in range(0, len(targets), _ROWS):
            report(Progress("images", sum(map(len, found)) + start, total))
            part = targets[start : start + _ROWS]
            images = _images(classifier, score, arrays, part)
            made |= {target[-1]: image for target, image in zip(part, images, strict=True)}
        found.append(made)
    return OwnImages(found[0], layer, after=found[1], before=found[2])


def _images(
    classifier: Classifier, score: Score, tensors: Mapping[str, jax.Array], targets: list[tuple[int, ...]]
) -> np.ndarray:
    """(targets, SIZE, SIZE, 3); at most `_ROWS` targets."""
    padded = np.array([*targets, *targets[-1:] * (_ROWS - len(targets))])
    found = synthesize(
        score,
        tensors,
        padded,
        size=SIZE,
        steps=STEPS,
        preprocessing=classifier.preprocessing,
        recipe=Recipe(),
    )
    return found.pixels[: len(targets)]


def _class_score(classifier: Classifier) -> ClassScore:
    features = describe(CONVOLUTIONS, input_shape=(SIZE, SIZE, 3))[-1].output_shape
    network = Suffix(
        (*CONVOLUTIONS, *head(classifier.head, len(classifier.classes), features=features)),
        classifier.output,
        preprocessing=classifier.preprocessing,
        dtype="float32",
        convolve=winograd.convolve_batch if jax.default_backend() == "cpu" else convolve3x3,
    )
    return ClassScore(network)
