"""The names and layouts of VGG16's tensors in each family of files, and how they become catdog's.

The families: Keras (HWIO kernels, the inputs of fc1 in the order height, width, channel), the Theano files of
Keras 1 (OIHW kernels, turned by 180° because Theano convolves where others correlate, the inputs of fc1 in
the order channel, height, width), torchvision and timm (OIHW kernels, dense kernels out × in, the inputs of
fc1 channel first), and catdog's own (as Keras).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from catdog.model.architecture import CONVOLUTIONS, IMAGENET_TOP
from catdog.model.layers import Conv, Dense, Layer, MaxPool, Shape
from catdog.model.preprocess import Preprocessing
from catdog.weights.files import OWN, RawFile, RawTensor
from catdog.weights.files.tensors import Place, place_rows

_CONVS: tuple[Conv, ...] = tuple(layer for layer in CONVOLUTIONS if isinstance(layer, Conv))
_DENSES: tuple[Dense, ...] = tuple(layer for layer in IMAGENET_TOP if isinstance(layer, Dense))
# The prefix of the new layers' names in a file that catdog exported.
NEW = "head/"

_FC1_POSITIONS, _FC1_CHANNELS = 7 * 7, 512

# Of row i of fc1's kernel in a channel-first file: its row in catdog's order (position, channel).
_FC1_ROW_OF_CHANNEL_FIRST = (
    np.arange(_FC1_POSITIONS * _FC1_CHANNELS).reshape(_FC1_POSITIONS, _FC1_CHANNELS).T.reshape(-1)
)


@dataclass(frozen=True)
class Named:
    """One tensor of VGG16 in a file.

    Attributes:
        file_name: its name in the file.
        raw: the tensor in the file; None if the file does not have it.
        place: puts rows of the file into catdog's layout; see `tensors.read`.
        file_shape: catdog's shape → the shape in the file.
    """

    file_name: str
    raw: RawTensor | None
    place: Place
    file_shape: Callable[[Shape], Shape]


@dataclass(frozen=True)
class Family:
    """A file in the terms of its family.

    Attributes:
        named: all 32 tensors of VGG16, by catdog's name, such as `fc1/kernel`.
        strangers: the other tensors of the file.
        preprocessing: of the photos, for these weights; None if it is unknown.
        is_explicit: whether the file names its preprocessing; otherwise the names of its tensors suggest it.
    """

    named: Mapping[str, Named]
    strangers: Mapping[str, RawTensor]
    preprocessing: Preprocessing | None
    is_explicit: bool


def recognise(file: RawFile) -> Family:
    """The file's tensors under catdog's names.

    Raises:
        OptionError: the file names an unknown preprocessing.
    """
    allowed: frozenset[str] = frozenset()
    if file.keras:
        layers = _keras(file)
        names, allowed = layers.names, layers.new_top
        layout = partial(_keras_layout, turned=layers.turned, channel_first=layers.channel_first)
        preprocessing = Preprocessing.CAFFE if layers.is_vgg16 else None
    elif any(name.startswith(("features.", "classifier.", "pre_logits.")) for name in file.tensors):
        names = _torch_names(timm=any(name.startswith("pre_logits.") for name in file.tensors))
        layout = _torch_layout
        preprocessing = Preprocessing.TORCH
    else:
        names = {f"{layer.name}/{part}": f"{layer.name}/{part}" for layer, part in _all_tensors()}
        layout = partial(_keras_layout, turned=False, channel_first=False)
        preprocessing = None
    if "preprocessing" in file.metadata:
        preprocessing = Preprocessing(file.metadata["preprocessing"])
    named = {}
    for layer, part in _all_tensors():
        our_name = f"{layer.name}/{part}"
        file_name = names.get(our_name, our_name)
        raw = file.tensors.get(file_name)
        place, file_shape = layout(layer, part, raw)
        named[our_name] = Named(file_name, raw, place, file_shape)
    if OWN in file.metadata:
        allowed = frozenset(name for name in file.tensors if name.startswith(NEW))
    taken = {tensor.file_name for tensor in named.values()} | allowed
    strangers = {name: raw for name, raw in file.tensors.items() if name not in taken}
    return Family(named, strangers, preprocessing, "preprocessing" in file.metadata)


def _all_tensors() -> Iterator[tuple[Conv | Dense, str]]:
    for layer in (*_CONVS, *_DENSES):
        for part in ("kernel", "bias"):
            yield layer, part


@dataclass(frozen=True)
class _KerasLayers:
    """The layers of a Keras file as layers of VGG16, and the layout of their kernels.

    Attributes:
        names: catdog's name → the file's.
        new_top: the tensors of other dense layers, on top of VGG16's; they are allowed.
        turned: kernels are turned by 180°.
        channel_first: kernels are OIHW, and the inputs of fc1 are channel first.
        is_vgg16: its names or its age say that it is Keras' VGG16, with Keras' preprocessing.
    """

    names: Mapping[str, str]
    new_top: frozenset[str]
    turned: bool
    channel_first: bool
    is_vgg16: bool


def _keras(file: RawFile) -> _KerasLayers:
    """Matches layers by name if any has a name of VGG16's. If none has (convolution2d_3, layer_9), the n-th
    convolution is VGG16's n-th convolution, and the same for dense layers."""
    kernels = [
        (name.rpartition("/")[0], len(raw.shape))
        for name, raw in file.tensors.items()
        if name.endswith("/kernel") and len(raw.shape) in (2, 4)
    ]
    ours = {layer.name for layer in (*_CONVS, *_DENSES)}
    by_name = any(layer in ours for layer, _ in kernels)
    new_top: list[str] = []
    if by_name:
        layers = {layer: layer for layer, _ in kernels if layer in ours}
        new_top = [layer for layer, axes in kernels if layer not in ours and axes == 2]
    else:
        convolutions, denses = ([layer for layer, axes in kernels if axes == wanted] for wanted in (4, 2))
        layers = dict(zip((layer.name for layer in _CONVS), convolutions, strict=False))
        layers |= zip((layer.name for layer in _DENSES), denses, strict=False)
    names = _both_parts(layers)
    first = file.tensors.get(names.get("block1_conv1/kernel", ""))
    channel_first = first is not None and first.shape == (64, 3, 3, 3)
    backend = file.metadata.get("backend", "theano" if channel_first else "")
    return _KerasLayers(
        names,
        frozenset(_both_parts(dict(zip(new_top, new_top, strict=True)))),
        turned=backend == "theano",
        channel_first=channel_first,
        is_vgg16=by_name or channel_first,
    )


def _both_parts(layers: Mapping[str, str]) -> dict[str, str]:
    return {
        f"{ours}/{part}": f"{theirs}/{part}" for ours, theirs in layers.items() for part in ("kernel", "bias")
    }


def _keras_layout(
    layer: Layer, part: str, raw: RawTensor | None, *, turned: bool, channel_first: bool
) -> tuple[Place, Callable[[Shape], Shape]]:
    if part == "kernel" and isinstance(layer, Conv):
        if channel_first:
            return partial(_place_oihw, turned=turned), _oihw
        return (_place_turned if turned else place_rows), _same
    if part == "kernel" and channel_first and layer.name == "fc1":
        return _place_channel_first_rows, _same
    return place_rows, _same


def _torch_layout(layer: Layer, part: str, raw: RawTensor | None) -> tuple[Place, Callable[[Shape], Shape]]:
    if part == "bias":
        return place_rows, _same
    if isinstance(layer, Conv):
        return partial(_place_oihw, turned=False), _oihw
    order = _FC1_ROW_OF_CHANNEL_FIRST if layer.name == "fc1" else slice(None)
    as_convolution = raw is not None and len(raw.shape) == 4  # timm's fc1 and fc2
    side = 7 if layer.name == "fc1" else 1
    return partial(_place_dense_oi, order=order), partial(_oi, side=side if as_convolution else 0)


def to_torchvision(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All tensors under torchvision's names, in its layout: the inverse of `recognise`."""
    names = _torch_names(timm=False)
    theirs = {}
    for name, tensor in tensors.items():
        if name == "fc1/kernel":
            tensor = tensor[_FC1_ROW_OF_CHANNEL_FIRST]
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
        for part, their_part in (("kernel", "weight"), ("bias", "bias"))
    }


def _same(shape: Shape) -> Shape:
    return shape


def _oihw(shape: Shape) -> Shape:
    height, width, channels_in, channels_out = shape
    return channels_out, channels_in, height, width


def _oi(shape: Shape, *, side: int) -> Shape:
    """(out, in); with a side, (out, in / side², side, side)."""
    units_in, units_out = shape
    return (units_out, units_in // side**2, side, side) if side else (units_out, units_in)


def _place_turned(out: np.ndarray, start: int, rows: np.ndarray) -> None:
    """HWIO kernels turned by 180°."""
    for number, row in enumerate(rows, start):
        out[len(out) - 1 - number] = row[::-1]


def _place_oihw(out: np.ndarray, start: int, rows: np.ndarray, *, turned: bool) -> None:
    if turned:
        rows = rows[:, :, ::-1, ::-1]
    out[..., start : start + len(rows)] = rows.transpose(2, 3, 1, 0)


def _place_channel_first_rows(out: np.ndarray, start: int, rows: np.ndarray) -> None:
    out[_FC1_ROW_OF_CHANNEL_FIRST[start : start + len(rows)]] = rows


def _place_dense_oi(out: np.ndarray, start: int, rows: np.ndarray, *, order: np.ndarray | slice) -> None:
    out[order, start : start + len(rows)] = rows.reshape(len(rows), -1).T
