"""The tensors of a table of layers: their shapes by name, what differs, and into a network.

Between a weights file and a network there is one form, a dict from path to array: `block1_conv1/kernel`
(HWIO), `fc1/kernel` (in, out), `fc1/bias`. This file does not import jax.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from catdog.errors import WeightsError
from catdog.model.layers import Layer, Shape, tensor_shapes
from catdog.text import Message, message

if TYPE_CHECKING:
    from catdog.model.network import Network

FLOATS = ("float16", "float32")  # the types that are accepted


class HasShape(Protocol):
    """An array, or a tensor that still lies in a file."""

    @property
    def shape(self) -> Shape:
        """Its shape."""
        ...

    @property
    def dtype(self) -> Any:
        """Its type; `str` gives NumPy's name of it."""
        ...


def expected_shapes(layers: Sequence[Layer]) -> dict[str, Shape]:
    """`layer/part` → shape, of all that the layers store, in the order of the table."""
    return {f"{layer.name}/{part}": shape for layer in layers for part, shape in tensor_shapes(layer).items()}


def differences(name: str, shape: Shape, found: HasShape | None) -> list[Message]:
    """Sentences about what is wrong with a tensor that should have that name and shape; empty if nothing "
    "is."""
    if found is None:
        return [message("{tensor} expected {shape}, missing", tensor=name, shape=shape)]
    problems = []
    if found.shape != shape:
        problems.append(
            message("{tensor} expected {shape}, found {found}", tensor=name, shape=shape, found=found.shape)
        )
    if str(found.dtype) not in FLOATS:
        problems.append(
            message("{tensor} expected float16 or float32, found {dtype}", tensor=name, dtype=found.dtype)
        )
    return problems


def unexpected(name: str, found: HasShape) -> Message:
    """A sentence about a tensor that should not be there."""
    return message("{tensor} not expected, found {shape}", tensor=name, shape=found.shape)


def load_into(network: "Network", tensors: Mapping[str, np.ndarray]) -> None:
    """Set everything that the network stores, as float32.

    Raises:
        WeightsError: the tensors are not exactly those of the network; every difference is listed,
            and nothing is set.
    """
    expected = expected_shapes(network.layers)
    problems = [
        problem for path, shape in expected.items() for problem in differences(path, shape, tensors.get(path))
    ]
    problems += [unexpected(path, tensors[path]) for path in tensors.keys() - expected]
    if problems:
        raise WeightsError("the tensors do not match the network: {problems}", problems=tuple(problems))
    network.assign(tensors)


def tensors_of(network: "Network") -> dict[str, np.ndarray]:
    """Everything that the network stores, float32, on the host: what `load_into` takes."""
    return {path: np.asarray(variable[...]) for path, variable in network.variables().items()}
