"""PyTorch's own files, where a PyTorch is installed that loads them without running what is in them."""

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np

from catdog.errors import WeightsError
from catdog.weights.files.tensors import RawFile, RawTensor

# Before it, `weights_only=True` could be got round.
_OLDEST = (2, 10)

# Where a training script keeps the weights among other things.
_NESTED = ("state_dict", "model", "model_state_dict")


@contextmanager
def opened_torch(path: Path) -> Iterator[RawFile]:
    """The tensors of a state dict, mapped where the file is of the newer kind.

    Raises:
        WeightsError: there is no PyTorch that loads such a file safely; or the file is damaged, or holds more
            than tensors.
    """
    state = _load(path)
    for name in _NESTED:
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state = state[name]
    if not isinstance(state, dict):
        raise WeightsError(
            "expected a dict of tensors in {path}, found a {name}", path=path, name=type(state).__name__
        )
    tensors = {}
    for name, value in state.items():
        if hasattr(value, "detach"):
            dtype = str(value.dtype).removeprefix("torch.")
            tensors[str(name)] = RawTensor(tuple(value.shape), dtype, partial(_rows, value))
    yield RawFile(tensors)


def _load(path: Path) -> Any:
    instead = (
        f"Give a .safetensors file instead: --weights timm downloads that of torchvision, or where PyTorch "
        f"is: safetensors.torch.save_file(torch.load({path.name!r}, weights_only=True), 'vgg16.safetensors')"
    )
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError as error:
        raise WeightsError(
            "{path} is a file of PyTorch, which is not installed here. {instead}", path=path, instead=instead
        ) from error
    version = tuple(map(int, re.findall(r"\d+", torch.__version__)[:2]))
    if version < _OLDEST:
        raise WeightsError(
            "{path} is a file of PyTorch; the one installed here, {version}, cannot load it without "
            "trusting it: {map} can. {instead}",
            path=path,
            version=torch.__version__,
            map=".".join(map(str, _OLDEST)),
            instead=instead,
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except Exception as error:  # torch raises its own, pickle's, and zipfile's, by turns
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            "{path} is damaged, or holds more than tensors: {first}. {instead}",
            path=path,
            first=first,
            instead=instead,
        ) from error


def _rows(tensor: Any, start: int, stop: int) -> np.ndarray:
    try:
        return tensor[start:stop].detach().numpy() if tensor.ndim else tensor.detach().numpy()
    except Exception as error:  # it is sparse, or has no values at all
        raise WeightsError(
            "is no plain tensor: {splitlines}", splitlines=str(error).splitlines()[0]
        ) from error
