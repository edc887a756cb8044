"""Small trainings that are one compiled program each, with a measurement after every epoch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from catdog.training.batches import chunks_of

Params = dict[str, jax.Array]
Data = Any  # a pytree of arrays, as the loss takes it
Loss = Callable[[Params, Data, jax.Array, jax.Array, jax.Array], jax.Array]
Build = Callable[[Any], optax.GradientTransformation]


def batches_of(photos: int, *, batch_size: int, epochs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, mask), each (epochs, steps, batch_size): every photo once an epoch, in a new order."""
    random = np.random.default_rng(seed)
    size = min(batch_size, photos)
    made = [
        next(chunks_of(random.permutation(photos), batch_size=size, padded_size=size, chunks=1))
        for _ in range(epochs)
    ]
    rows, masks = zip(*made, strict=True)
    return np.stack(rows), np.stack(masks)


@partial(jax.jit, static_argnums=(0, 1, 2))
def descend(
    loss: Loss,
    measure: Callable[[Params, Data], Any],
    build: Build,
    rate: jax.Array | float,
    params: Params,
    data: Data,
    batches: tuple[jax.Array, jax.Array],
    key: jax.Array,
) -> Any:
    """Train, and measure before the first step and after each epoch.

    Args:
        loss: of (params, data, rows, mask, key): the mean over the rows that the mask does not hide.
        measure: of (params, data), a pytree of arrays.
        build: learning rate → the Optax transformation.
        batches: see `batches_of`.

    Returns:
        What was measured, each array with a new first axis (epochs + 1,).
    """
    transformation = build(rate)

    def step(state: Any, batch: tuple[jax.Array, jax.Array]) -> tuple[Any, None]:
        params, optimizer, count = state
        gradients = jax.grad(loss)(params, data, *batch, jax.random.fold_in(key, count))
        updates, optimizer = transformation.update(gradients, optimizer, params)
        return (optax.apply_updates(params, updates), optimizer, count + 1), None

    def epoch(state: Any, batches: tuple[jax.Array, jax.Array]) -> tuple[Any, Any]:
        state, _ = jax.lax.scan(step, state, batches)
        return state, measure(state[0], data)

    start = (params, transformation.init(params), jnp.int32(0))
    _, found = jax.lax.scan(epoch, start, batches)
    return jax.tree.map(
        lambda first, others: jnp.concatenate([first[None], others]), measure(params, data), found
    )


def masked_mean(losses_b: jax.Array, mask_b: jax.Array) -> jax.Array:
    """The mean of the losses that the mask does not hide, ()."""
    return jnp.sum(losses_b * mask_b) / jnp.sum(mask_b)
