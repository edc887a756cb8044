"""Our VGG16 against the one in Keras, with the same random weights: layers, gradient, the whole.

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
from catdog.model.layers import Dense, Dropout, Layer, tensor_shapes
from catdog.model.network import Network
from catdog.model.preprocess import preprocess
from catdog.model.weights import load_into

pytestmark = pytest.mark.peer

SMALL = 64  # pixels a side: 2×2 positions are left behind the last pool


def vgg16_at(side: int, classes: int) -> tuple[Layer, ...]:
    """The table for photos of another size, which only changes how many inputs fc1 has."""
    return tuple(
        dataclasses.replace(layer, units_in=(side // 32) ** 2 * 512)
        if isinstance(layer, Dense) and layer.name == "fc1"
        else layer
        for layer in vgg16(classes)
    )


def random_tensors(layers: tuple[Layer, ...]) -> dict[str, np.ndarray]:
    """Kernels scaled after He et al. (arXiv:1502.01852), so that no layer's output vanishes."""
    random = np.random.default_rng(1502_01852)
    tensors = {}
    for layer in layers:
        for part, shape in tensor_shapes(layer).items():
            scale = np.sqrt(2 / np.prod(shape[:-1])) if part == "kernel" else 0.1
            drawn = random.standard_normal(shape, np.float32) * np.float32(scale)
            tensors[f"{layer.name}/{part}"] = drawn
    return tensors


def synthetic_photos(side: int) -> np.ndarray:
    """Two photos, uint8 RGB: a smooth colour gradient with noise, and stripes."""
    random = np.random.default_rng(0)
    ramp = np.linspace(0, 255, side)
    smooth = np.stack(np.meshgrid(ramp, ramp), axis=-1)
    smooth = np.concatenate([smooth, 255 - smooth[..., :1]], axis=-1)
    noisy = np.clip(smooth + random.normal(0, 20, smooth.shape), 0, 255)
    stripes = np.where(np.arange(side)[:, None, None] // 5 % 2, noisy, 255 - noisy)
    return np.stack([noisy, stripes]).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Twins:
    """One network twice, and what each makes of the same photos before the first layer."""

    theirs: Any  # a keras.Model
    ours: Network
    their_photos_bhwc: np.ndarray
    our_photos_bhwc: jax.Array


def twins(keras: ModuleType, side: int, classes: int) -> Twins:
    with pytest.MonkeyPatch.context() as patch:
        # Drawing kernels that are replaced at once takes most of a minute.
        patch.setattr(keras.initializers.GlorotUniform, "__call__", keras.initializers.Zeros.__call__)
        theirs = keras.applications.VGG16(
            weights=None,
            include_top=True,
            input_shape=(side, side, 3),
            classes=classes,
            classifier_activation=None,
        )
    ours = Network(vgg16_at(side, classes), rngs=None)
    tensors = random_tensors(ours.layers)
    load_into(ours, tensors)
    for layer in theirs.layers:
        if layer.weights:
            layer.set_weights([tensors[f"{layer.name}/{part}"] for part in ("kernel", "bias")])
    photos_bhwc = synthetic_photos(side)
    return Twins(
        theirs,
        ours,
        keras.applications.vgg16.preprocess_input(photos_bhwc.astype(np.float32)),
        preprocess(jnp.asarray(photos_bhwc), "caffe"),
    )


@pytest.fixture(scope="module")
def small(keras: ModuleType) -> Twins:
    return twins(keras, SMALL, classes=10)


def relative_error(found: Any, expected: Any) -> float:
    """The largest difference over the largest value."""
    expected = np.asarray(expected, np.float64)
    return float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())


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


def test_every_layer_gives_what_it_gives_in_keras(small: Twins, keras: ModuleType) -> None:
    _, *layers = small.theirs.layers
    every_layer = keras.Model(small.theirs.input, [layer.output for layer in layers])
    outputs = every_layer(small.their_photos_bhwc)
    expected = dict(zip((layer.name for layer in layers), outputs, strict=True))

    x = small.our_photos_bhwc
    errors = {}
    for index, layer in enumerate(small.ours.layers):
        x = small.ours(x, deterministic=True, start=index, stop=index + 1)
        if layer.name in expected:
            errors[layer.name] = relative_error(x, expected[layer.name])
    assert errors.keys() == expected.keys()
    assert {name: error for name, error in errors.items() if error > 1e-5} == {}


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


def test_the_whole_network_at_full_size(keras: ModuleType) -> None:
    full = twins(keras, side=224, classes=1000)
    assert full.theirs.count_params() == 138_357_544
    logits_bc = full.ours(full.our_photos_bhwc, deterministic=True)
    assert logits_bc.shape == (2, 1000)
    assert relative_error(logits_bc, full.theirs(full.their_photos_bhwc)) < 1e-4
