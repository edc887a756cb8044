"""Pretrained weights: where they lie, whether they fit a table of layers, and into a network.

Between a file and a network there is one form, a dict from path to array: `block1_conv1/kernel`
(HWIO), `fc1/kernel` (in, out), `fc1/bias`. A reader of another format is another file that returns
such a dict. Only `load_into` gets near jax, and this file does not import it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from catdog.errors import OptionError, WeightsError
from catdog.model.integrity import require_sha256
from catdog.model.layers import Layer, Shape, tensor_shapes
from catdog.model.preprocess import Preprocessing

if TYPE_CHECKING:
    from catdog.model.network import Network

BUILTIN = "builtin"
BUILTIN_FILE = "vgg16_imagenet_conv.safetensors"
BUILTIN_SHA256 = "2aab25b884d9cd601d4cf81e073582c7b2cc48a0d7ad9ac6acf03ea130b651ac"

_FLOATS = ("F16", "F32")  # what safetensors calls the types that are accepted


@dataclass(frozen=True)
class WeightSource:
    """A weights file, and what it wants done to the photos."""

    name: str  # what the user called it
    path: Path
    preprocessing: str  # the name of a `Preprocessing`
    sha256: str | None = None  # hex, where it is known what the file must be


def find_weights(name: str) -> WeightSource:
    """The weights that a name stands for: `builtin`, or the path of a .safetensors file.

    A file says which preprocessing it wants under the key `preprocessing` of its metadata; one that
    does not say is taken for `caffe`, the preprocessing of the network's authors.

    Raises:
        WeightsError: the name stands for nothing, or for a file that is no readable safetensors.
    """
    if name == BUILTIN:
        path = Path(str(resources.files("catdog") / "pretrained" / BUILTIN_FILE))
        if not path.is_file():
            raise WeightsError(f"this installation lacks {path}: install catdog again")
        return WeightSource(name, path, Preprocessing.CAFFE.value, BUILTIN_SHA256)
    path = Path(name).expanduser()
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        raise WeightsError(
            f"there are no weights {name!r}: expected {BUILTIN!r}, or the path of a .safetensors "
            "file with tensors such as block1_conv1/kernel and block1_conv1/bias"
        )
    with _opened(path) as file:
        metadata = file.metadata() or {}
    try:
        preprocessing = Preprocessing(metadata.get("preprocessing", Preprocessing.CAFFE))
    except OptionError as error:
        raise WeightsError(f"{path}: {error}") from error
    return WeightSource(name, path, preprocessing.value)


def read_tensors(
    source: WeightSource, layers: Sequence[Layer], *, memo_dir: Path | None = None
) -> dict[str, np.ndarray]:
    """The tensors of these layers, in the order of the table, as stored: float16 or float32.

    The file may hold more than that. Each tensor is copied once out of the mapped file, so that
    whatever becomes of the file later cannot change a network.

    Args:
        memo_dir: where it is remembered that a file with a known SHA-256 was checked; see
            `require_sha256`.

    Raises:
        WeightsError: the file is damaged, or does not fit the layers; then every tensor that is
            missing, of another shape or of another type is listed.
    """
    if source.sha256 is not None:
        require_sha256(source.path, source.sha256, memo_dir=memo_dir)
    expected = _expected(layers)
    with _opened(source.path) as file:
        found: dict[str, tuple[Shape, str]] = {}
        for path in file.keys():
            tensor = file.get_slice(path)
            found[path] = tuple(tensor.get_shape()), tensor.get_dtype()
        problems = _problems(expected, found, more_is_fine=expected.keys() <= found.keys())
        if problems:
            raise WeightsError(f"{source.path} does not fit: {problems}")
        return {path: file.get_tensor(path) for path in expected}


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256, hex, over paths, types, shapes and values, whatever the order of the dict."""
    sha256 = hashlib.sha256()
    for path in sorted(tensors):
        tensor = tensors[path]
        little_endian = np.asarray(tensor, tensor.dtype.newbyteorder("<"), order="C")
        # JSON, so that no two sets of tensors are ever spelt alike.
        label = json.dumps([path, little_endian.dtype.str, tensor.shape])
        sha256.update(f"{label}\n".encode())
        sha256.update(little_endian.reshape(-1).view(np.uint8).data)
    return sha256.hexdigest()


def load_into(network: "Network", tensors: Mapping[str, np.ndarray]) -> None:
    """Set everything that the network stores, as float32.

    Raises:
        WeightsError: the tensors are not exactly those of the network; every difference is listed,
            and nothing is set.
    """
    found = {path: (tensor.shape, _float_name(tensor)) for path, tensor in tensors.items()}
    problems = _problems(_expected(network.layers), found, more_is_fine=False)
    if problems:
        raise WeightsError(f"the tensors do not fit the network: {problems}")
    network.assign(tensors)


def tensors_of(network: "Network") -> dict[str, np.ndarray]:
    """Everything that the network stores, float32, on the host: what `load_into` takes."""
    return {path: np.asarray(variable[...]) for path, variable in network.variables().items()}


def _expected(layers: Sequence[Layer]) -> dict[str, Shape]:
    return {f"{layer.name}/{part}": shape for layer in layers for part, shape in tensor_shapes(layer).items()}


def _problems(
    expected: Mapping[str, Shape], found: Mapping[str, tuple[Shape, str]], *, more_is_fine: bool
) -> str:
    """Every difference in words, on one line; empty where there is none."""
    problems = []
    for path, shape in expected.items():
        if path not in found:
            problems.append(f"{path} expected {shape}, missing")
            continue
        found_shape, dtype = found[path]
        if found_shape != shape:
            problems.append(f"{path} expected {shape}, found {found_shape}")
        if dtype not in _FLOATS:
            problems.append(f"{path} expected {' or '.join(_FLOATS)}, found {dtype}")
    if not more_is_fine:
        unexpected = (path for path in found if path not in expected)
        problems += [f"{path} not expected, found {found[path][0]}" for path in unexpected]
    return "; ".join(problems)


def _float_name(tensor: np.ndarray) -> str:
    """The type as safetensors writes it, or as numpy does where it is not accepted anyway."""
    return {"float16": "F16", "float32": "F32"}.get(tensor.dtype.name, tensor.dtype.name)


def _opened(path: Path) -> Any:
    """The file's tensors, mapped; a context manager."""
    try:
        return safe_open(path, framework="numpy")
    except SafetensorError as error:
        raise WeightsError(f"{path} is cut short, damaged, or no safetensors file: {error}") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
