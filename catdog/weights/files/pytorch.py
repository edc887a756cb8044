"""PyTorch's own files, if a PyTorch is installed that can load them without running code from them."""

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
from catdog.text import message
from catdog.weights.files.tensors import RawFile, RawTensor

# Older versions have holes in `weights_only=True`.
_OLDEST = (2, 10)

# The keys under which training scripts save the weights beside other things.
_NESTED = ("state_dict", "model", "model_state_dict")


@contextmanager
def opened_torch(path: Path) -> Iterator[RawFile]:
    """The tensors of a state dict, memory-mapped if the file is a zip archive, as since PyTorch 1.6.

    Raises:
        WeightsError: no installed PyTorch loads such a file safely; or the file is damaged, or holds more
            than tensors.
    """
    state = _load(path)
    for name in _NESTED:
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state = state[name]
    if not isinstance(state, dict):
        raise WeightsError(
            "expected a dict of tensors in {path}, found {type}", path=path, type=type(state).__name__
        )
    tensors = {}
    for name, value in state.items():
        if hasattr(value, "detach"):
            dtype = str(value.dtype).removeprefix("torch.")
            tensors[str(name)] = RawTensor(tuple(value.shape), dtype, partial(_rows, value))
    yield RawFile(tensors)


def _load(path: Path) -> Any:
    advice = message(
        "Use a .safetensors file instead: --weights timm downloads one, or convert the file where PyTorch is "
        "installed: safetensors.torch.save_file(torch.load({name!r}, weights_only=True), "
        "'vgg16.safetensors')",
        name=path.name,
    )
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError as error:
        raise WeightsError(
            "reading {path} needs PyTorch, which is not installed. {advice}", path=path, advice=advice
        ) from error
    version = tuple(map(int, re.findall(r"\d+", torch.__version__)[:2]))
    if version < _OLDEST:
        raise WeightsError(
            "reading {path} safely needs PyTorch {oldest} or newer, found {version}. {advice}",
            path=path,
            oldest=".".join(map(str, _OLDEST)),
            version=torch.__version__,
            advice=advice,
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except Exception as error:  # torch's own, pickle's or zipfile's
        raise WeightsError(
            "{path} is damaged, or holds more than tensors: {reason}. {advice}",
            path=path,
            reason=_first_line(error),
            advice=advice,
        ) from error


def _rows(tensor: Any, start: int, stop: int) -> np.ndarray:
    try:
        return tensor[start:stop].detach().numpy() if tensor.ndim else tensor.detach().numpy()
    except Exception as error:  # it is sparse, or has no values at all
        raise WeightsError("not a dense tensor: {reason}", reason=_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
