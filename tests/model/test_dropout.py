"""Dropout as a function of its key: nothing hidden, nothing lost on average."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from catdog.model.layers import Dropout
from catdog.model.network import Network

RATE = 0.3
ONES = jnp.ones((100, 1000))


@pytest.fixture
def network() -> Network:
    return Network((Dropout("dropout1", "head", RATE),), rngs=None)


def dropped(network: Network, seed: int) -> jax.Array:
    return network(ONES, deterministic=False, key=jax.random.key(seed))


def test_the_rest_grows_to_make_up_for_what_is_dropped(network: Network) -> None:
    y = dropped(network, 0)
    np.testing.assert_array_equal(np.unique(y), np.array([0, 1 / (1 - RATE)], np.float32))
    # 100,000 coins: the deviation of their mean is 0.0021.
    assert float(y.mean()) == pytest.approx(1, abs=0.01)


def test_a_key_decides_it_and_another_key_decides_otherwise(network: Network) -> None:
    np.testing.assert_array_equal(dropped(network, 0), dropped(network, 0))
    disagree = float(jnp.mean(dropped(network, 0) != dropped(network, 1)))
    assert disagree == pytest.approx(2 * RATE * (1 - RATE), abs=0.01)


def test_two_layers_drop_independently() -> None:
    first, second = (Network((Dropout(n, "head", RATE),), rngs=None) for n in ("dropout1", "dropout2"))
    disagree = float(jnp.mean(dropped(first, 0) != dropped(second, 0)))
    assert disagree == pytest.approx(2 * RATE * (1 - RATE), abs=0.01)


def test_no_effect_without_training(network: Network) -> None:
    np.testing.assert_array_equal(network(ONES, deterministic=True), ONES)
    with_key = network(ONES, deterministic=True, key=jax.random.key(0))
    np.testing.assert_array_equal(with_key, ONES)


def test_training_needs_a_key(network: Network) -> None:
    with pytest.raises(ValueError, match="dropout1 needs a key, or deterministic=True"):
        network(ONES, deterministic=False)


def test_it_is_a_pure_function_under_jit(network: Network) -> None:
    graphdef, state = nnx.split(network)
    assert not jax.tree.leaves(state)

    @jax.jit
    def step(key: jax.Array) -> jax.Array:
        return nnx.merge(graphdef, state)(ONES, deterministic=False, key=key)

    for seed in (0, 1):
        np.testing.assert_allclose(step(jax.random.key(seed)), dropped(network, seed), rtol=1e-6)
