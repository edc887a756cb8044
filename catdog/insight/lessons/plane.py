"""The plane that holds most of the optimizers' paths, and the real loss on it.

On a plane through the start, the logits of a photo are a·first + b·second: a page computes any loss and any
gradient there from two arrays, exactly. The paths are projected. Source of the idea: H. Li et al.,
Visualizing the Loss Landscape of Neural Nets, NeurIPS 2018 (arXiv:1712.09913), section 7.
"""

from dataclasses import dataclass

import numpy as np

from catdog.insight.lessons.material import PENALTY
from catdog.insight.lessons.race import Race
from catdog.training.logistic import Samples

_MARGIN = 0.25  # of the extent of the paths, on each side


@dataclass(frozen=True)
class Plane:
    """Attributes:
    first, second: logits of n photos for a step of length 1 along each axis, (n, k) float32 each.
    labels: of the photos, (n,).
    penalty: of a² / 2, of a · b and of b² / 2.
    paths: of each optimizer with the right learning rate, (EPOCHS + 1, 2), by its name.
    fractions: of each path's squared distances from the start, that of the part inside the plane.
    lows, highs: the corners of the part that holds all paths, (2,) each.
    """

    first: np.ndarray
    second: np.ndarray
    labels: np.ndarray
    penalty: tuple[float, float, float]
    paths: dict[str, np.ndarray]
    fractions: dict[str, float]
    lows: np.ndarray
    highs: np.ndarray

    def loss(self, a: float, b: float) -> float:
        """At a place of the plane, with the penalty; nats."""
        logits = a * self.first.astype(np.float64) + b * self.second.astype(np.float64)
        largest = logits.max(axis=1)
        total = np.log(np.exp(logits - largest[:, None]).sum(axis=1)) + largest
        losses = total - logits[np.arange(len(self.labels)), self.labels]
        of_first, of_both, of_second = self.penalty
        return float(losses.mean() + of_first * a * a / 2 + of_both * a * b + of_second * b * b / 2)


def plane_of(found: Race) -> Plane:
    """The plane of the two principal components of all paths, measured from the start.

    Each path has the same weight: it is divided by its root mean square distance from the start.
    """
    ways = {racer.optimizer.name: racer.runs["right"].layers.astype(np.float64) for racer in found.racers}
    flat = {name: layers.reshape(len(layers), -1) for name, layers in ways.items()}
    squares = {name: float((path**2).sum()) for name, path in flat.items()}
    equal = np.concatenate([path / max(squares[name], 1e-30) ** 0.5 for name, path in flat.items()])
    values, vectors = np.linalg.eigh(equal @ equal.T)  # of far fewer rows than columns
    axes = [vectors[:, -number] @ equal / max(values[-number], 1e-30) ** 0.5 for number in (1, 2)]
    paths = {name: np.stack([path @ axis for axis in axes], axis=1) for name, path in flat.items()}
    corners = np.concatenate(list(paths.values()))
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = _MARGIN * np.maximum(high - low, 0.1 * (high - low).max())
    first, second = (axis.reshape(ways["gd"].shape[1:]) for axis in axes)
    products = (first, first), (first, second), (second, second)
    samples = found.samples
    return Plane(
        _logits(samples, first),
        _logits(samples, second),
        samples.labels,
        tuple(PENALTY * float((left[:-1] * right[:-1]).sum()) for left, right in products),  # pyright: ignore[reportArgumentType]
        paths,
        {name: float((paths[name] ** 2).sum()) / max(squares[name], 1e-30) for name in paths},
        low - margin,
        high + margin,
    )


def _logits(samples: Samples, layer: np.ndarray) -> np.ndarray:
    return (samples.inputs @ layer[:-1] + layer[-1]).astype(np.float32)
