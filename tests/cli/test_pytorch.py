"""PyTorch's VGG16 with the same weights as ours, both ways: its files read here, ours read there.

torchvision's model is written out: the layers and the names of its state dict are what counts.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from catdog.model.architecture import vgg16
from catdog.model.layers import Conv, Dense, MaxPool
from catdog.model.network import Network
from catdog.model.preprocess import preprocess
from catdog.model.tensors import load_into
from catdog.runs import Run
from catdog.weights.source import find_weights, read_tensors
from tests.cli.conftest import Cli
from tests.model.rounding import relative_error
from tests.weights_files import PHOTOS, Tensors, real_photos, torchvision

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: its parity was not tested")

pytestmark = [pytest.mark.peer, pytest.mark.slow]


def torch_vgg16(classes: int) -> Any:
    """`torchvision.models.vgg16`, without initial values."""
    nn = torch.nn
    features, top = [], []
    with torch.device("meta"):
        for layer in vgg16(classes):
            if isinstance(layer, Conv):
                features += [nn.Conv2d(layer.channels_in, layer.channels_out, 3, padding=1), nn.ReLU()]
            elif isinstance(layer, MaxPool):
                features.append(nn.MaxPool2d(2))
            elif isinstance(layer, Dense):
                top += [nn.Linear(layer.units_in, layer.units_out), nn.ReLU(), nn.Dropout()]
        model = nn.Module()
        model.features = nn.Sequential(*features)
        model.classifier = nn.Sequential(*top[:-2])
    return model.eval()


def load(model: Any, state: Tensors) -> Any:
    tensors = {name: torch.from_numpy(value.copy()) for name, value in state.items()}
    model.load_state_dict(tensors, strict=True, assign=True)
    return model


@pytest.fixture(scope="module")
def theirs(whole_tensors: Tensors) -> Any:
    return load(torch_vgg16(1000), torchvision(vgg16(), whole_tensors))


@pytest.fixture
def pth(theirs: Any, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "vgg16-397923af.pth"
    torch.save(theirs.state_dict(), path)
    yield path
    path.unlink()


def test_errors_of_every_layer_of_a_pth_file(theirs: Any, pth: Path) -> None:
    """`pytest -n 0 -s -k pth_file` prints them."""
    source = find_weights(str(pth))
    assert (source.preprocessing, source.has_top) == ("torch", True)
    ours = Network(vgg16(), rngs=None)
    load_into(ours, read_tensors(source, vgg16()))
    photos = real_photos()[:2]
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = ((torch.from_numpy(photos) / 255 - mean) / deviation).permute(0, 3, 1, 2)
    expected = {}
    with torch.inference_mode():
        modules = iter(theirs.features)
        for layer in ours.layers:
            if isinstance(layer, Conv):
                convolution, relu = next(modules), next(modules)
                x = relu(convolution(x))
            elif isinstance(layer, MaxPool):
                x = next(modules)(x)
            else:
                break
            expected[layer.name] = x.permute(0, 2, 3, 1).numpy()
        x = x.flatten(1)
        for name, module in zip(("fc1", "fc2"), (theirs.classifier[:2], theirs.classifier[3:5]), strict=True):
            x = module(x)
            expected[name] = x.numpy()
        expected["predictions"] = theirs.classifier[6](x).numpy()

    y = preprocess(jnp.asarray(photos), source.preprocessing)
    errors = {}
    for index, layer in enumerate(ours.layers):
        y = ours(y, deterministic=True, start=index, stop=index + 1)
        if layer.name in expected:
            errors[layer.name] = relative_error(y, expected[layer.name])
    print(f"\n{', '.join(f'{name} {error:.1e}' for name, error in errors.items())}")
    assert errors.keys() == expected.keys()
    assert max(errors.values()) < 1e-4
    assert {name: error for name, error in errors.items() if error > 1e-5} == {}


def test_its_weights_are_those_of_the_safetensors_file(
    pth: Path, whole_tensors: Tensors, tmp_path: Path
) -> None:
    other = tmp_path / "model.safetensors"
    save_file(torchvision(vgg16(), whole_tensors), other)
    try:
        found = [read_tensors(find_weights(str(path)), vgg16()) for path in (pth, other)]
    finally:
        other.unlink()
    for name, tensor in whole_tensors.items():
        np.testing.assert_array_equal(found[0][name], tensor)
        np.testing.assert_array_equal(found[1][name], tensor)


def test_pytorch_loads_what_is_exported_and_answers_as_the_run_does(
    whole_run: Run, cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "torchvision.safetensors"
    assert cli("export", whole_run.folder, path, "--format", "torchvision").status == 0
    model = load(torch_vgg16(2), load_file(path))
    path.unlink()
    x = torch.from_numpy(np.array(preprocess(jnp.asarray(real_photos()), "caffe"))).permute(0, 3, 1, 2)
    with torch.inference_mode():
        found = model.classifier(model.features(x).flatten(1)).softmax(1).numpy()
    arguments = (*PHOTOS, "--model", whole_run.folder, "--format", "json", "--top-k", 2)
    rows = json.loads(cli("predict", *arguments).out)
    expected = [{one["label"]: one["probability"] for one in row["top"]} for row in rows]
    np.testing.assert_allclose(found, [[row["cats"], row["dogs"]] for row in expected], rtol=0, atol=1e-4)
