"""The last layer of a head, fitted to the end by L-BFGS, with an L2 penalty that cross-validation chooses.

With nothing else to train, the loss is convex: the mean over the photos, plus `l2` / 2 times the sum of the
squared kernel. The bias has no penalty. With squared errors that is ridge regression; see `logistic_losses`.
L-BFGS: D. C. Liu, J. Nocedal, On the limited memory BFGS method for large scale optimization, Mathematical
Programming 45 (1989), from SciPy.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from catdog import large
from catdog.config import Loss, Output
from catdog.features import forward
from catdog.features.features import Features
from catdog.model import outputs
from catdog.model.suffix import Suffix, Tensors
from catdog.progress import Progress
from catdog.records import CrossValidation, Penalty
from catdog.training.events import NO_SUMS, Sums
from catdog.training.logistic_losses import losses_and_slopes, scores
from catdog.training.step import TrainState

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

KERNEL, BIAS = "predictions/kernel", "predictions/bias"

# From a strong penalty to a weak one, for inputs near 1.
PENALTIES = tuple(10 ** (-power / 2) for power in range(-2, 14))
_OF_VALUES = 10  # times as strong: the squared error has 8 times the largest curvature of the cross-entropy
_PATIENCE = 2  # weaker penalties that are tried after the best one
_SAMPLE = 20_000  # photos that are enough to choose a penalty

_MANY_INPUTS = 2**22  # numbers from which a GPU or TPU is faster, compiling included
_ROWS = 4096
_LARGE_PRODUCT = 2**28  # multiply-adds from which several threads are worth it
_STEPS = 300  # of L-BFGS, at most
_MEMORY = 20  # pairs of steps and gradients
_TOLERANCE = {"ftol": 1e-8, "gtol": 1e-5}
# Near enough to the end to tell penalties apart: ten times as fast.
_ROUGH = {"maxiter": 60, "ftol": 1e-6, "gtol": 3e-5}


@dataclass(frozen=True)
class Samples:
    """What the last layer is fitted to: a row for each view, first of all photos, then all second views, ...

    Attributes:
        inputs: of the layer, (n, d) float32.
        labels: as `catdog.model.outputs.photo_losses` takes them, (n,).
        weights: of each photo in the loss, (n,), their sum is n.
        units: of the layer; 1 for a `binary` or a `value` output.
    """

    inputs: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    units: int
    output: Output
    loss: Loss | None = None  # of a `value` output

    @property
    def nothing(self) -> np.ndarray:
        """A layer of zeros, as `fit` takes it, (d + 1, units)."""
        return np.zeros((self.inputs.shape[1] + 1, self.units))

    def select(self, rows: np.ndarray) -> "Samples":
        """Some of the photos; their weights are divided by the mean."""
        weights = self.weights[rows]
        chosen = {
            "inputs": self.inputs[rows],
            "labels": self.labels[rows],
            "weights": weights / weights.mean(),
        }
        return replace(self, **chosen)

    def predicted(self, photos: int) -> "Samples":
        """A row for each photo: the mean of its views, whose logits are the mean of theirs."""
        if len(self.labels) == photos:
            return self
        inputs = self.inputs.reshape(-1, photos, self.inputs.shape[1]).mean(axis=0, dtype=np.float32)
        return replace(self, inputs=inputs, labels=self.labels[:photos], weights=self.weights[:photos])

    def fit(self, layer: np.ndarray, l2: float, **options: float) -> np.ndarray:
        """The kernel above the bias, (d + 1, units) float64, starting from `layer`.

        Args:
            options: of SciPy's L-BFGS-B, such as `maxiter`, its steps.
        """
        from scipy.optimize import minimize  # other optimizers need not wait for it

        fractions = (self.weights / len(self.labels))[:, None].astype(np.float32)
        on_device = self.inputs.size >= _MANY_INPUTS and jax.default_backend() != "cpu"
        arrays = jax.device_put(_padded(self.inputs, self.labels, fractions)) if on_device else ()

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            if on_device:
                layer_now = flat.reshape(layer.shape).astype(np.float32)
                found = _value_and_gradient(layer_now, l2, *arrays, output=self.output, loss=self.loss)
                return float(found[0]), np.asarray(found[1], np.float64).ravel()
            layer_now = flat.reshape(layer.shape)
            rounded, kernel = layer_now.astype(np.float32), layer_now[:-1]
            gradient, loss = np.zeros(layer.shape), l2 / 2 * float((kernel**2).sum())
            for rows in large.blocks(self.inputs):  # of all, the logits may not fit into the memory
                inputs, labels = self.inputs[rows], self.labels[rows]
                losses, slopes = losses_and_slopes(_logits(inputs, rounded), labels, self.output, self.loss)
                slopes = slopes * fractions[rows]
                gradient += np.concatenate([inputs.T @ slopes, slopes.sum(0, keepdims=True)])
                loss += float(losses @ fractions[rows, 0])
            gradient[:-1] += l2 * kernel
            return loss, gradient.ravel()

        options = {"maxiter": _STEPS, "maxcor": _MEMORY, **_TOLERANCE, **options}
        threads = 1 if self.inputs.size * self.units < _LARGE_PRODUCT else None
        with _products().limit(limits=threads, user_api="blas"):
            found = minimize(objective, layer.ravel(), jac=True, method="L-BFGS-B", options=options)
        return found.x.reshape(layer.shape)

    def logits(self, layer: np.ndarray) -> np.ndarray:
        """(n, units) float32."""
        return _logits(self.inputs, layer)

    def losses(self, layer: np.ndarray) -> np.ndarray:
        """The loss of each photo, (n,), without weights."""

        def of_block(inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
            return losses_and_slopes(_logits(inputs, layer), labels, self.output, self.loss)[0]

        return large.by_block(of_block, self.inputs, self.labels)

    def sums(self, layer: np.ndarray) -> Sums:
        """Over all photos, with their weights in the loss; for the scores see `catdog.model.outputs`."""
        losses, found = self.losses(layer) * self.weights, self.scores(layer)
        return Sums(float(losses.sum()), float(found.sum()), len(self.labels))

    def scores(self, layer: np.ndarray) -> np.ndarray:
        """See `catdog.model.outputs.scores`."""

        def of_block(inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
            return scores(_logits(inputs, layer), labels, self.output)

        return large.by_block(of_block, self.inputs, self.labels)


def _logits(inputs: np.ndarray, layer: np.ndarray) -> np.ndarray:
    return (inputs @ layer[:-1].astype(np.float32) + layer[-1]).astype(np.float32)


def _padded(*arrays: np.ndarray) -> list[np.ndarray]:
    """With rows of zeros up to a multiple of `_ROWS`: folds of nearly the same size share a program."""
    rows = -len(arrays[0]) % _ROWS
    return [np.pad(array, [(0, rows), *[(0, 0)] * (array.ndim - 1)]) for array in arrays]


@partial(jax.jit, static_argnames=("output", "loss"))
def _value_and_gradient(
    layer: jax.Array,
    l2: float,
    inputs: jax.Array,
    labels: jax.Array,
    fractions: jax.Array,
    *,
    output: Output,
    loss: Loss | None,
) -> tuple[jax.Array, jax.Array]:
    """What `Samples.fit` minimizes, and its gradient, (d + 1, units), on a device."""

    def objective(layer: jax.Array) -> jax.Array:
        logits = jnp.matmul(inputs, layer[:-1], precision="highest") + layer[-1]
        losses = outputs.photo_losses(logits, labels, output, loss)
        return losses @ fractions[:, 0] + l2 / 2 * jnp.sum(layer[:-1] ** 2)

    return jax.value_and_grad(objective)(layer)


@cache
def _products() -> "ThreadpoolController":
    """The threads of NumPy's and SciPy's products.

    Those of L-BFGS are usually so small that threads wait for each other longer than they compute, on busy
    cores up to a hundred times as long. With one, the sums do not depend on the number of cores either.
    """
    import scipy.optimize  # noqa: F401  # its products have threads of their own
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def cross_validate(
    samples: Samples, folds: np.ndarray, report: Callable[[Progress], None]
) -> CrossValidation:
    """Choose the penalty with the lowest mean loss on held-out photos.

    Of many photos a sample decides; the penalty then becomes smaller by as much as all photos are more.

    Args:
        folds: the fold of each photo, (n,): the photos of one fold are predicted by a layer that was fitted
            to the others, all their views. Its mean logits over views are a photo's prediction. Those of
            fold -1 are not predicted.
    """
    count, views = len(folds), len(samples.labels) // len(folds)
    if count * views > _SAMPLE:
        rows = np.sort(np.random.default_rng(0).choice(count, _SAMPLE // views, replace=False))
        samples = samples.select((rows + count * np.arange(views)[:, None]).ravel())
        folds = folds[rows]
    numbers, photos = np.unique(folds[folds >= 0]), samples.predicted(len(folds))
    parts = [
        (samples.select(np.tile(folds != number, views)), photos.select(folds == number))
        for number in numbers
    ]
    layers = [samples.nothing] * len(parts)
    tried: list[Penalty] = []
    best = Penalty(0.0, math.inf, 0.0)
    factor = _OF_VALUES if samples.output == "value" else 1
    for penalty in (factor * penalty for penalty in PENALTIES):
        report(Progress("penalty", len(tried), len(PENALTIES)))
        layers = [
            train.fit(layer, penalty, **_ROUGH) for layer, (train, _) in zip(layers, parts, strict=True)
        ]
        held_out = [(layer, valid) for layer, (_, valid) in zip(layers, parts, strict=True)]
        losses = np.concatenate([valid.losses(layer) for layer, valid in held_out])
        correct = np.concatenate([valid.scores(layer) for layer, valid in held_out])
        l2 = penalty * len(folds) / count
        acc = None if samples.output == "value" else float(correct.mean())
        tried.append(Penalty(l2, float(losses.mean()), acc))
        best = min(tried, key=lambda result: result.loss)
        if len(tried) - tried.index(best) > _PATIENCE:
            break
    predicted = int((folds >= 0).sum())
    return CrossValidation(len(numbers), predicted, best.l2, best.loss, best.acc, tuple(tried))


class LogisticTrainer:
    """Trains the last layer of a suffix by L-BFGS, each step on all photos.

    The first epoch has two steps, each epoch twice as many as the one before: the first lines of the log show
    it learn, the last one is the end.

    Args:
        l2: the penalty.
        class_weights: of each class in the loss, (classes,).
        folds: the fold of each training photo, for a layer for each fold that is fitted to the others beside
            the one that is fitted to all; -1 if no layer leaves it out. None where there are validation
            photos.
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
        folds = [] if self._folds is None else np.unique(self._folds[self.held_out_rows])
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
        since: Sums = NO_SUMS,
        stop: Callable[[], bool] = lambda: False,
    ) -> tuple[TrainState, Sums]:
        """See `Trainer.epoch`; the sums are those after the epoch, which is never stopped within it."""
        if self._samples is None:
            arguments = state.params, constants, condensed, labels, self._class_weights
            self._samples = samples_of(self._suffix, *arguments)
        if since.photos:
            return state, since
        samples = self._samples
        views, photos = len(samples.labels) // len(labels), samples.predicted(len(labels))
        steps = min(2**epoch, _STEPS)
        params = self._advance(samples, state.params, steps)
        others = {
            fold: self._advance(samples.select(np.tile(self._folds != int(fold), views)), layer, steps)
            for fold, layer in state.optimizer.items()
        }
        sums = photos.sums(_stacked(params))
        report(sums)
        return TrainState(params, others, state.step + steps), sums

    def kept(self, state: TrainState) -> Tensors:
        """See `Trainer.kept`."""
        return state.params

    def _advance(self, samples: Samples, params: Tensors, steps: int) -> Tensors:
        return _tensors(samples.fit(_stacked(params), self._l2, maxiter=steps))

    @property
    def held_out_rows(self) -> np.ndarray:
        """The training photos that a layer leaves out, (m,)."""
        assert self._folds is not None
        return np.flatnonzero(self._folds >= 0)

    def held_out(self, state: TrainState) -> np.ndarray:
        """Logits of `held_out_rows`, each from the layer that was not fitted to the photo, (m, units)."""
        assert self._samples and self._folds is not None
        photos = self._samples.predicted(len(self._folds))
        logits = np.zeros((len(self._folds), photos.units), np.float32)
        for fold, params in state.optimizer.items():
            inside = self._folds == int(fold)
            logits[inside] = photos.select(inside).logits(_stacked(params))
        return logits[self.held_out_rows]


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
    """The inputs of the suffix's last layer for condensed features, with labels and weights.

    Args:
        labels: of the photos, (n,); `condensed` may have several views of each.
    """
    inputs = forward.logits(suffix, params, constants, condensed, until=len(suffix.layers) - 1)
    labels = np.concatenate([labels] * (len(inputs) // len(labels)))
    weights = np.ones(len(labels)) if class_weights is None else class_weights[labels]
    weights, units = weights * len(labels) / weights.sum(), params[KERNEL].shape[1]
    return Samples(inputs, labels, weights, units, suffix.output, suffix.loss)


def _tensors(layer: np.ndarray) -> Tensors:
    return {KERNEL: jnp.asarray(layer[:-1], jnp.float32), BIAS: jnp.asarray(layer[-1], jnp.float32)}


def _stacked(params: Tensors) -> np.ndarray:
    return np.concatenate([np.asarray(params[KERNEL]), np.asarray(params[BIAS])[None]]).astype(np.float64)
