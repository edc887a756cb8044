"""How an optimizer's rule becomes a training: learning rates over the steps, and what the loss compares with.

Fine-tuning starts from a fitted head (linear probe, then fine-tuning: A. Kumar et al., arXiv:2202.10054).
Each stage has a learning rate of its own, gradients are clipped, and the weights of the last steps are
averaged (P. Izmailov et al., arXiv:1803.05407).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax

from catdog.config import Schedule, TrainOptions
from catdog.model.layers import Layer
from catdog.model.suffix import Tensors
from catdog.training.optimizers import Optimizer

_WARM_UP = 0.1  # of the steps of a cosine schedule
_AVERAGED = 0.25  # of the steps, the last ones
_LONGEST = 1.0  # global norm of a gradient

# (logits, labels) → the loss of each photo.
Losses = Callable[[jax.Array, jax.Array], jax.Array]


@dataclass(frozen=True)
class Recipe:
    """See `TrainOptions`, from which it comes; the default is an optimizer's rule and nothing else."""

    epochs: int = 1
    schedule: Schedule = "constant"
    stage_rates: Mapping[str, float] = field(default_factory=dict)
    label_smoothing: float = 0.0
    mixup: float = 0.0

    reports_batches = False  # each by itself

    @classmethod
    def of(cls, options: TrainOptions) -> "Recipe":
        """That of these options."""
        return cls(
            options.epochs, options.schedule, options.stage_rates, options.label_smoothing, options.mixup
        )

    def transformation(
        self, optimizer: Optimizer, rate: float, layers: tuple[Layer, ...], steps: int
    ) -> optax.GradientTransformation:
        """From gradients to updates of the parameters.

        Args:
            rate: the highest learning rate; of the head, if stages differ.
            layers: that have the parameters.
            steps: of an epoch.
        """
        made = optimizer.build(self.over_time(rate, self.epochs * (1 if optimizer.whole_epoch else steps)))
        if self.stage_rates:
            factors = {layer.name: self.stage_rates[layer.stage] / rate for layer in layers}
            made = optax.chain(optax.clip_by_global_norm(_LONGEST), made, _scaled(factors))
        if optimizer.whole_epoch:
            # The mean over batches of (sum of losses / mean batch size) is the mean over all photos.
            made = optax.MultiSteps(made, steps).gradient_transformation()
        if self.stage_rates:
            made = _averaged(made, since=round(self.epochs * steps * (1 - _AVERAGED)))
        return made

    def over_time(self, rate: float, steps: int) -> float | optax.Schedule:
        """The learning rate by step, of so many steps."""
        if self.schedule == "cosine":
            rising = max(1, round(steps * _WARM_UP))
            return optax.warmup_cosine_decay_schedule(rate / rising, rate, rising, max(steps, rising + 1))
        if self.schedule == "one-cycle":
            return optax.cosine_onecycle_schedule(max(steps, 2), rate)
        return rate

    def kept(self, params: Tensors, optimizer_state: Any) -> Tensors:
        """The parameters that are validated and saved."""
        return optimizer_state.average if self.stage_rates else params

    def smoothed(self, losses: Losses, logits: jax.Array, labels: jax.Array) -> jax.Array:
        """The loss of each photo, with a part of its label given to all classes alike.

        Source: C. Szegedy et al., Rethinking the Inception Architecture, arXiv:1512.00567.
        """
        part = self.label_smoothing
        if not part:
            return losses(logits, labels)
        classes = jnp.arange(max(2, logits.shape[1]))  # one logit is a sigmoid for two classes
        of_each = jax.vmap(lambda label: losses(logits, jnp.full_like(labels, label)))(classes)
        return (1 - part) * losses(logits, labels) + part * jnp.mean(of_each, axis=0)

    def mixed(
        self, features: jax.Array, labels: jax.Array, mask: jax.Array, losses: Losses, key: jax.Array
    ) -> tuple[jax.Array, Callable[[jax.Array], jax.Array]]:
        """The batch that is trained on, and the function from its logits to the loss of each photo.

        With mixup (H. Zhang et al., arXiv:1710.09412) each photo is mixed with the next one of the batch.
        Cross-entropy is linear in the target, so mixing two losses is the same as mixing two labels.

        Args:
            features: (b, ...); float, or uint8 pixels.
            mask: (b,) bool: the places that count come first.
            losses: see `smoothed`.
            key: of this step.
        """
        if not self.mixup:
            return features, lambda logits: losses(logits, labels)
        place = jnp.arange(len(labels))
        partner = jnp.where(mask, (place + 1) % jnp.maximum(jnp.sum(mask), 1), place)
        fraction = jax.random.beta(jax.random.fold_in(key, 0), self.mixup, self.mixup)
        fraction = jnp.maximum(fraction, 1 - fraction)  # the photo itself is the larger part
        own = features.astype(jnp.float32)
        both = fraction * own + (1 - fraction) * own[partner]
        if features.dtype == jnp.uint8:
            both = jnp.round(both)

        def of_both(logits: jax.Array) -> jax.Array:
            return fraction * losses(logits, labels) + (1 - fraction) * losses(logits, labels[partner])

        return both.astype(features.dtype), of_both


PLAIN = Recipe()


def _scaled(factors: Mapping[str, float]) -> optax.GradientTransformation:
    """Multiplies the updates of each layer. All optimizers take steps in proportion to their rate."""

    def update(updates: optax.Updates, _params: optax.Params | None = None) -> optax.Updates:
        named = cast(Tensors, updates)
        return {name: value * factors[name.split("/")[0]] for name, value in named.items()}

    return optax.stateless(update)


class Averaged(NamedTuple):
    """The state of an optimizer, and the mean of the weights over the last steps."""

    inner: Any
    average: Tensors  # until the last steps, the weights themselves
    step: jax.Array  # () int32


def _averaged(inner: optax.GradientTransformation, *, since: int) -> optax.GradientTransformation:
    """`inner`, and the mean of the weights after each step behind step `since`."""

    def init(params: optax.Params) -> Averaged:
        copies = jax.tree.map(jnp.copy, cast(Tensors, params))
        return Averaged(inner.init(params), copies, jnp.zeros((), jnp.int32))

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, Averaged]:
        before = cast(Averaged, state)
        changes, optimizer = inner.update(updates, before.inner, params)
        weights = optax.apply_updates(cast(optax.Params, params), changes)
        step = before.step + 1
        part = 1 / jnp.maximum(step - since, 1).astype(jnp.float32)
        average = jax.tree.map(lambda old, new: (1 - part) * old + part * new, before.average, weights)
        return changes, Averaged(optimizer, average, step)

    return optax.GradientTransformation(init, update)
