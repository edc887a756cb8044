"""Generalized-mean pooling: by its formula, and with a gradient that is finite where a channel is zero."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose

from catdog.config import Head
from catdog.model.architecture import describe, head
from catdog.model.layers import GlobalGemPool
from catdog.model.network import Network

LAYER = GlobalGemPool("gem_pool", "head")


def pooled(maps_bhwc: jax.Array) -> jax.Array:
    return Network((LAYER,), rngs=None)(maps_bhwc, deterministic=True)


def test_it_is_the_cube_root_of_the_mean_cube_at_unit_length() -> None:
    maps = np.abs(np.random.default_rng(0).standard_normal((3, 5, 7, 11))).astype(np.float32) * 40
    expected = np.cbrt((maps.astype(np.float64) ** 3).mean(axis=(1, 2)))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert_allclose(pooled(jnp.asarray(maps)), expected, rtol=1e-5)


def test_it_is_between_the_mean_and_the_maximum_in_its_ratios() -> None:
    """One strong position among weak ones counts more than in the mean, and less than in the maximum."""
    maps = np.ones((1, 4, 4, 2), np.float32)
    maps[0, 0, 0, 1] = 9.0
    low, high = np.asarray(pooled(jnp.asarray(maps)))[0]
    assert maps[..., 1].mean() < high / low < 9.0


def test_the_gradient_is_finite_where_a_channel_is_zero() -> None:
    maps = np.ones((2, 3, 3, 4), np.float32)
    maps[..., 2] = 0
    maps[1] = 0  # a photo without any activation
    gradient = jax.grad(lambda x: (pooled(x) * jnp.arange(4.0)).sum())(jnp.asarray(maps))
    assert np.isfinite(gradient).all()
    assert np.isfinite(pooled(jnp.asarray(maps))).all()


def test_the_head_takes_maps_of_any_size() -> None:
    for side in (3, 10, 24):
        features = (side, side, 512)
        layers = head(Head("gem"), 5, features=features)
        assert describe(layers, input_shape=features)[-1].output_shape == (5,)
