"""The tensors of a table of layers: their shapes by name, differences, and how they get into a network.

Between a weights file and a network, tensors are a dict from path to array: `block1_conv1/kernel` (HWIO),
`fc1/kernel` (in, out), `fc1/bias`. This file does not import jax.
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
    """An array, or a tensor that is still in a file."""

    @property
    def shape(self) -> Shape:
        """Its shape."""
        ...

    @property
    def dtype(self) -> Any:
        """Its type; `str` gives NumPy's name of it."""
        ...


def expected_shapes(layers: Sequence[Layer]) -> dict[str, Shape]:
    """`layer/part` → shape of all stored tensors, in the order of the table."""
    return {f"{layer.name}/{part}": shape for layer in layers for part, shape in tensor_shapes(layer).items()}


def differences(name: str, shape: Shape, found: HasShape | None) -> list[Message]:
    """What is wrong with a tensor of that name and shape, for people; empty where nothing is."""
    if found is None:
        return [message("{name} expected {shape}, missing", name=name, shape=shape)]
    problems = []
    if found.shape != shape:
        problems.append(
            message("{name} expected {shape}, found {found}", name=name, shape=shape, found=found.shape)
        )
    if str(found.dtype) not in FLOATS:
        problems.append(
            message("{name} expected float16 or float32, found {dtype}", name=name, dtype=found.dtype)
        )
    return problems


def unexpected(name: str, found: HasShape) -> Message:
    """What is wrong with a tensor that should not be there."""
    return message("{name} not expected, found {found}", name=name, found=found.shape)


def all_differences(expected: Mapping[str, Shape], found: Mapping[str, np.ndarray]) -> tuple[Message, ...]:
    """The differences of all tensors, those included that are not expected."""
    return (
        *(
            problem
            for name, shape in expected.items()
            for problem in differences(name, shape, found.get(name))
        ),
        *(unexpected(name, found[name]) for name in sorted(found.keys() - expected.keys())),
    )


def load_into(network: "Network", tensors: Mapping[str, np.ndarray]) -> None:
    """Set all stored tensors of the network, as float32.

    Raises:
        WeightsError: the tensors are not exactly those of the network; every difference is listed, and
            nothing is set.
    """
    if problems := all_differences(expected_shapes(network.layers), tensors):
        raise WeightsError("the tensors do not match the network: {problems}", problems=problems)
    network.assign(tensors)
