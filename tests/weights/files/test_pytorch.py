"""PyTorch's files, with something that stands in for PyTorch, and with the real one where it is installed."""

import os
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from catdog.errors import WeightsError
from catdog.weights.source import find_weights
from tests.weights.files.made_files import BLOCK1, assert_same, flipped, is_refused, read_block1
from tests.weights_files import Tensors, torchvision

INSTEAD = (
    "Use a .safetensors file instead: --weights timm downloads one, or convert the file where PyTorch is "
    "installed: safetensors.torch.save_file(torch.load('vgg16.pth', weights_only=True), 'vgg16.safetensors')"
)
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


class FakeTensor:
    """As much of a tensor as is looked at."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, f"torch.{array.dtype.name}"

    def __getitem__(self, rows: slice) -> "FakeTensor":
        return FakeTensor(self.array[rows])

    def detach(self) -> "FakeTensor":
        return self

    def numpy(self) -> np.ndarray:
        return self.array


class FakeTorch(SimpleNamespace):
    """A PyTorch that gives the same answer for every file and remembers how it was asked."""

    def __init__(self, answer: object, version: str = "2.10.0") -> None:
        super().__init__(__version__=version, answer=answer, calls=[])

    def load(self, path: Path, **options: object) -> object:
        self.calls.append((path, options))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(params=["zip", "legacy"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What begins as a file of PyTorch does, in both of its formats."""
    path = tmp_path / "vgg16.pth"
    if request.param == "legacy":
        path.write_bytes(LEGACY)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("vgg16/data.pkl", b"\x80\x02}.")
    return path


@pytest.fixture
def state(tensors: Tensors) -> dict[str, FakeTensor]:
    return {name: FakeTensor(tensor) for name, tensor in torchvision(BLOCK1, tensors).items()}


def install(monkeypatch: pytest.MonkeyPatch, answer: object, version: str = "2.10.0") -> FakeTorch:
    torch = FakeTorch(answer, version)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return torch


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_block1(path)
    return str(caught.value)


def test_without_pytorch_the_way_to_safetensors_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert refusal(path) == f"reading {path} needs PyTorch, which is not installed. {INSTEAD}"


@pytest.mark.parametrize("version", ["2.9.1", "2.9.1+cu128", "1.13.1", "2.0.0a0"])
def test_an_old_pytorch_is_not_asked(version: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = install(monkeypatch, {}, version)
    assert refusal(path) == f"reading {path} safely needs PyTorch 2.10 or newer, found {version}. {INSTEAD}"
    assert torch.calls == []


@pytest.mark.parametrize("version", ["2.10.0", "2.10.0+cpu", "2.13.1", "3.0.0.dev20270101"])
def test_a_recent_one_is_told_to_load_tensors_only(
    version: str, path: Path, state: dict[str, FakeTensor], tensors: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = install(monkeypatch, state, version)
    assert find_weights(str(path)).preprocessing == "torch"
    assert_same(read_block1(path), tensors)
    mapped = path.read_bytes() != LEGACY  # PyTorch can map zip files alone
    options = {"map_location": "cpu", "weights_only": True, "mmap": mapped}
    assert torch.calls == [(path, options)] * 3


@pytest.mark.parametrize(
    "keys", [["state_dict"], ["model"], ["model_state_dict"], ["state_dict", "model"]], ids="/".join
)
def test_the_weights_may_lie_in_a_checkpoint(
    keys: list[str],
    path: Path,
    state: dict[str, FakeTensor],
    tensors: Tensors,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checkpoint: dict[str, Any] = state | {"version": 3}
    for key in reversed(keys):
        checkpoint = {"epoch": 7, key: checkpoint, "arch": "vgg16"}
    install(monkeypatch, checkpoint)
    assert_same(read_block1(path), tensors)


def test_what_does_not_fit_is_listed_in_its_own_layout(
    path: Path, state: dict[str, FakeTensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    state["features.0.weight"] = FakeTensor(np.zeros((3, 3, 3, 64), np.float64))
    state["features.1.num_batches_tracked"] = FakeTensor(np.zeros((), np.int64))
    del state["features.2.bias"]
    install(monkeypatch, state)
    assert refusal(path) == (
        f"{path} does not match the network: "
        "features.0.weight expected (64, 3, 3, 3), found (3, 3, 3, 64); "
        "features.0.weight expected float16 or float32, found float64; "
        "features.2.bias expected (64,), missing; "
        "features.1.num_batches_tracked not expected, found ()"
    )


@pytest.mark.parametrize("answer", [[1, 2], FakeTensor(np.zeros(3)), None], ids=["list", "tensor", "nothing"])
def test_what_is_no_state_dict_is_refused(
    answer: object, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, answer)
    assert refusal(path) == f"expected a dict of tensors in {path}, found {type(answer).__name__}"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (pickle.UnpicklingError("Unsupported global: os.system\nand more"), "Unsupported global: os.system"),
        (RuntimeError("PytorchStreamReader failed"), "PytorchStreamReader failed"),
        (zipfile.BadZipFile("Bad magic number"), "Bad magic number"),
        (EOFError(), "EOFError"),
        (AssertionError(" \n"), "AssertionError"),
    ],
)
def test_whatever_pytorch_raises_is_one_line(
    error: Exception, words: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, error)
    assert refusal(path) == f"{path} is damaged, or holds more than tensors: {words}. {INSTEAD}"


def test_a_tensor_without_plain_values_is_refused(
    path: Path, state: dict[str, FakeTensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sparse(FakeTensor):
        def __getitem__(self, rows: slice) -> FakeTensor:
            raise NotImplementedError("Could not run 'aten::slice' with arguments from SparseCPU\nand more")

    state["features.0.bias"] = Sparse(state["features.0.bias"].array)
    install(monkeypatch, state)
    words = "not a dense tensor: Could not run 'aten::slice' with arguments from SparseCPU"
    assert refusal(path) == f"{path}, features.0.bias: {words}"


# With the real one


@pytest.fixture
def torch() -> Any:
    module: Any = pytest.importorskip(
        "torch", reason="PyTorch is not installed: none of its own files was read"
    )
    version = tuple(map(int, module.__version__.split(".")[:2]))
    if version < (2, 10):
        pytest.skip(f"PyTorch {module.__version__} is too old: none of its own files was read")
    return module


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def pth(request: pytest.FixtureRequest, torch: Any, tensors: Tensors, tmp_path: Path) -> Path:
    """What torch.save writes, now and until version 1.5."""
    path = tmp_path / "vgg16.pth"
    state = OrderedDict((name, torch.tensor(value)) for name, value in torchvision(BLOCK1, tensors).items())
    torch.save(state, path, _use_new_zipfile_serialization=request.param)
    return path


def test_a_file_of_pytorch_is_read(pth: Path, tensors: Tensors) -> None:
    assert find_weights(str(pth)).preprocessing == "torch"
    assert_same(read_block1(pth), tensors)


class Spy:
    """Whoever unpickles it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_a_file_that_would_run_something_does_not(is_zip: bool, torch: Any, tmp_path: Path) -> None:
    path, folder = tmp_path / "vgg16.pth", tmp_path / "made"
    torch.save({"features.0.weight": Spy(folder)}, path, _use_new_zipfile_serialization=is_zip)
    assert f"{path} is damaged, or holds more than tensors: " in refusal(path)
    assert not folder.exists()
    torch.load(path, weights_only=False)
    assert folder.is_dir()  # it would have


@pytest.mark.parametrize("kind", ["sparse", "meta", "requires_grad"])
def test_unusual_tensors_are_read_or_refused(kind: str, torch: Any, tensors: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "vgg16.pth"
    state = {name: torch.tensor(value) for name, value in torchvision(BLOCK1, tensors).items()}
    bias = state["features.0.bias"]
    made = {"sparse": bias.to_sparse, "meta": lambda: bias.to("meta"), "requires_grad": bias.requires_grad_}
    state["features.0.bias"] = made[kind]()
    torch.save(state, path)
    if kind == "requires_grad":
        assert_same(read_block1(path), tensors)
    else:
        assert f"{path}, features.0.bias: not a dense tensor: " in refusal(path)


def test_a_file_of_pytorch_that_is_cut_anywhere_is_refused(pth: Path) -> None:
    content = pth.read_bytes()
    for kept in range(0, len(content) - 1, 1999):
        pth.write_bytes(content[:kept])
        assert is_refused(pth), kept


def test_flipped_bits_in_a_file_of_pytorch_do_no_harm(pth: Path) -> None:
    content = pth.read_bytes()
    places = [*range(1500), *range(len(content) - 1000, len(content))]
    refused = 0
    for changed in flipped(content, places, rounds=200, seed=1409_1556):
        pth.write_bytes(changed)
        refused += is_refused(pth)
    assert 20 < refused < 200
