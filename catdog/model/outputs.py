"""The outputs of a network: a softmax over the classes, one sigmoid for two classes, one for each
of several labels, or a value.

Everything that depends on `--output` is here: the loss, the probabilities, what counts as correct.
`catdog.training.logistic_losses` has the same losses with their slopes, for L-BFGS.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from catdog import large
from catdog.config import Loss, Output


def photo_losses(
    logits_bk: jax.Array, labels_b: jax.Array, output: Output, loss: Loss | None = None
) -> jax.Array:
    """Cross-entropy of each photo, in nats; of `labels` the mean over them; of `value` squared or Huber loss.

    Args:
        logits_bk: float32, (b, classes) for `category` and `labels`, (b, 1) for `binary` and `value`.
        labels_b: index of the true class, int32; for `labels` 0 or 1, (b, labels) float32; for `value` the
            true value, standardized, float32.
        loss: of `value`. Huber: squared / 2 below an error of 1, a standard deviation, and linear above it.

    Returns:
        (b,) float32.
    """
    if output == "value":
        of_values = optax.losses.huber_loss if loss == "huber" else optax.losses.squared_error
        return of_values(logits_bk[:, 0], labels_b)
    if output == "labels":
        return optax.losses.sigmoid_binary_cross_entropy(logits_bk, labels_b).mean(axis=1)
    if output == "binary":
        return optax.losses.sigmoid_binary_cross_entropy(logits_bk[:, 0], labels_b.astype(jnp.float32))
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits_bk, labels_b)


def probabilities(logits_bk: jax.Array, output: Output) -> jax.Array:
    """(b, classes) float32 that sum to 1; for `binary` the sigmoid is the second class's probability.

    For `labels` each is a probability of its own.
    """
    if output == "labels":
        return jax.nn.sigmoid(logits_bk)
    if output == "binary":
        return jax.nn.softmax(jnp.concatenate([jnp.zeros_like(logits_bk), logits_bk], axis=1))
    return jax.nn.softmax(logits_bk)


def scores(logits_bk: jax.Array, labels_b: jax.Array, output: Output) -> jax.Array:
    """What a training shows the mean of, (b,): whether the most probable class is the true one.

    Of `labels` the fraction that is right at the probability 0.5. Of `value` the absolute error, in standard
    deviations.
    """
    if output == "value":
        return jnp.abs(logits_bk[:, 0] - labels_b)
    if output == "labels":
        return ((logits_bk > 0) == (labels_b > 0)).mean(axis=1)
    return jnp.argmax(probabilities(logits_bk, output), axis=1) == labels_b


@jax.jit(static_argnums=(2, 3))
def _judged(
    logits_bk: jax.Array, labels_b: jax.Array, output: Output, loss: Loss | None
) -> tuple[jax.Array, ...]:
    return photo_losses(logits_bk, labels_b, output, loss), scores(logits_bk, labels_b, output)


def mean_loss_and_score(
    logits_nk: np.ndarray, labels_n: np.ndarray, output: Output, loss: Loss | None = None
) -> tuple[float, float]:
    """The means of `photo_losses` and of `scores`, by one compiled program; summed in float64."""

    def judged(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        both = _judged(jnp.asarray(logits), jnp.asarray(labels), output, loss)
        return np.stack([np.asarray(part, np.float64) for part in both], axis=1)

    losses, found = large.by_block(judged, logits_nk, labels_n).T
    return float(losses.mean()), float(found.mean())
