"""The optimizers' race: each optimizer of the family tree trains the same last layer from the same start."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from catdog.insight.lessons.descent import Data, Params, batches_of, descend, masked_mean
from catdog.insight.lessons.material import MOST, PENALTY, Material
from catdog.model import outputs
from catdog.training.logistic import BIAS, KERNEL, Samples
from catdog.training.optimizers import OPTIMIZERS, Optimizer

EPOCHS, BATCH = 30, 32
RATES = tuple(float(f"{10 ** (power / 2):.1g}") for power in range(-8, 3))  # 1e-4 … 10
APART = 30  # the right rate divided by it is too small, multiplied by it too large
_TIMED = 3  # runs, the fastest counts


@dataclass(frozen=True)
class Run:
    """One optimizer with one learning rate.

    Attributes:
        losses: of all training photos, with the penalty, at the start and after each epoch, (EPOCHS + 1,).
        layers: the kernel above the bias at the same times, (EPOCHS + 1, d + 1, k).
    """

    rate: float
    losses: np.ndarray
    layers: np.ndarray


@dataclass(frozen=True)
class Racer:
    """One optimizer.

    Attributes:
        runs: by "small", "right" and "large", the learning rate: right has the lowest last loss of `RATES`.
            `lbfgs` finds its own step sizes and has "right" alone; an epoch is one of its steps.
        seconds: of an epoch of the right run, the measurement of its loss included, without compiling.
    """

    optimizer: Optimizer
    runs: dict[str, Run]
    seconds: float


@dataclass(frozen=True)
class Race:
    """What `race` found; `lowest` is the lowest loss that there is, as L-BFGS finds it."""

    samples: Samples
    racers: list[Racer]
    lowest: float


def race(material: Material, report: Callable[[int], None]) -> Race:
    """Let all optimizers run.

    Args:
        report: called with the number of optimizers that are done.
    """
    samples = material.train.some(MOST).samples
    racers = []
    for optimizer in OPTIMIZERS.values():
        racers.append(_fitted(samples) if optimizer.name == "lbfgs" else _racer(samples, optimizer))
        report(len(racers))
    best = samples.fit(samples.nothing, PENALTY, maxiter=1000, ftol=1e-12, gtol=1e-9)
    return Race(samples, racers, _objective(samples, best))


def run(samples: Samples, optimizer: Optimizer, rate: float, epochs: int, batch_size: int) -> Run:
    """Train a last layer from zero."""
    losses, params = jax.block_until_ready(_descended(samples, optimizer, rate, epochs, batch_size))
    layers = np.concatenate([params[KERNEL], params[BIAS][:, None]], axis=1)
    return Run(rate, np.asarray(losses), layers)


def _racer(samples: Samples, optimizer: Optimizer) -> Racer:
    def at(rate: float) -> Run:
        return run(samples, optimizer, rate, EPOCHS, BATCH)

    tried = {rate: at(rate) for rate in RATES}
    right = min(RATES, key=lambda rate: _last(tried[rate]))
    runs = {"small": at(right / APART), "right": tried[right], "large": at(right * APART)}
    return Racer(optimizer, runs, _seconds(lambda: at(right)) / EPOCHS)


def _fitted(samples: Samples) -> Racer:
    """L-BFGS after 0, 1, 2, ... steps; it has the same bits each time."""

    def after(steps: int) -> np.ndarray:
        return samples.fit(samples.nothing, PENALTY, maxiter=steps) if steps else samples.nothing

    layers = np.stack([after(steps) for steps in range(EPOCHS + 1)]).astype(np.float32)
    losses = np.array([_objective(samples, layer) for layer in layers])
    seconds = _seconds(lambda: after(EPOCHS)) / EPOCHS
    return Racer(OPTIMIZERS["lbfgs"], {"right": Run(1.0, losses, layers)}, seconds)


def _descended(samples: Samples, optimizer: Optimizer, rate: float, epochs: int, batch_size: int) -> Data:
    size = len(samples.labels) if optimizer.whole_epoch else batch_size
    batches = batches_of(len(samples.labels), batch_size=size, epochs=epochs, seed=0)
    start = {KERNEL: jnp.zeros((samples.inputs.shape[1], samples.units)), BIAS: jnp.zeros(samples.units)}
    data = (samples.inputs, samples.labels)
    return descend(
        _loss, _measure, optimizer.build, jnp.float32(rate), start, data, batches, jax.random.key(0)
    )


def _loss(params: Params, data: Data, rows: jax.Array, mask: jax.Array, _: jax.Array) -> jax.Array:
    inputs, labels = data
    losses = outputs.photo_losses(inputs[rows] @ params[KERNEL] + params[BIAS], labels[rows], "category")
    return masked_mean(losses, mask) + PENALTY / 2 * jnp.sum(params[KERNEL] ** 2)


def _measure(params: Params, data: Data) -> tuple[jax.Array, Params]:
    everything = jnp.arange(len(data[1]))
    return _loss(params, data, everything, jnp.ones(len(everything)), everything), params


def _objective(samples: Samples, layer: np.ndarray) -> float:
    return float(samples.losses(layer).mean() + PENALTY / 2 * (layer[:-1] ** 2).sum())


def _last(run: Run) -> float:
    return float(run.losses[-1]) if np.isfinite(run.losses).all() else np.inf


def _seconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)
