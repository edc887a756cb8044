"""A deep stack of dense layers, trained for 200 steps: ReLU and sigmoid, from Glorot's and He's start."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from catdog.insight.lessons.descent import Data, Params, batches_of, descend, masked_mean
from catdog.insight.lessons.gradients import ACTIVATIONS, STARTS, activated, drawn
from catdog.insight.lessons.material import MOST, Material
from catdog.model import outputs
from catdog.training.optimizers import OPTIMIZERS

DEPTH, UNITS = 10, 64  # hidden layers, and units of each
STEPS, EVERY, BATCH = 200, 10, 32  # the loss is measured after every 10 steps
RATES = (0.003, 0.03, 0.3)  # of momentum; the one with the lowest mean loss at the end is shown
SEEDS = 3


@dataclass(frozen=True)
class Stack:
    """One activation with one start.

    Attributes:
        rate: the best of `RATES`.
        losses: on all training photos, nats, (seeds, STEPS / EVERY + 1).
        gradients: root mean square of the gradient of each kernel before the first step, (seeds, DEPTH + 1).
    """

    activation: str
    start: str
    rate: float
    losses: np.ndarray
    gradients: np.ndarray


def train_stacks(material: Material, report: Callable[[int], None]) -> list[Stack]:
    """Train all combinations with all rates and seeds.

    Args:
        report: called with the number of combinations that are done.
    """
    samples = material.train.some(MOST).samples
    data = (samples.inputs, samples.labels)
    rows, mask = batches_of(len(samples.labels), batch_size=BATCH, epochs=STEPS, seed=0)
    shape = (STEPS // EVERY, EVERY, rows.shape[-1])
    batches = tuple(part.reshape(-1, part.shape[-1])[:STEPS].reshape(shape) for part in (rows, mask))
    found = []
    for activation in ACTIVATIONS:
        for start in STARTS:
            seeds = [_params(start, seed, data[0].shape[1], samples.units) for seed in range(SEEDS)]
            params = jax.tree.map(lambda *leaves: np.stack(leaves), *seeds)
            trained = _trained(
                np.array(activation == "relu"), params, np.array(RATES, np.float32), data, batches
            )
            losses, gradients = map(np.asarray, trained)
            last = losses[..., -1].mean(axis=1)
            best = int(np.where(np.isfinite(last), last, np.inf).argmin())
            found.append(Stack(activation, start, RATES[best], losses[best], gradients))
            report(len(found))
    return found


STACKS = len(ACTIVATIONS) * len(STARTS)


@jax.jit
def _trained(
    is_relu: jax.Array, params: Params, rates: jax.Array, data: Data, batches: Data
) -> tuple[jax.Array, jax.Array]:
    """(losses (rates, seeds, measurements), gradients (seeds, DEPTH + 1)).

    Args:
        params: of all seeds, stacked.
    """

    def loss(params: Params, data: Data, rows: jax.Array, mask: jax.Array, _: jax.Array) -> jax.Array:
        inputs, labels = data
        losses = outputs.photo_losses(_logits(is_relu, params, inputs[rows]), labels[rows], "category")
        return masked_mean(losses, mask)

    def whole(params: Params, data: Data) -> jax.Array:
        everything = jnp.arange(len(data[1]))
        return loss(params, data, everything, jnp.ones(len(everything)), everything)

    def of_seed(params: Params) -> tuple[jax.Array, jax.Array]:
        gradients = jax.grad(whole)(params, data)
        kernels = [gradients[f"dense{number}/kernel"] for number in range(DEPTH + 1)]
        build, key = OPTIMIZERS["momentum"].build, jax.random.key(0)
        of_rate = jax.vmap(lambda rate: descend(loss, whole, build, rate, params, data, batches, key))
        return of_rate(rates), jnp.stack([jnp.sqrt(jnp.mean(kernel**2)) for kernel in kernels])

    losses, gradients = jax.vmap(of_seed)(params)
    return losses.swapaxes(0, 1), gradients


def _params(start: str, seed: int, inputs: int, classes: int) -> dict[str, np.ndarray]:
    random, sizes = np.random.default_rng(seed), [inputs, *[UNITS] * DEPTH, classes]
    params = {}
    for number, shape in enumerate(zip(sizes, sizes[1:], strict=False)):
        params[f"dense{number}/kernel"] = drawn(start, shape, random)
        params[f"dense{number}/bias"] = np.zeros(shape[1], np.float32)
    return params


def _logits(is_relu: jax.Array, params: Params, x_bd: jax.Array) -> jax.Array:
    for number in range(DEPTH + 1):
        x_bd = x_bd @ params[f"dense{number}/kernel"] + params[f"dense{number}/bias"]
        if number < DEPTH:
            x_bd = activated(is_relu, x_bd)
    return x_bd
