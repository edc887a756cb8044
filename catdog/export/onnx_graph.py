"""A trained network as an ONNX graph, from the pixels of a photo to the probabilities of the classes."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from catdog import __version__, durable
from catdog.errors import OptionError
from catdog.export.files import WholeNetwork, spec_text
from catdog.model.layers import (
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    GlobalConcatPool,
    Layer,
    MaxPool,
    Rescale,
)
from catdog.model.preprocess import constants_of
from catdog.weights.files import OWN

_OPSET = 17
INPUT, OUTPUT = "photos", "probabilities"


def write_onnx(path: Path, network: WholeNetwork) -> None:
    """A graph from `photos` (batch, height, width, 3), uint8 RGB, to `probabilities` (batch, classes).

    Raises:
        OptionError: onnx is not installed.
    """
    try:
        onnx: Any = importlib.import_module("onnx")
    except ImportError as error:
        raise OptionError("writing .onnx needs onnx: pip install 'catdog-cli[onnx]'") from error
    graph = _Graph(onnx)
    graph.preprocess(network.spec.preprocessing)
    tensors = network.folded()
    for layer in network.layers:
        graph.layer(layer, tensors)
    graph.probabilities(network.spec.head.output)
    size = network.spec.decoding.size
    helper = onnx.helper
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "vgg16",
            [helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, ["batch", size, size, 3])],
            [
                helper.make_tensor_value_info(
                    OUTPUT, onnx.TensorProto.FLOAT, ["batch", len(network.spec.classes)]
                )
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        producer_name="catdog",
        producer_version=__version__,
        ir_version=8,
    )
    helper.set_model_props(model, {OWN: spec_text(network.spec)})
    durable.write_bytes(path, model.SerializeToString())


class _Graph:
    """Nodes in a row, each with the output of the one before."""

    def __init__(self, onnx: Any):
        self._onnx = onnx
        self._last = INPUT
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def preprocess(self, preprocessing: str) -> None:
        """Bytes to the input of the first convolution, NCHW."""
        channels, scale, offset = constants_of(preprocessing)
        self._node("Cast", to=self._onnx.TensorProto.FLOAT)
        self._node("Gather", self._constant("channels", np.array(channels, np.int64)), axis=3)
        self._node("Mul", self._constant("scale", scale))
        self._node("Add", self._constant("offset", offset))
        self._node("Transpose", perm=[0, 3, 1, 2])

    def layer(self, layer: Layer, tensors: dict[str, np.ndarray]) -> None:
        """The nodes of one layer."""
        match layer:
            case Conv():
                kernel = self._constant(f"{layer.name}.kernel", _oihw(tensors[f"{layer.name}/kernel"]))
                bias = self._constant(f"{layer.name}.bias", tensors[f"{layer.name}/bias"])
                self._node("Conv", kernel, bias, pads=[1, 1, 1, 1])
                self._node("Relu")
            case MaxPool():
                self._node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
            case GlobalAveragePool():
                self._node("GlobalAveragePool")
                self._node("Flatten")
            case GlobalConcatPool():
                before = self._last
                self._node("GlobalAveragePool")
                average = self._last
                self._last = before
                self._node("GlobalMaxPool")
                largest, self._last = self._last, average
                self._node("Concat", largest, axis=1)
                self._node("Flatten")
            case Flatten():
                self._node("Transpose", perm=[0, 2, 3, 1])  # to NHWC, as the dense layer was trained
                self._node("Flatten")
            case Dense():
                kernel = self._constant(f"{layer.name}.kernel", tensors[f"{layer.name}/kernel"])
                bias = self._constant(f"{layer.name}.bias", tensors[f"{layer.name}/bias"])
                self._node("Gemm", kernel, bias)
                if layer.activation == "relu":
                    self._node("Relu")
            case Rescale() | Dropout():  # folded into the next layer; nothing in a prediction
                pass

    def probabilities(self, output: str) -> None:
        """Logits to the probabilities of all classes."""
        if output == "binary":
            logit = self._last
            self._node("Sub", logit)  # zeros of the right shape: the logit of the first class
            self._node("Concat", logit, axis=1)
        self._node("Softmax", axis=1)
        self.nodes[-1].output[0] = OUTPUT

    def _node(self, kind: str, *others: str, **attributes: Any) -> None:
        """A node on the last output; its own output is then the last."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(
            self._onnx.helper.make_node(kind, [self._last, *others], [name], name=name, **attributes)
        )
        self._last = name

    def _constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def _oihw(kernel_hwio: np.ndarray) -> np.ndarray:
    return kernel_hwio.transpose(3, 2, 0, 1)
