"""The last layer of a head, fitted to the end by L-BFGS, with an L2 penalty that cross-validation chooses.

With nothing else to train, the loss is convex: the mean cross-entropy of the photos, in nats, plus
`l2` / 2 times the sum of the squared kernel. The bias has no penalty. L-BFGS: D. C. Liu, J. Nocedal, On the
limited memory BFGS method for large scale optimization, Mathematical Programming 45 (1989), from SciPy.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from catdog.features import forward
from catdog.features.features import Features
from catdog.model.layers import Conv, Dense, Dropout
from catdog.model.suffix import Suffix, Tensors
from catdog.progress import Progress
from catdog.records import CrossValidation, Penalty
from catdog.training.events import Sums
from catdog.training.step import TrainState

KERNEL, BIAS = "predictions/kernel", "predictions/bias"

# From a strong penalty to a weak one, for inputs near 1.
PENALTIES = tuple(10 ** (-power / 2) for power in range(-2, 14))
_PATIENCE = 2  # weaker penalties that are tried after the best one
_SAMPLE = 20_000  # photos that are enough to choose a penalty

_STEPS = 300  # of L-BFGS, at most
_MEMORY = 20  # pairs of steps and gradients
_TOLERANCE = {"ftol": 1e-8, "gtol": 1e-5}
# Near enough to the end to tell penalties apart: ten times as fast.
_ROUGH = {"maxiter": 60, "ftol": 1e-6, "gtol": 3e-5}


def is_logistic(suffix: Suffix) -> bool:
    """Whether only the last layer is trained, and nothing before it is random."""
    trained = [
        layer
        for layer in suffix.layers
        if isinstance(layer, Conv | Dense) and f"{layer.name}/kernel" not in suffix.frozen
    ]
    random = any(isinstance(layer, Dropout) for layer in suffix.layers)
    return trained == [suffix.layers[-1]] and not random


@dataclass(frozen=True)
class Samples:
    """What the last layer is fitted to.

    Attributes:
        inputs: of the layer, (n, d) float32.
        labels: (n,) int32.
        weights: of each photo in the loss, (n,), their sum is n.
        units: of the layer; 1 for a `binary` output.
    """

    inputs: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    units: int

    def select(self, rows: np.ndarray) -> "Samples":
        """Some of the photos; their weights are divided by the mean."""
        weights = self.weights[rows]
        return Samples(self.inputs[rows], self.labels[rows], weights / weights.mean(), self.units)

    def fit(self, layer: np.ndarray, l2: float, **options: float) -> np.ndarray:
        """The kernel above the bias, (d + 1, units) float64, starting from `layer`.

        Args:
            options: of SciPy's L-BFGS-B, such as `maxiter`, its steps.
        """
        fractions = (self.weights / len(self.labels))[:, None].astype(np.float32)

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            kernel, bias = flat.reshape(layer.shape)[:-1], flat.reshape(layer.shape)[-1]
            losses, slopes = self._losses(self.inputs @ kernel.astype(np.float32) + bias.astype(np.float32))
            slopes = slopes * fractions
            gradient = np.concatenate([self.inputs.T @ slopes + l2 * kernel, slopes.sum(0, keepdims=True)])
            loss = float(losses @ fractions[:, 0]) + l2 / 2 * float((kernel**2).sum())
            return loss, gradient.astype(np.float64).ravel()

        options = {"maxiter": _STEPS, "maxcor": _MEMORY, **_TOLERANCE, **options}
        return minimize(objective, layer.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(
            layer.shape
        )

    def logits(self, layer: np.ndarray) -> np.ndarray:
        """(n, units) float32."""
        return (self.inputs @ layer[:-1].astype(np.float32) + layer[-1]).astype(np.float32)

    def losses(self, layer: np.ndarray) -> np.ndarray:
        """Cross-entropy of each photo, (n,), without weights."""
        return self._losses(self.logits(layer))[0]

    def correct(self, layer: np.ndarray) -> np.ndarray:
        """Whether each photo's class is predicted correctly, (n,) bool."""
        logits = self.logits(layer)
        return (logits[:, 0] > 0 if self.units == 1 else logits.argmax(axis=1)) == self.labels

    def sums(self, layer: np.ndarray) -> Sums:
        """Over all photos, with their weights in the loss."""
        losses, correct = self.losses(layer) * self.weights, self.correct(layer)
        return Sums(float(losses.sum()), float(correct.sum()), len(self.labels))

    def _losses(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cross-entropy of each photo, (n,), and its derivatives with respect to the logits, (n, units)."""
        both = np.concatenate([np.zeros_like(logits), logits], axis=1) if self.units == 1 else logits
        log_probabilities = both - logsumexp(both, axis=1, keepdims=True)
        slopes = np.exp(log_probabilities)
        rows = np.arange(len(self.labels))
        slopes[rows, self.labels] -= 1
        return -log_probabilities[rows, self.labels], slopes[:, -self.units :]


def cross_validate(
    samples: Samples, folds: np.ndarray, report: Callable[[Progress], None]
) -> CrossValidation:
    """Choose the penalty with the lowest mean cross-entropy on held-out photos.

    Of many photos a sample decides; the penalty then becomes smaller by as much as all photos are more.

    Args:
        folds: the fold of each photo, (n,): the photos of one fold are predicted by a layer that was fitted
            to the others.
    """
    count = len(folds)
    if count > _SAMPLE:
        rows = np.sort(np.random.default_rng(0).choice(count, _SAMPLE, replace=False))
        samples, folds = samples.select(rows), folds[rows]
    numbers = np.unique(folds)
    parts = [(samples.select(folds != number), samples.select(folds == number)) for number in numbers]
    layers = [np.zeros((samples.inputs.shape[1] + 1, samples.units))] * len(parts)
    tried: list[Penalty] = []
    best = Penalty(0.0, math.inf, 0.0)
    for penalty in PENALTIES:
        report(Progress("penalty", len(tried), len(PENALTIES)))
        layers = [
            train.fit(layer, penalty, **_ROUGH) for layer, (train, _) in zip(layers, parts, strict=True)
        ]
        held_out = [(layer, valid) for layer, (_, valid) in zip(layers, parts, strict=True)]
        losses = np.concatenate([valid.losses(layer) for layer, valid in held_out])
        correct = np.concatenate([valid.correct(layer) for layer, valid in held_out])
        l2 = penalty * len(folds) / count
        tried.append(Penalty(l2, float(losses.mean()), float(correct.mean())))
        best = min(tried, key=lambda result: result.loss)
        if len(tried) - tried.index(best) > _PATIENCE:
            break
    return CrossValidation(len(numbers), len(folds), best.l2, best.loss, best.acc, tuple(tried))


class LogisticTrainer:
    """Trains the last layer of a suffix by L-BFGS, each step on all photos.

    The first epoch has two steps, each epoch twice as many as the one before: the first lines of the log show
    it learn, the last one is the end.

    Args:
        l2: the penalty.
        class_weights: of each class in the loss, (classes,).
        folds: the fold of each training photo, for a layer for each fold that is fitted to the others beside
            the one that is fitted to all; None where there are validation photos.
    """

    keeps_last = True  # the validation photos choose nothing

    def __init__(
        self, suffix: Suffix, *, l2: float, class_weights: np.ndarray | None, folds: np.ndarray | None
    ):
        self._suffix, self._l2 = suffix, l2
        self._class_weights, self._folds = class_weights, folds
        self._samples: Samples | None = None

    def initial(self, params: Tensors) -> TrainState:
        """The state before the first step; the layers of the folds are where an optimizer's state is."""
        folds = [] if self._folds is None else np.unique(self._folds)
        return TrainState(params, {str(fold): params for fold in folds}, jnp.zeros((), jnp.int32))

    def epoch(
        self,
        state: TrainState,
        constants: Tensors,
        condensed: Features,
        labels: np.ndarray,
        *,
        epoch: int,
        report: Callable[[Sums], None],
    ) -> tuple[TrainState, Sums]:
        """See `Trainer.epoch`; the sums are those after the epoch."""
        if self._samples is None:
            arguments = state.params, constants, condensed, labels, self._class_weights
            self._samples = samples_of(self._suffix, *arguments)
        samples = self._samples
        steps = min(2**epoch, _STEPS)
        params = self._advance(samples, state.params, steps)
        others = {
            fold: self._advance(samples.select(self._folds != int(fold)), layer, steps)
            for fold, layer in state.optimizer.items()
        }
        sums = samples.sums(_stacked(params))
        report(sums)
        return TrainState(params, others, state.step + steps), sums

    def kept(self, state: TrainState) -> Tensors:
        """See `Trainer.kept`."""
        return state.params

    def _advance(self, samples: Samples, params: Tensors, steps: int) -> Tensors:
        return _tensors(samples.fit(_stacked(params), self._l2, maxiter=steps))

    def held_out(self, state: TrainState) -> np.ndarray:
        """Logits of all training photos, each from the layer that was not fitted to it, (n, units)."""
        assert self._samples and self._folds is not None
        logits = np.zeros((len(self._folds), self._samples.units), np.float32)
        for fold, params in state.optimizer.items():
            inside = self._folds == int(fold)
            logits[inside] = self._samples.select(inside).logits(_stacked(params))
        return logits


class FittedHead(NamedTuple):
    """A last layer that is fitted to the end, before the layers behind it are trained."""

    params: Tensors  # of the whole suffix
    sums: Sums  # over the training photos


def fit_head(samples: Samples, params: Tensors, l2: float) -> FittedHead:
    """Fit the last layer of a suffix, with this penalty."""
    layer = samples.fit(_stacked(params), l2)
    return FittedHead(params | _tensors(layer), samples.sums(layer))


def samples_of(
    suffix: Suffix,
    params: Tensors,
    constants: Tensors,
    condensed: Features,
    labels: np.ndarray,
    class_weights: np.ndarray | None,
) -> Samples:
    """The inputs of the suffix's last layer for condensed features, with labels and weights."""
    inputs = forward.logits(suffix, params, constants, condensed, until=len(suffix.layers) - 1)
    weights = np.ones(len(labels)) if class_weights is None else class_weights[labels]
    return Samples(inputs, labels, weights * len(labels) / weights.sum(), params[KERNEL].shape[1])


def _tensors(layer: np.ndarray) -> Tensors:
    return {KERNEL: jnp.asarray(layer[:-1], jnp.float32), BIAS: jnp.asarray(layer[-1], jnp.float32)}


def _stacked(params: Tensors) -> np.ndarray:
    return np.concatenate([np.asarray(params[KERNEL]), np.asarray(params[BIAS])[None]]).astype(np.float64)
