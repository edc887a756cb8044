"""What a file is, its first bytes say: pickles, archives, PyTorch's files and safetensors under any name."""

import pickle
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from catdog.errors import WeightsError
from catdog.model.architecture import vgg16
from catdog.model.layers import Conv
from catdog.model.weights import find_weights, read_tensors

BLOCK = tuple(layer for layer in vgg16() if layer.stage == "block1" and isinstance(layer, Conv))


class Harm:
    """What a pickle can do: here, make a file."""

    def __init__(self, path: Path):
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._path,))


@pytest.mark.parametrize("name", ["vgg16.h5", "vgg16.safetensors", "vgg16.pth", "vgg16"])
def test_a_pickle_is_not_loaded_whatever_its_name(name: str, tmp_path: Path) -> None:
    path, harm = tmp_path / name, tmp_path / "harm"
    path.write_bytes(pickle.dumps(Harm(harm)))
    with pytest.raises(WeightsError):
        find_weights(str(path))
    assert not harm.exists()
    pickle.loads(path.read_bytes())
    assert harm.exists(), "loading it would have"


def test_a_pickle_named_h5_is_called_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "vgg16.h5"
    path.write_bytes(pickle.dumps({"block1_conv1": [1.0]}))
    with pytest.raises(WeightsError, match="is a Python pickle, whatever its name says"):
        find_weights(str(path))


@pytest.mark.parametrize("content", [b"", b"weights", bytes(4000), b"PK\x03\x04" + bytes(100)])
def test_what_is_no_weights_file_is_said(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="expected a weights file .* found neither"):
        find_weights(str(path))


def test_a_keras_archive_is_told_how_to_become_one(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")
    with pytest.raises(WeightsError, match=r"save it again with model\.save_weights\('NAME\.weights\.h5'\)"):
        find_weights(str(path))


def test_safetensors_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    tensors = {
        "features.0.weight": np.ones((64, 3, 3, 3), np.float32),
        "features.0.bias": np.zeros(64, np.float32),
    }
    save_file(tensors, path)
    source = find_weights(str(path))
    assert (source.preprocessing, source.layers) == ("torch", {"block1_conv1"})
    assert set(read_tensors(source, BLOCK[:1])) == {"block1_conv1/kernel", "block1_conv1/bias"}


def test_misfits_are_listed_at_once_in_the_names_and_layout_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "torchvision.safetensors"
    tensors = {
        "features.0.weight": np.ones((3, 3, 3, 64), np.float32),
        "features.0.bias": np.ones(64, np.int32),
        "features.2.weight": np.ones((64, 64, 3, 3), np.float32),
        "features.1.running_mean": np.ones(64, np.float32),
    }
    save_file(tensors, path)
    with pytest.raises(WeightsError) as caught:
        read_tensors(find_weights(str(path)), BLOCK)
    assert str(caught.value) == (
        f"{path} does not fit: "
        "features.0.weight expected (64, 3, 3, 3), found (3, 3, 3, 64); "
        "features.0.bias expected float16 or float32, found I32; "
        "features.2.bias expected (64,), missing; "
        "features.1.running_mean not expected, found (64,)"
    )


def test_values_that_are_no_numbers_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    kernel = np.ones((64, 3, 3, 3), np.float32)
    kernel[5, 0, 0, 0] = np.nan
    save_file({"features.0.weight": kernel, "features.0.bias": np.zeros(64, np.float32)}, path)
    with pytest.raises(WeightsError, match=r"features\.0\.weight: holds values that are no finite numbers"):
        read_tensors(find_weights(str(path)), BLOCK[:1])


def write_torch_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")


class FakeTensor:
    """As much of a tensor as is looked at."""

    def __init__(self, values: np.ndarray):
        self._values = values
        self.shape, self.ndim, self.dtype = values.shape, values.ndim, f"torch.{values.dtype}"

    def __getitem__(self, rows: slice) -> "FakeTensor":
        return FakeTensor(self._values[rows])

    def detach(self) -> "FakeTensor":
        return self

    def numpy(self) -> np.ndarray:
        return self._values


def fake_torch(version: str, state: object, calls: list[dict[str, Any]]) -> Any:
    def load(path: Path, **options: Any) -> object:
        calls.append(options)
        if isinstance(state, Exception):
            raise state
        return state

    return SimpleNamespace(__version__=version, load=load)


def test_without_pytorch_its_file_is_answered_with_the_way_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_torch_zip(path := tmp_path / "vgg16.pth")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(WeightsError) as caught:
        find_weights(str(path))
    assert "PyTorch, which is not installed here" in str(caught.value)
    assert "--weights timm" in str(caught.value)
    assert "safetensors.torch.save_file(torch.load('vgg16.pth', weights_only=True)" in str(caught.value)


@pytest.mark.parametrize("version", ["1.13.1", "2.9.1+cpu"])
def test_an_old_pytorch_is_not_trusted(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_torch_zip(path := tmp_path / "vgg16.pth")
    calls: list[dict[str, Any]] = []
    monkeypatch.setitem(sys.modules, "torch", fake_torch(version, {}, calls))
    with pytest.raises(WeightsError, match=r"2\.10 can"):
        find_weights(str(path))
    assert calls == []


@pytest.mark.parametrize("nested", [False, True])
def test_a_new_one_loads_weights_only_and_mapped(
    nested: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_torch_zip(path := tmp_path / "vgg16.pth")
    kernel = np.arange(64 * 27, dtype=np.float32).reshape(64, 3, 3, 3)
    state: dict[str, Any] = {
        "features.0.weight": FakeTensor(kernel),
        "features.0.bias": FakeTensor(np.zeros(64, np.float32)),
    }
    calls: list[dict[str, Any]] = []
    torch = fake_torch("2.10.0", {"state_dict": state, "epoch": 3} if nested else state, calls)
    monkeypatch.setitem(sys.modules, "torch", torch)
    found = read_tensors(find_weights(str(path)), BLOCK[:1])
    np.testing.assert_array_equal(found["block1_conv1/kernel"], kernel.transpose(2, 3, 1, 0))
    assert calls[0] == {"map_location": "cpu", "weights_only": True, "mmap": True}


@pytest.mark.parametrize("state", [RuntimeError("Weights only load failed"), ValueError(""), 7])
def test_what_it_cannot_load_is_an_error_with_advice(
    state: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_torch_zip(path := tmp_path / "vgg16.pth")
    monkeypatch.setitem(sys.modules, "torch", fake_torch("2.13.0", state, []))
    with pytest.raises(WeightsError, match=str(path)):
        find_weights(str(path))
