"""A whole trained network in one file that stands alone: ours, Keras' or torchvision's. See `onnx_graph` too.

Class names and preprocessing travel in the file, under the key `catdog`, as one JSON object; see `ModelSpec`.
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
    """Everything that is needed to answer.

    Attributes:
        tensors: of all layers, float32, by `layer/part`.
        features: the shape of what the pretrained layers give.
    """

    spec: ModelSpec
    tensors: Mapping[str, np.ndarray]
    features: tuple[int, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All that compute something in a prediction, from the first convolution to the logits."""
        new = head(self.spec.head, len(self.spec.classes), features=self.features)
        return tuple(layer for layer in (*body(self.spec.head), *new) if not isinstance(layer, Dropout))

    def folded(self) -> dict[str, np.ndarray]:
        """The tensors without a Rescale: the next layer's kernel is divided instead, to the same effect."""
        tensors = dict(self.tensors)
        for layer, behind in zip(self.layers, self.layers[1:], strict=False):
            if isinstance(layer, Rescale):
                scale = tensors.pop(f"{layer.name}/scale")
                tensors[f"{behind.name}/kernel"] = tensors[f"{behind.name}/kernel"] / scale
        return tensors

    def stored(self) -> Iterator[Conv | Dense]:
        """The layers that have a kernel and a bias, in order."""
        return (layer for layer in self.layers if isinstance(layer, Conv | Dense))


def write_catdog(path: Path, network: WholeNetwork) -> None:
    """Our own file: what `--model` and `--weights` take."""
    new = {layer.name for layer in network.layers if layer.stage == "head"}
    tensors = {
        f"{NEW}{name}" if name.partition("/")[0] in new else name: value
        for name, value in network.tensors.items()
    }
    _write_safetensors(path, tensors, network)


def write_torchvision(path: Path, network: WholeNetwork) -> None:
    """What `torchvision.models.vgg16(num_classes=…).load_state_dict` takes.

    Raises:
        OptionError: the network is no VGG16 from end to end.
    """
    if (kind := network.spec.head.kind) != "imagenet":
        raise OptionError(
            "torchvision's VGG16 has fc1 and fc2, which a run with the head {kind} has not: export it as "
            ".onnx or .h5, or train with --head imagenet",
            kind=kind,
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
        raise OptionError(
            "h5py, which writes .h5, is not installed: pip install 'catdog-cli[keras]'"
        ) from error
    tensors = network.folded()
    names = [layer.name for layer in network.stored()]
    with durable.replacing_path(path) as temporary, h5py.File(temporary, "w") as root:
        root.attrs["layer_names"] = np.array(names, "S")
        root.attrs["backend"] = "tensorflow"  # kernels as those who correlate have them
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
    """As the file holds it: ASCII, since a class may be called after a folder whose name is not UTF-8."""
    return json.dumps(spec.to_json(), sort_keys=True)
