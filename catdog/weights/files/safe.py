"""safetensors files, memory-mapped."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from catdog.errors import WeightsError
from catdog.weights.files.tensors import RawFile, RawTensor

OWN = "catdog"  # the key of catdog's own metadata, a JSON object
_NUMPY_NAMES = {"F16": "float16", "F32": "float32"}  # safetensors' names of the accepted types → NumPy's


@contextmanager
def opened_safetensors(path: Path) -> Iterator[RawFile]:
    """Its tensors.

    Raises:
        WeightsError: it cannot be read or is damaged.
    """
    try:
        file: Any = safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise WeightsError(
            "{path} is truncated, damaged, or not a safetensors file: {reason}", path=path, reason=error
        ) from error
    except OSError as error:
        raise WeightsError("{path} cannot be read: {reason}", path=path, reason=error) from error
    with file:
        tensors: dict[str, RawTensor] = {}
        for name in file.keys():
            tensor = file.get_slice(name)
            dtype: str = tensor.get_dtype()
            shape = tuple(tensor.get_shape())
            tensors[name] = RawTensor(shape, _NUMPY_NAMES.get(dtype, dtype), partial(_rows, tensor, shape))
        yield RawFile(tensors, _text(file.metadata() or {}))


def _rows(tensor: Any, shape: tuple[int, ...], start: int, stop: int) -> np.ndarray:
    # A tensor without axes cannot be sliced.
    return tensor[start:stop] if shape else tensor[...]


def _text(metadata: dict[str, str]) -> dict[str, str]:
    """The metadata, with the fields of catdog's own JSON object beside the other keys."""
    try:
        own = json.loads(metadata.get(OWN, "{}"))
    except (ValueError, RecursionError):
        own = None
    fields = own if isinstance(own, dict) else {}
    return metadata | {key: value for key, value in fields.items() if isinstance(value, str)}
