"""A whole trained network in one file: catdog's own, Keras' or torchvision's. See `onnx_graph` too.

The file holds a `ModelSpec` under the key `catdog`, as one JSON object.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from catdog import durable
from catdog.config import ModelSpec
from catdog.errors import OptionError
from catdog.model.architecture import body, head
from catdog.model.layers import Conv, Dense, Dropout, Layer, Rescale
from catdog.weights.files import OWN
from catdog.weights.naming import NEW, to_torchvision


@dataclass(frozen=True)
class WholeNetwork:
    """Everything that is needed to predict.

    Attributes:
        tensors: of all layers, float32, by `layer/part`.
        features: the shape of the output of the pretrained layers.
    """

    spec: ModelSpec
    tensors: Mapping[str, np.ndarray]
    features: tuple[int, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that compute something in a prediction, from the first convolution to the logits."""
        new = head(self.spec.head, len(self.spec.classes), features=self.features)
        return tuple(layer for layer in (*body(self.spec.head), *new) if not isinstance(layer, Dropout))

    def folded(self) -> dict[str, np.ndarray]:
        """The tensors without a Rescale: the next layer's kernel is divided instead, for the same outputs."""
        tensors = dict(self.tensors)
        for layer, following in zip(self.layers, self.layers[1:], strict=False):
            if isinstance(layer, Rescale):
                scale = tensors.pop(f"{layer.name}/scale")
                tensors[f"{following.name}/kernel"] = tensors[f"{following.name}/kernel"] / scale
        return tensors

    def stored(self) -> Iterator[Conv | Dense]:
        """The layers that have a kernel and a bias, in order."""
        return (layer for layer in self.layers if isinstance(layer, Conv | Dense))


def write_catdog(path: Path, network: WholeNetwork) -> None:
    """catdog's own file: what `--model` and `--weights` take."""
    new = {layer.name for layer in network.layers if layer.stage == "head"}
    tensors = {
        f"{NEW}{name}" if name.partition("/")[0] in new else name: value
        for name, value in network.tensors.items()
    }
    _write_safetensors(path, tensors, network)


def write_torchvision(path: Path, network: WholeNetwork) -> None:
    """What `torchvision.models.vgg16(num_classes=…).load_state_dict` takes, as safetensors.

    Raises:
        OptionError: the head is not VGG16's own.
    """
    if (kind := network.spec.head.kind) != "imagenet":
        raise OptionError(
            "torchvision's VGG16 has fc1 and fc2, and a run with the head {head} does not: export it as "
            ".onnx or .h5, or train with --head imagenet",
            head=kind,
        )
    _write_safetensors(path, to_torchvision(network.folded()), network)


def write_keras(path: Path, network: WholeNetwork) -> None:
    """What `load_weights` of Keras' VGG16 with the same layers on top takes: legacy HDF5.

    Raises:
        OptionError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise OptionError("writing .h5 needs h5py: pip install 'catdog-cli[keras]'") from error
    tensors = network.folded()
    names = [layer.name for layer in network.stored()]
    with durable.replacing_path(path) as temporary, h5py.File(temporary, "w") as root:
        root.attrs["layer_names"] = np.array(names, "S")
        root.attrs["backend"] = "tensorflow"  # its kernels are not turned, Theano's are
        root.attrs["keras_version"] = "3.0.0"
        root.attrs["preprocessing"] = network.spec.preprocessing
        root.attrs[OWN] = spec_text(network.spec)
        for name in names:
            group = root.create_group(name)
            group.attrs["weight_names"] = np.array(["kernel", "bias"], "S")
            for part in ("kernel", "bias"):
                group[part] = tensors[f"{name}/{part}"]


def _write_safetensors(path: Path, tensors: Mapping[str, np.ndarray], network: WholeNetwork) -> None:
    metadata = {OWN: spec_text(network.spec)}
    contiguous = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    with durable.replacing_path(path) as temporary:
        save_file(contiguous, temporary, metadata)


def spec_text(spec: ModelSpec) -> str:
    """The JSON in the file: ASCII, because the name of a class, that of a folder, need not be UTF-8."""
    return json.dumps(spec.to_json(), sort_keys=True)
