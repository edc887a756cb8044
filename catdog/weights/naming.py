"""The names and layouts of VGG16's tensors in each family of files, and how they become catdog's.

The families: Keras (HWIO kernels, the inputs of fc1 in the order height, width, channel), the Theano files of
Keras 1 (OIHW kernels, turned by 180° because Theano convolves where others correlate, the inputs of fc1 in
the order channel, height, width), torchvision and timm (OIHW kernels, dense kernels out × in, the inputs of
fc1 channel first), and catdog's own (as Keras).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from catdog.model.architecture import CONVOLUTIONS, IMAGENET_TOP
from catdog.model.layers import Conv, Dense, MaxPool, Shape
from catdog.model.preprocess import Preprocessing
from catdog.weights.files import OWN, RawFile, RawTensor
from catdog.weights.files.tensors import View

_CONVS: tuple[Conv, ...] = tuple(layer for layer in CONVOLUTIONS if isinstance(layer, Conv))
_DENSES: tuple[Dense, ...] = tuple(layer for layer in IMAGENET_TOP if isinstance(layer, Dense))
NEW = "head/"  # the prefix of the new layers' names in a file that catdog exported

_FC1_POSITIONS, _FC1_CHANNELS = 7 * 7, 512

_PARTS = ("kernel", "bias")

# Of a kernel and the tensor in the file: how they correspond, as in `Named`.
_LayoutOf = Callable[[Conv | Dense, RawTensor | None], tuple[View, Callable[[Shape], Shape]]]


@dataclass(frozen=True)
class Named:
    """One tensor of VGG16 in a file."""

    file_name: str
    raw: RawTensor | None  # None if the file does not have it
    view: View  # see `tensors.read`
    file_shape: Callable[[Shape], Shape]  # catdog's shape → the shape in the file


@dataclass(frozen=True)
class Family:
    """A file in the terms of its family."""

    named: Mapping[str, Named]  # all 32 tensors of VGG16, by catdog's name, such as `fc1/kernel`
    strangers: Mapping[str, RawTensor]  # the other tensors of the file
    preprocessing: Preprocessing | None  # of the photos, for these weights; None if it is unknown
    is_explicit: bool  # the file names its preprocessing; otherwise the names of its tensors suggest it


def recognise(file: RawFile) -> Family:
    """The file's tensors under catdog's names; an OptionError if it names an unknown preprocessing."""
    names: Mapping[str, str] = {}  # catdog's name → the file's, where they differ
    allowed: Iterable[str] = ()  # other tensors that may be there
    preprocessing = None
    layout: _LayoutOf = _keras_layout
    if file.keras:
        names, allowed, layout, preprocessing = _keras(file)
    elif any(name.startswith(("features.", "classifier.", "pre_logits.")) for name in file.tensors):
        names = _torch_names(timm=any(name.startswith("pre_logits.") for name in file.tensors))
        layout, preprocessing = _torch_layout, Preprocessing.TORCH
    if "preprocessing" in file.metadata:
        preprocessing = Preprocessing(file.metadata["preprocessing"])
    if OWN in file.metadata:
        allowed = [name for name in file.tensors if name.startswith(NEW)]
    named = {}
    for layer in (*_CONVS, *_DENSES):
        for part in _PARTS:
            our_name = f"{layer.name}/{part}"
            file_name = names.get(our_name, our_name)
            raw = file.tensors.get(file_name)
            view, file_shape = layout(layer, raw) if part == "kernel" else (_same, _same)
            named[our_name] = Named(file_name, raw, view, file_shape)
    taken = {tensor.file_name for tensor in named.values()}.union(allowed)
    strangers = {name: raw for name, raw in file.tensors.items() if name not in taken}
    return Family(named, strangers, preprocessing, "preprocessing" in file.metadata)


def _keras(file: RawFile) -> tuple[Mapping[str, str], Iterable[str], _LayoutOf, Preprocessing | None]:
    """Of a Keras file: see the four variables in `recognise`.

    Matches layers by name if any has a name of VGG16's. If none has (convolution2d_3, layer_9), the n-th
    convolution is VGG16's n-th convolution, and the same for dense layers.
    """
    kernels = [
        (name.rpartition("/")[0], len(raw.shape))
        for name, raw in file.tensors.items()
        if name.endswith("/kernel") and len(raw.shape) in (2, 4)
    ]
    ours = {layer.name for layer in (*_CONVS, *_DENSES)}
    by_name = any(layer in ours for layer, _ in kernels)
    new_top: list[str] = []  # other dense layers, on top of VGG16's
    if by_name:
        layers = {layer: layer for layer, _ in kernels if layer in ours}
        new_top = [layer for layer, axes in kernels if layer not in ours and axes == 2]
    else:
        convolutions, denses = ([layer for layer, axes in kernels if axes == wanted] for wanted in (4, 2))
        layers = dict(zip((layer.name for layer in _CONVS), convolutions, strict=False))
        layers |= zip((layer.name for layer in _DENSES), denses, strict=False)
    names = {f"{our}/{part}": f"{their}/{part}" for our, their in layers.items() for part in _PARTS}
    first = file.tensors.get(names.get("block1_conv1/kernel", ""))
    channel_first = first is not None and first.shape == (64, 3, 3, 3)
    turned = file.metadata.get("backend", "theano" if channel_first else "") == "theano"
    layout = partial(_keras_layout, turned=turned, channel_first=channel_first)
    # Its names, or its age, say that it is Keras' own VGG16.
    preprocessing = Preprocessing.CAFFE if by_name or channel_first else None
    return names, [f"{layer}/{part}" for layer in new_top for part in _PARTS], layout, preprocessing


def _keras_layout(
    layer: Conv | Dense, _: RawTensor | None, *, turned: bool = False, channel_first: bool = False
) -> tuple[View, Callable[[Shape], Shape]]:
    if isinstance(layer, Conv):
        view = partial(_convolution, turned=turned, channel_first=channel_first)
        return view, _oihw if channel_first else _same
    return (_channels_first if channel_first and layer.name == "fc1" else _same), _same


def _torch_layout(layer: Conv | Dense, raw: RawTensor | None) -> tuple[View, Callable[[Shape], Shape]]:
    if isinstance(layer, Conv):
        return partial(_convolution, turned=False, channel_first=True), _oihw
    as_convolution = raw is not None and len(raw.shape) == 4  # timm's fc1 and fc2
    side = 7 if layer.name == "fc1" else 1
    view = _units_first if layer.name == "fc1" else np.transpose
    return view, partial(_oi, side=side if as_convolution else 0)


def to_torchvision(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All tensors under torchvision's names, in its layout: the inverse of `recognise`."""
    names = _torch_names(timm=False)
    theirs = {}
    for name, tensor in tensors.items():
        if name == "fc1/kernel":
            theirs[names[name]] = _units_first(tensor).reshape(tensor.shape[::-1])
        else:
            theirs[names[name]] = tensor.transpose(3, 2, 0, 1) if tensor.ndim == 4 else tensor.T
    return theirs


def _torch_names(*, timm: bool) -> dict[str, str]:
    """catdog's name → torchvision's, or timm's, which has other names for the dense layers."""
    modules: dict[str, str] = {}
    position = 0  # in torchvision's list of modules; a ReLU follows each convolution
    for layer in CONVOLUTIONS:
        if isinstance(layer, Conv):
            modules[layer.name] = f"features.{position}"
        position += 1 if isinstance(layer, MaxPool) else 2
    if timm:
        modules |= {"fc1": "pre_logits.fc1", "fc2": "pre_logits.fc2", "predictions": "head.fc"}
    else:
        modules |= {"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}
    return {
        f"{layer}/{part}": f"{module}.{their_part}"
        for layer, module in modules.items()
        for part, their_part in zip(_PARTS, ("weight", "bias"), strict=True)
    }


def _same(array_or_shape: Any) -> Any:
    return array_or_shape


def _oihw(shape: Shape) -> Shape:
    height, width, channels_in, channels_out = shape
    return channels_out, channels_in, height, width


def _oi(shape: Shape, *, side: int) -> Shape:
    """(out, in); with a side, (out, in / side², side, side)."""
    units_in, units_out = shape
    return (units_out, units_in // side**2, side, side) if side else (units_out, units_in)


def _convolution(kernel: np.ndarray, *, turned: bool, channel_first: bool) -> np.ndarray:
    """HWIO kernels turned by 180°, or as OIHW."""
    kernel = kernel[::-1, ::-1] if turned else kernel
    return kernel.transpose(3, 2, 0, 1) if channel_first else kernel


def _channels_first(fc1: np.ndarray) -> np.ndarray:
    """(position and channel, unit) → (channel, position, unit)."""
    return fc1.reshape(_FC1_POSITIONS, _FC1_CHANNELS, -1).swapaxes(0, 1)


def _units_first(fc1: np.ndarray) -> np.ndarray:
    """(position and channel, unit) → (unit, channel, position)."""
    return fc1.reshape(_FC1_POSITIONS, _FC1_CHANNELS, -1).transpose(2, 1, 0)
