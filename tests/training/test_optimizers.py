"""The table of optimizers is complete and a tree, and every optimizer lowers a loss."""

import jax
import jax.numpy as jnp
import optax
import pytest

from catdog.errors import OptionError
from catdog.training.optimizers import OPTIMIZERS, Optimizer, find_optimizer

# The lecture's, and newer ones.
FAMILY = "gd lbfgs sgd momentum nag adagrad adadelta rmsprop adam nadam adamw lamb muon".split()


def test_the_whole_family_is_there() -> None:
    assert set(OPTIMIZERS) == set(FAMILY)


def test_it_is_a_tree_with_parents_first() -> None:
    seen: set[str] = set()
    for name, optimizer in OPTIMIZERS.items():
        assert name == optimizer.name
        assert (optimizer.parent in seen) if seen else (optimizer.parent is None)
        assert optimizer.parent is None or OPTIMIZERS[optimizer.parent].year <= optimizer.year
        assert optimizer.sentence.endswith(".")
        assert optimizer.learning_rate > 0
        seen.add(name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_it_lowers_a_loss_of_matrices_kernels_and_biases(optimizer: Optimizer) -> None:
    shapes = {"dense/kernel": (6, 4), "conv/kernel": (3, 3, 4, 2), "bias": (4,)}
    keys = jax.random.split(jax.random.key(0), len(shapes))
    params = {
        name: jax.random.normal(key, shape) for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }

    def loss(params: optax.Params) -> jax.Array:
        return sum((jnp.mean(leaf**2) for leaf in jax.tree.leaves(params)), jnp.zeros(()))

    transformation = optimizer.build(optimizer.learning_rate)
    state = transformation.init(params)

    @jax.jit
    def advance(params: optax.Params, state: optax.OptState) -> tuple[optax.Params, optax.OptState]:
        updates, state = transformation.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    before = params
    for _ in range(30):
        params, state = advance(params, state)
    assert float(loss(params)) < float(loss(before))
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(params), strict=True):
        assert bool(jnp.all(jnp.isfinite(new)))
        assert not bool(jnp.array_equal(old, new))


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(OptionError, match="adam.*'adma'"):
        find_optimizer("adma")
