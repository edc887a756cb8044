"""A trained network as an ONNX graph, from the pixels of a photo to probabilities, or to a value."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from catdog import __version__, durable
from catdog.errors import OptionError
from catdog.export.files import spec_text
from catdog.export.whole import WholeNetwork
from catdog.model import layers
from catdog.model.preprocess import constants_of
from catdog.weights.files import OWN

_OPSET = 17
INPUT, OUTPUT, VALUES = "photos", "probabilities", "values"


def write_onnx(path: Path, network: WholeNetwork) -> None:
    """A graph from `photos` (batch, height, width, 3), uint8 RGB, to `probabilities` (batch, classes).

    Of a `value` output to `values` (batch, 1), in their unit.

    Raises:
        OptionError: onnx is not installed.
    """
    try:
        onnx: Any = importlib.import_module("onnx")
    except ImportError as error:
        raise OptionError("writing .onnx needs onnx: pip install 'catdog-cli[onnx]'") from error
    graph, tensors, spec = _Graph(onnx), network.folded(), network.spec
    last = _preprocessed(graph, spec.preprocessing, onnx.TensorProto.FLOAT)
    for layer in network.layers:
        last = _through(graph, layer, last, tensors)
    output, width = (VALUES, 1) if spec.head.output == "value" else (OUTPUT, len(spec.classes))
    if spec.head.output == "binary":
        zeros = graph.node("Sub", last, last)  # of the right shape: the logit of the first class
        last = graph.node("Concat", zeros, last, axis=1)
    if spec.head.output == "labels":
        graph.node("Sigmoid", last)
    elif spec.head.output != "value":
        graph.node("Softmax", last, axis=1)
    graph.nodes[-1].output[0] = output
    helper, types, size = onnx.helper, onnx.TensorProto, spec.decoding.size
    photos = helper.make_tensor_value_info(INPUT, types.UINT8, ["batch", size, size, 3])
    found = helper.make_tensor_value_info(output, types.FLOAT, ["batch", width])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "vgg16", [photos], [found], graph.constants),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        producer_name="catdog",
        producer_version=__version__,
        ir_version=8,
    )
    helper.set_model_props(model, {OWN: spec_text(spec)})
    durable.write_bytes(path, model.SerializeToString())


class _Graph:
    """Nodes in a row, and constants; both have names, which other nodes take as inputs."""

    def __init__(self, onnx: Any):
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def _preprocessed(graph: _Graph, preprocessing: str, float32: int) -> str:
    """Bytes to the input of the first convolution, NCHW."""
    channels, scale, offset = constants_of(preprocessing)
    numbers = graph.node("Cast", INPUT, to=float32)
    ordered = graph.node("Gather", numbers, graph.constant("channels", np.array(channels, np.int64)), axis=3)
    scaled = graph.node("Mul", ordered, graph.constant("scale", scale))
    centred = graph.node("Add", scaled, graph.constant("offset", offset))
    return graph.node("Transpose", centred, perm=[0, 3, 1, 2])


def _through(graph: _Graph, layer: layers.Layer, last: str, tensors: dict[str, np.ndarray]) -> str:
    """The nodes of one layer on the output `last`; returns its own output."""
    match layer:
        case layers.Conv():
            names = _kernel_and_bias(graph, layer.name, tensors)
            return graph.node("Relu", graph.node("Conv", last, *names, pads=[1, 1, 1, 1]))
        case layers.MaxPool():
            return graph.node("MaxPool", last, kernel_shape=[2, 2], strides=[2, 2])
        case layers.GlobalAveragePool():
            return graph.node("Flatten", graph.node("GlobalAveragePool", last))
        case layers.GlobalConcatPool():
            both = graph.node("GlobalAveragePool", last), graph.node("GlobalMaxPool", last)
            return graph.node("Flatten", graph.node("Concat", *both, axis=1))
        case layers.GlobalGemPool():
            mean = graph.node("GlobalAveragePool", graph.node("Pow", last, graph.constant("three", _of(3.0))))
            floored = graph.node("Max", mean, graph.constant("floor", _of(layers.GEM_FLOOR)))
            pooled = graph.node("Pow", floored, graph.constant("third", _of(1 / 3)))
            return graph.node("LpNormalization", graph.node("Flatten", pooled), axis=1, p=2)
        case layers.Flatten():  # to NHWC, as the dense layer was trained
            return graph.node("Flatten", graph.node("Transpose", last, perm=[0, 2, 3, 1]))
        case layers.Dense():
            output = graph.node("Gemm", last, *_kernel_and_bias(graph, layer.name, tensors))
            return graph.node("Relu", output) if layer.activation == "relu" else output
        case layers.Rescale() | layers.Dropout():  # folded into the next layer; nothing in a prediction
            return last


def _of(number: float) -> np.ndarray:
    return np.array(number, np.float32)


def _kernel_and_bias(graph: _Graph, name: str, tensors: dict[str, np.ndarray]) -> tuple[str, str]:
    kernel, bias = tensors[f"{name}/kernel"], tensors[f"{name}/bias"]
    if kernel.ndim == 4:
        kernel = kernel.transpose(3, 2, 0, 1)  # HWIO to OIHW
    return graph.constant(f"{name}.kernel", kernel), graph.constant(f"{name}.bias", bias)
