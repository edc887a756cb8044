"""One epoch over condensed features: shuffled, in chunks of batches, each chunk in one call to the device.

The size of a chunk is limited in bytes: with pooled features an epoch is one call, wide features are read
from disk chunk by chunk. The last batch is padded and masked, so that one compiled program serves every chunk
and every photo counts once.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from catdog import devices
from catdog.features.features import Features
from catdog.model import outputs
from catdog.model.suffix import Suffix, Tensors
from catdog.training.batches import chunks_of
from catdog.training.drawn import DrawnViews, draw
from catdog.training.events import NO_SUMS, Sums
from catdog.training.optimizers import Optimizer
from catdog.training.recipe import PLAIN, Recipe

_CHUNK_BYTES = 16 * 2**20


class TrainState(NamedTuple):
    """What an epoch starts from and what it returns; a pytree of arrays."""

    params: Tensors
    optimizer: Any
    step: jax.Array  # optimizer steps so far, () int32


class Trainer:
    """The jitted epoch for one suffix, one optimizer and one number of training photos.

    Args:
        class_weights: of each class in the loss, (classes,); None is 1 for all.
        recipe: what changes the optimizer's rule and the loss.
        drawn: of the photos that are the features; None shows the features as they are.
    """

    keeps_last = False  # the checkpoint with the lowest validation loss is kept

    def __init__(
        self,
        suffix: Suffix,
        optimizer: Optimizer,
        *,
        learning_rate: float,
        batch_size: int,
        photos: int,
        seed: int,
        class_weights: np.ndarray | None = None,
        recipe: Recipe = PLAIN,
        drawn: DrawnViews | None = None,
    ):
        self._class_weights = class_weights
        self._suffix = suffix
        self._mesh = devices.data_mesh()
        multiple = self._mesh.size
        self._batch_size = batch_size = min(batch_size, photos)
        self._padded = -(-batch_size // multiple) * multiple
        self._photos = photos
        self._seed = seed
        self._steps = -(-photos // batch_size)
        self._recipe = recipe
        self._drawn = drawn
        self._transformation = recipe.transformation(optimizer, learning_rate, suffix.layers, self._steps)
        self._whole_epoch = optimizer.whole_epoch

    def initial(self, params: Tensors) -> TrainState:
        """The state before the first step."""
        state = TrainState(params, self._transformation.init(params), jnp.zeros((), jnp.int32))
        return devices.replicate(self._mesh, state)

    def kept(self, state: TrainState) -> Tensors:
        """The parameters that are validated and saved."""
        return self._recipe.kept(state.params, state.optimizer)

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
        """Train on every photo once, in an order that depends on the seed and the epoch alone.

        So does which view of a photo is shown; one that is drawn depends on the photo's content too.

        `state` is donated: use the one that is returned.

        Args:
            condensed: of all photos, then of all second views, ...
            labels: of the photos, (n,) int32; of a `value` output float32.
            report: called with the sums so far, after each chunk.
            since: the sums where the epoch was stopped before, and `state` is that of then.
            stop: of any process, ends the epoch of all before a chunk. The sums are then about fewer photos.
        """
        random = np.random.default_rng([self._seed, epoch])
        order = random.permutation(self._photos)
        view = random.integers(len(condensed) // self._photos, size=self._photos)
        sums, waiting, stops = since, None, False
        epoch_bytes = self._steps * self._padded * (condensed.nbytes // len(condensed))
        layout = chunks_of(
            order,
            batch_size=self._batch_size,
            padded_size=self._padded,
            chunks=self._steps if self._recipe.reports_batches else -(-epoch_bytes // _CHUNK_BYTES),
            first=-(-since.photos // self._batch_size),
        )
        several = self._mesh.is_multi_process
        for rows, mask in layout:
            if stops or (stop() and not several):
                break
            parts: list[tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]] = [
                (rows + self._photos * view[rows], condensed.gather),
                (rows, labels.__getitem__),
                (mask, np.asarray),
            ]
            if self._drawn:
                parts.append((rows, partial(self._drawn.in_epoch, epoch)))
            chunk = tuple(devices.put_rows(self._mesh, *part, batch_axis=1) for part in parts)
            wishes = devices.put_rows(self._mesh, np.full(self._mesh.size, stop(), np.float32), np.asarray)
            state, totals = self._run(state, constants, chunk, wishes)
            if waiting is not None:  # wait for a chunk only when the next one has been started
                report(sums := _add(sums, waiting))
                stops = several and bool(np.asarray(waiting)[3])
            waiting = totals
        if waiting is not None:
            report(sums := _add(sums, waiting))
        return state, sums

    @partial(jax.jit, static_argnums=0, donate_argnums=1)
    def _run(
        self, state: TrainState, constants: Tensors, chunk_kb: tuple[jax.Array, ...], wishes_d: jax.Array
    ) -> tuple[TrainState, jax.Array]:
        """The batches of a chunk, one after another.

        Args:
            chunk_kb: features, labels, mask; views, where they are drawn.
            wishes_d: of each device's process to stop, 0 or 1: all processes see their sum at the same time.

        Returns:
            The state, and sums: loss, score, photos, wishes.
        """
        key = jax.random.key(self._seed)

        def update(
            state: TrainState, features: jax.Array, labels: jax.Array, mask: jax.Array, *views: jax.Array
        ):
            if views:
                features = draw(features, *views)
            of_step = jax.random.fold_in(key, state.step)
            mixed, losses_of = self._recipe.mixed(features, labels, mask, self._losses, of_step)

            def objective(params: Tensors) -> tuple[jax.Array, jax.Array]:
                logits = self._suffix.logits(params, constants, mixed, key=of_step)
                losses = losses_of(logits) * mask
                loss = jnp.sum(losses)
                score = jnp.sum(outputs.scores(logits, labels, self._suffix.output) * mask)
                photos = jnp.sum(mask.astype(jnp.float32))
                divisor = self._photos / self._steps if self._whole_epoch else photos
                return loss / divisor, jnp.stack([loss, score, photos])

            gradients, sums = jax.grad(objective, has_aux=True)(state.params)
            updates, optimizer = self._transformation.update(gradients, state.optimizer, state.params)
            params = optax.apply_updates(state.params, updates)
            return TrainState(cast(Tensors, params), optimizer, state.step + 1), sums

        def body(state: TrainState, batch: tuple[jax.Array, ...]):
            # The last batches of a chunk may be padding alone: they must not change the optimizer's averages.
            return jax.lax.cond(
                jnp.any(batch[2]), update, lambda state, *_: (state, jnp.zeros(3)), state, *batch
            )

        state, sums = jax.lax.scan(body, state, chunk_kb)
        totals = jnp.append(jnp.sum(sums, axis=0), jnp.sum(wishes_d))
        return devices.everywhere(self._mesh, (state, totals))

    def _losses(self, logits: jax.Array, labels: jax.Array) -> jax.Array:
        losses = self._recipe.smoothed(self._suffix.losses, logits, labels)
        if self._class_weights is None:
            return losses
        return losses * jnp.asarray(self._class_weights, jnp.float32)[labels]


def _add(sums: Sums, totals: jax.Array) -> Sums:
    loss, score, photos, _ = np.asarray(totals, np.float64)
    return Sums(sums.loss + loss, sums.score + score, sums.photos + round(photos))
