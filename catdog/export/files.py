"""A whole trained network in one file: catdog's own, Keras' or torchvision's. See `onnx_graph` too.

The file holds a `ModelSpec` under the key `catdog`, as one JSON object.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from catdog import durable
from catdog.config import ModelSpec
from catdog.errors import OptionError
from catdog.export.whole import WholeNetwork
from catdog.model.layers import Conv, Dense
from catdog.weights.files import OWN
from catdog.weights.naming import NEW, to_torchvision


def write_catdog(path: Path, network: WholeNetwork) -> None:
    """catdog's own file: what `--model` and `--weights` take."""
    prefix = {layer.name: NEW if layer.stage == "head" else "" for layer in network.layers}
    tensors = {prefix[name.partition("/")[0]] + name: value for name, value in network.tensors.items()}
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
    names = [layer.name for layer in network.layers if isinstance(layer, Conv | Dense)]
    content = io.BytesIO()  # on a full disk the library would end the process with a segmentation fault
    with h5py.File(content, "w") as root:
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
    durable.write_bytes(path, content.getvalue())


def _write_safetensors(path: Path, tensors: Mapping[str, np.ndarray], network: WholeNetwork) -> None:
    contiguous = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    with durable.replacing_path(path) as temporary:
        save_file(contiguous, temporary, {OWN: spec_text(network.spec)})


def spec_text(spec: ModelSpec) -> str:
    """The JSON in the file: ASCII, because the name of a class, that of a folder, need not be UTF-8."""
    return json.dumps(spec.to_json(), sort_keys=True)
