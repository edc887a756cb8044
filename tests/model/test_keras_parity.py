"""Our VGG16 against the one in Keras, with the same random weights and real photos: layers, gradient, names.

Tolerances are relative to the largest value of the layer. 1e-5 is some hundred roundings of
float32; the longest sum here has 25,088 terms.
"""

import dataclasses
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from catdog.model.architecture import describe, vgg16
from catdog.model.layers import Dense, Dropout, Layer
from catdog.model.network import Network
from catdog.model.preprocess import preprocess
from catdog.model.tensors import load_into
from tests.conftest import keras_twin
from tests.model.rounding import relative_error
from tests.weights_files import random_tensors, real_photos

pytestmark = pytest.mark.peer

SMALL = 64  # edge of a photo in pixels: 2×2 positions are left behind the last pool


def vgg16_at(size: int, classes: int) -> tuple[Layer, ...]:
    """The table for photos of another size, which only changes how many inputs fc1 has."""
    return tuple(
        dataclasses.replace(layer, units_in=(size // 32) ** 2 * 512)
        if isinstance(layer, Dense) and layer.name == "fc1"
        else layer
        for layer in vgg16(classes)
    )


@dataclasses.dataclass(frozen=True)
class Twins:
    """One network twice, and what each makes of the same photos before the first layer."""

    theirs: Any  # a keras.Model
    ours: Network
    their_photos_bhwc: np.ndarray
    our_photos_bhwc: jax.Array


@pytest.fixture(scope="module")
def small(keras: ModuleType) -> Twins:
    ours = Network(vgg16_at(SMALL, classes=10), rngs=None)
    tensors = random_tensors(ours.layers)
    load_into(ours, tensors)
    photos_bhwc = real_photos(SMALL)
    return Twins(
        keras_twin(keras, tensors, side=SMALL, classes=10),
        ours,
        keras.applications.vgg16.preprocess_input(photos_bhwc.astype(np.float32)),
        preprocess(jnp.asarray(photos_bhwc), "caffe"),
    )


def test_layers_have_the_names_shapes_and_sizes_of_keras(small: Twins) -> None:
    _, *theirs = small.theirs.layers  # the first is the input
    ours = [
        fact
        for fact in describe(small.ours.layers, input_shape=(SMALL, SMALL, 3))
        if not isinstance(fact.layer, Dropout)  # Keras has none
    ]
    assert [(fact.layer.name, fact.output_shape, fact.parameters) for fact in ours] == [
        (layer.name, layer.output.shape[1:], layer.count_params()) for layer in theirs
    ]


def test_the_gradient_of_the_first_kernel_is_that_of_keras(small: Twins) -> None:
    """It has come through every layer there is."""
    trained = [variable.value for variable in small.theirs.trainable_variables]

    @jax.jit
    def their_gradient(trained: list[jax.Array], photos_bhwc: jax.Array) -> jax.Array:
        def loss(first_kernel: jax.Array) -> jax.Array:
            logits_bc, _ = small.theirs.stateless_call([first_kernel, *trained[1:]], [], photos_bhwc)
            return jnp.mean(logits_bc**2)

        return jax.grad(loss)(trained[0])

    graphdef, state = nnx.split(small.ours)

    @jax.jit
    def our_gradient(state: nnx.State, photos_bhwc: jax.Array) -> nnx.State:
        def loss(state: nnx.State) -> jax.Array:
            logits_bc = nnx.merge(graphdef, state)(photos_bhwc, deterministic=True)
            return jnp.mean(logits_bc**2)

        return jax.grad(loss)(state)

    assert small.theirs.trainable_variables[0].path == "block1_conv1/kernel"
    expected = their_gradient(trained, jnp.asarray(small.their_photos_bhwc))
    found = our_gradient(state, small.our_photos_bhwc)["block1_conv1"]["kernel"][...]
    assert relative_error(found, expected) < 1e-4
