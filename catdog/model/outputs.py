"""The outputs of a network: a softmax over the classes, or one sigmoid for two classes.

Everything that depends on `--output` is here: the loss, the probabilities, what counts as correct.
"""

import jax
import jax.numpy as jnp
import optax

from catdog.config import Output


def photo_losses(logits_bk: jax.Array, labels_b: jax.Array, output: Output) -> jax.Array:
    """Cross-entropy of each photo, in nats.

    Args:
        logits_bk: float32, (b, classes) for `category`, (b, 1) for `binary`.
        labels_b: index of the true class, int32.

    Returns:
        (b,) float32.
    """
    if output == "binary":
        return optax.losses.sigmoid_binary_cross_entropy(logits_bk[:, 0], labels_b.astype(jnp.float32))
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits_bk, labels_b)


def probabilities(logits_bk: jax.Array, output: Output) -> jax.Array:
    """(b, classes) float32 that sum to 1; for `binary` the sigmoid is the second class's probability."""
    if output == "binary":
        return jax.nn.softmax(jnp.concatenate([jnp.zeros_like(logits_bk), logits_bk], axis=1))
    return jax.nn.softmax(logits_bk)


def is_correct(logits_bk: jax.Array, labels_b: jax.Array, output: Output) -> jax.Array:
    """(b,) bool: the most probable class is the true one."""
    return jnp.argmax(probabilities(logits_bk, output), axis=1) == labels_b
