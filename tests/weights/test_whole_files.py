"""Files of the whole VGG16, saved by Keras and as others store it: loaded, and run against Keras.

Full size, layer by layer, real photos, Keras' own preprocessing. `pytest -n 0 -s -k
errors_of_every_layer` prints the figures.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from catdog.model.architecture import CONVOLUTIONS, vgg16
from catdog.model.layers import Layer
from catdog.model.network import Network
from catdog.model.preprocess import preprocess
from catdog.model.tensors import load_into
from catdog.weights.source import find_weights, read_tensors
from tests import weights_files
from tests.conftest import KERAS_WARNS
from tests.model.rounding import relative_error
from tests.weights_files import Tensors, real_photos

pytestmark = [pytest.mark.peer, pytest.mark.slow, KERAS_WARNS]

Save = Callable[[Any, Tensors, Path], Path]


def keras_3_weights(model: Any, tensors: Tensors, folder: Path) -> Path:
    path = folder / "vgg16.weights.h5"
    model.save_weights(path)
    return path


def legacy_model(model: Any, tensors: Tensors, folder: Path) -> Path:
    path = folder / "model.h5"
    model.save(path)
    return path


def legacy_weights(model: Any, tensors: Tensors, folder: Path) -> Path:
    """What Keras Applications publishes: the group of weights of a whole model alone."""
    whole = legacy_model(model, tensors, folder)
    path = folder / "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
    with h5py.File(whole) as source, h5py.File(path, "w") as target:
        group = source["model_weights"]
        assert isinstance(group, h5py.Group)
        for name in group:
            source.copy(group[name], target)
        target.attrs.update(group.attrs)
    whole.unlink()
    return path


def theano(model: Any, tensors: Tensors, folder: Path) -> Path:
    path = folder / "vgg16.h5"
    with h5py.File(path, "w") as file:
        for name, value in weights_files.theano(vgg16(), tensors).items():
            file[name] = value
    return path


def torchvision(model: Any, tensors: Tensors, folder: Path) -> Path:
    path = folder / "torchvision.safetensors"
    save_file(weights_files.torchvision(vgg16(), tensors), path)
    return path


def timm(model: Any, tensors: Tensors, folder: Path) -> Path:
    path = folder / "timm.safetensors"
    save_file(weights_files.torchvision(vgg16(), tensors, timm=True), path)
    return path


def our_own(model: Any, tensors: Tensors, folder: Path) -> Path:
    path = folder / "own.safetensors"
    save_file(tensors, path, {"preprocessing": "caffe"})
    return path


@pytest.fixture(scope="module")
def photos_bhwc() -> np.ndarray:
    return real_photos()[:2]


@pytest.fixture(scope="module")
def expected(keras: ModuleType, keras_vgg16: Any, photos_bhwc: np.ndarray) -> dict[str, np.ndarray]:
    """What Keras gives for each layer, by its name."""
    _, *layers = keras_vgg16.layers  # the first is the input
    every_layer = keras.Model(keras_vgg16.input, [layer.output for layer in layers])
    outputs = every_layer(keras.applications.vgg16.preprocess_input(photos_bhwc.astype(np.float32)))
    return dict(zip((layer.name for layer in layers), map(np.asarray, outputs), strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: pytest keeps its own for a while, and these files are large."""
    yield tmp_path
    for path in tmp_path.iterdir():
        path.unlink()


@pytest.mark.parametrize("save", [keras_3_weights, legacy_model, legacy_weights])
def test_errors_of_every_layer_of_a_file_that_keras_saved(
    save: Save,
    keras_vgg16: Any,
    whole_tensors: Tensors,
    expected: dict[str, np.ndarray],
    photos_bhwc: np.ndarray,
    folder: Path,
) -> None:
    source = find_weights(str(save(keras_vgg16, whole_tensors, folder)))
    assert (source.preprocessing, source.has_top) == ("caffe", True)
    network = Network(vgg16(), rngs=None)
    load_into(network, read_tensors(source, vgg16()))
    errors = layer_errors(network, photos_bhwc, expected)
    print(f"\n{save.__name__}: {', '.join(f'{name} {error:.1e}' for name, error in errors.items())}")
    assert errors.keys() == expected.keys()
    assert {name: error for name, error in errors.items() if error > 1e-5} == {}


def layer_errors(
    network: Network, photos_bhwc: np.ndarray, expected: dict[str, np.ndarray]
) -> dict[str, float]:
    """Each layer's relative error, with those of all layers before it in it."""
    x = preprocess(jnp.asarray(photos_bhwc), "caffe")
    errors = {}
    for index, layer in enumerate(network.layers):
        x = network(x, deterministic=True, start=index, stop=index + 1)
        if layer.name in expected:
            errors[layer.name] = relative_error(x, expected[layer.name])
    return errors


@pytest.mark.parametrize(
    ("save", "preprocessing"),
    [(theano, "caffe"), (torchvision, "torch"), (timm, "torch"), (our_own, "caffe")],
)
def test_the_same_weights_in_another_layout_are_read_to_the_last_bit(
    save: Save, preprocessing: str, whole_tensors: Tensors, folder: Path
) -> None:
    source = find_weights(str(save(None, whole_tensors, folder)))
    assert (source.preprocessing, source.has_top) == (preprocessing, True)
    assert_same(read_tensors(source, vgg16()), whole_tensors, vgg16())


def test_a_file_without_the_top_is_read_and_says_so(
    keras: ModuleType, whole_tensors: Tensors, folder: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.initializers.GlorotUniform, "__call__", keras.initializers.Zeros.__call__)
        model = keras.applications.VGG16(weights=None, include_top=False)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([whole_tensors[f"{layer.name}/{part}"] for part in ("kernel", "bias")])
    source = find_weights(str(legacy_weights(model, whole_tensors, folder)))
    assert (source.preprocessing, source.has_fc) == ("caffe", False)
    assert_same(read_tensors(source, CONVOLUTIONS), whole_tensors, CONVOLUTIONS)


def assert_same(found: Tensors, expected: Tensors, layers: tuple[Layer, ...]) -> None:
    names = [f"{layer.name}/{part}" for layer in layers for part in ("kernel", "bias")]
    assert list(found) == [name for name in names if name in expected]
    for name, tensor in found.items():
        np.testing.assert_array_equal(tensor, expected[name], strict=True)
