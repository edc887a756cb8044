"""Random weights for the whole of VGG16, and files of them in every family's names and layout.

Each writer here is the documented transformation, written apart from the reader that it tests.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catdog.config import Decoding, Resize
from catdog.data import decode
from catdog.model.layers import Conv, Dense, Layer, tensor_shapes

if TYPE_CHECKING:  # jax may not be imported before its flags are set
    from catdog.model.network import Network

Tensors = dict[str, np.ndarray]

# Three cats and a dog.
_NAMES = ("Abyssinian_14.jpg", "Bombay_156.jpg", "Maine_Coon_143.jpg", "american_bulldog_106.jpg")
PHOTOS = [Path(__file__).parents[1] / "sample_data" / "photos" / name for name in _NAMES]


def real_photos(size: int = 224, resize: Resize = "squash") -> np.ndarray:
    """Four photos of sample_data, (4, size, size, 3) uint8 RGB."""
    return np.stack([decode(path, Decoding(size, resize)) for path in PHOTOS])


def tensors_of(network: "Network") -> Tensors:
    """All stored tensors of the network, float32, as NumPy arrays: what `load_into` takes."""
    return {path: np.asarray(variable[...]) for path, variable in network.variables().items()}


def random_tensors(layers: tuple[Layer, ...]) -> Tensors:
    """Kernels scaled after He et al. (arXiv:1502.01852), so that no layer's output vanishes.

    The first is smaller, so that photos of 0…255 come out near one, as the top layers like their inputs.
    """
    random = np.random.default_rng(1502_01852)
    tensors = {}
    for layer in layers:
        for part, shape in tensor_shapes(layer).items():
            scale = np.sqrt(2 / np.prod(shape[:-1])) if part == "kernel" else 0.1
            if layer.name == "block1_conv1" and part == "kernel":
                scale /= 64
            tensors[f"{layer.name}/{part}"] = random.standard_normal(shape, np.float32) * np.float32(scale)
    return tensors


def torchvision(layers: tuple[Layer, ...], tensors: Tensors, *, timm: bool = False) -> Tensors:
    """The state dict of torchvision's VGG16, or of timm's."""
    convolutions = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    top = {"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}
    if timm:
        top = {"fc1": "pre_logits.fc1", "fc2": "pre_logits.fc2", "predictions": "head.fc"}
    places = iter(convolutions)
    state: Tensors = {}
    for layer in layers:
        if isinstance(layer, Conv):
            name = f"features.{next(places)}"
            weight = np.transpose(tensors[f"{layer.name}/kernel"], (3, 2, 0, 1))
        elif isinstance(layer, Dense):
            name = top[layer.name]
            weight = tensors[f"{layer.name}/kernel"].T
            if layer.name == "fc1":
                weight = weight.reshape(-1, 7, 7, 512).transpose(0, 3, 1, 2)
                weight = weight if timm else weight.reshape(-1, 512 * 7 * 7)
            elif layer.name == "fc2" and timm:
                weight = weight[:, :, None, None]
        else:
            continue
        state[f"{name}.weight"] = np.ascontiguousarray(weight)
        state[f"{name}.bias"] = tensors[f"{layer.name}/bias"]
    return state


def theano(layers: tuple[Layer, ...], tensors: Tensors) -> Tensors:
    """What Keras 1 wrote on Theano with channels first: `convolution2d_3/convolution2d_3_W`.

    Theano turns a kernel by 180° before it slides it over the picture, so the file holds it turned; and what
    fc1 is fed runs through all positions of a channel before it comes to the next channel.
    """
    state: Tensors = {}
    convolutions, denses = 0, 0
    for layer in layers:
        if isinstance(layer, Conv):
            convolutions += 1
            name = f"convolution2d_{convolutions}"
            kernel = np.transpose(tensors[f"{layer.name}/kernel"], (3, 2, 0, 1))[:, :, ::-1, ::-1]
        elif isinstance(layer, Dense):
            denses += 1
            name = f"dense_{denses}"
            kernel = tensors[f"{layer.name}/kernel"]
            if layer.name == "fc1":
                kernel = kernel.reshape(7, 7, 512, 4096).transpose(2, 0, 1, 3).reshape(25088, 4096)
        else:
            continue
        state[f"{name}/{name}_W"] = kernel
        state[f"{name}/{name}_b"] = tensors[f"{layer.name}/bias"]
    return state
