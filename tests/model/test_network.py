"""The network as a sum of its slices, its types, and what its state holds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from catdog.config import Head
from catdog.model.architecture import head, split_at
from catdog.model.layers import Dense, Flatten, Layer
from catdog.model.network import Constant, Network
from catdog.model.tensors import load_into
from tests.weights_files import tensors_of

Table = tuple[Layer, ...]


@pytest.fixture
def photos_bhwc(random: np.random.Generator) -> jax.Array:
    return jnp.asarray(random.standard_normal((5, 8, 8, 3), np.float32))


def part_of(whole: Network, layers: Table) -> Network:
    """A network of some of the layers, with the same weights."""
    part = Network(layers, rngs=None)
    load_into(part, {path: t for path, t in tensors_of(whole).items() if path in part.variables()})
    return part


@pytest.mark.parametrize("stage", ["all", "block1", "block2", "top"])
@pytest.mark.parametrize("training", [False, True])
def test_prefix_then_suffix_is_the_whole_network(
    stage: str, training: bool, small_table: Table, photos_bhwc: jax.Array
) -> None:
    whole = Network(small_table, rngs=nnx.Rngs(0))
    prefix, suffix = (part_of(whole, layers) for layers in split_at(small_table, stage))
    key = jax.random.key(7)

    features = prefix(photos_bhwc, deterministic=True)
    composed = suffix(features, deterministic=not training, key=key)
    expected = whole(photos_bhwc, deterministic=not training, key=key)

    np.testing.assert_array_equal(composed, expected)


def test_start_and_stop_cut_where_slices_of_the_table_do(small_table: Table, photos_bhwc: jax.Array) -> None:
    whole = Network(small_table, rngs=nnx.Rngs(0))
    expected = whole(photos_bhwc, deterministic=True)
    for cut in range(len(small_table) + 1):
        features = whole(photos_bhwc, deterministic=True, stop=cut)
        np.testing.assert_array_equal(
            features, part_of(whole, small_table[:cut])(photos_bhwc, deterministic=True)
        )
        np.testing.assert_array_equal(whole(features, deterministic=True, start=cut), expected)


def test_paths_in_the_state_are_those_of_the_weights_files(small_table: Table) -> None:
    network = Network(small_table, rngs=nnx.Rngs(0))
    state = nnx.to_flat_state(nnx.state(network))
    assert {"/".join(map(str, path)) for path, _ in state} == network.variables().keys()
    assert {"block1_conv1/kernel", "rescale/scale", "predictions/bias"} <= network.variables().keys()


def test_the_state_holds_nothing_but_parameters_and_constants(small_table: Table) -> None:
    network = Network(small_table, rngs=nnx.Rngs(0))
    kinds = {"/".join(map(str, path)): type(v) for path, v in nnx.to_flat_state(nnx.state(network))}
    assert kinds.pop("rescale/scale") is Constant
    assert set(kinds.values()) == {nnx.Param}
    assert not issubclass(Constant, nnx.Param)  # or an optimizer over Param would move it


def test_networks_of_one_table_share_their_structure(small_table: Table) -> None:
    drawn, empty = (Network(small_table, rngs=rngs) for rngs in (nnx.Rngs(0), None))
    assert nnx.split(drawn)[0] == nnx.split(empty)[0]  # so jit compiles once for both


def test_kernels_start_as_in_keras(small_table: Table) -> None:
    tensors = tensors_of(Network((Dense("fc1", "top", 300, 500, "relu"),), rngs=nnx.Rngs(3)))
    limit = (6 / (300 + 500)) ** 0.5
    kernel = tensors["fc1/kernel"]
    assert not tensors["fc1/bias"].any()
    assert np.abs(kernel).max() <= limit
    # Uniform: variance limit²/3; 150,000 draws are within 1 % of it by more than five deviations.
    assert kernel.std() == pytest.approx(limit / 3**0.5, rel=0.01)
    assert tensors_of(Network(small_table, rngs=nnx.Rngs(0)))["rescale/scale"] == 1


def test_one_name_cannot_stand_for_two_layers() -> None:
    with pytest.raises(ValueError, match="two layers cannot both be called 'flatten'"):
        Network((Flatten("flatten", "a"), Flatten("flatten", "b")), rngs=None)


def test_rescale_divides_by_what_was_set(pooled_table: Table, photos_bhwc: jax.Array) -> None:
    network = Network(pooled_table, rngs=nnx.Rngs(0))
    tensors = tensors_of(network)
    before = network(photos_bhwc, deterministic=True, stop=3)
    load_into(network, tensors | {"rescale/scale": np.array(4.0, np.float32)})
    np.testing.assert_array_equal(network(photos_bhwc, deterministic=True, stop=3), before / 4)


def test_a_gradient_reaches_every_parameter_and_no_constant(
    small_table: Table, photos_bhwc: jax.Array
) -> None:
    network = Network(small_table, rngs=nnx.Rngs(0))
    graphdef, parameters, constants = nnx.split(network, nnx.Param, Constant)

    @jax.jit
    def gradient(parameters: nnx.State) -> nnx.State:
        def loss(parameters: nnx.State) -> jax.Array:
            merged = nnx.merge(graphdef, parameters, constants)
            return jnp.sum(merged(photos_bhwc, deterministic=True) ** 2)

        return jax.grad(loss)(parameters)

    found = {"/".join(map(str, path)): v[...] for path, v in nnx.to_flat_state(gradient(parameters))}
    assert found.keys() == network.variables().keys() - {"rescale/scale"}
    assert all(jnp.any(value != 0) for value in found.values())


def test_bfloat16_activations_give_float32_logits(small_table: Table, photos_bhwc: jax.Array) -> None:
    exact = Network(small_table, rngs=nnx.Rngs(0))
    rounded = Network(small_table, rngs=nnx.Rngs(0), dtype=jnp.bfloat16)
    logits_bc = rounded(photos_bhwc, deterministic=True)
    expected_bc = exact(photos_bhwc, deterministic=True)

    assert rounded(photos_bhwc, deterministic=True, stop=7).dtype == jnp.bfloat16
    assert logits_bc.dtype == jnp.float32
    assert {variable.dtype for variable in rounded.variables().values()} == {jnp.dtype("float32")}
    # Eight bits are 0.4 % for one rounding; a few layers of them stay below 2 % of the largest.
    error = jnp.max(jnp.abs(logits_bc - expected_bc)) / jnp.max(jnp.abs(expected_bc))
    assert 0 < error < 0.02
    # Rounded nowhere after the last activation: bfloat16 logits would survive this round trip.
    assert jnp.any(logits_bc.astype(jnp.bfloat16).astype(jnp.float32) != logits_bc)


def test_the_average_in_bfloat16_adds_up_in_float32(pooled_table: Table) -> None:
    """A sum of 1024 ones would stop at 256 if it were kept in bfloat16."""
    network = Network(pooled_table, rngs=nnx.Rngs(0), dtype=jnp.bfloat16)
    mean_bc = network(jnp.ones((1, 32, 32, 4)), deterministic=True, start=1, stop=2)
    np.testing.assert_array_equal(mean_bc, jnp.ones((1, 4), jnp.bfloat16))


def test_every_head_runs_on_what_it_was_made_for() -> None:
    features_bhwc = jnp.ones((2, 3, 3, 8))
    fc = Head(kind="fc", fc_units=(5, 4))
    for config, units in ((Head("linear"), 2), (fc, 2), (Head("linear", output="binary"), 1)):
        network = Network(head(config, 2, features=(3, 3, 8)), rngs=nnx.Rngs(0))
        assert network(features_bhwc, deterministic=True).shape == (2, units)
