"""VGG16's convolutions as each library computes them, for speed.py: the same weights, the same photos.

Each function here takes the weights and the photos' size and yields (arrangement, function from photos to
pool5), one or two: all cores in one call after the other, as is usual, and where a library can be told to use
one core a call, as many calls at a time as there are cores. The fastest counts. Others are given preprocessed
photos; catdog's takes raw pixels and preprocesses them in the time that is measured.
"""

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from catdog import devices
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.layers import Conv

Tensors = Mapping[str, np.ndarray]
Extract = Callable[[np.ndarray], np.ndarray]  # preprocessed photos (b, size, size, 3) float32 → pool5
Arrangements = Iterator[tuple[str, Extract]]

_TOGETHER = "one call after the other"
_APART = "a call a core"


def catdog(tensors: Tensors, size: int) -> Arrangements:
    """As `catdog train` does it; raw pixels, uint8. On a GPU in bfloat16."""
    from catdog.config import Head
    from catdog.data.parallel import ordered_map
    from catdog.features.prefix import Prefix, pad_batch
    from catdog.weights.source import find_weights

    prefix = Prefix(find_weights("builtin"), Head(), unfreeze="head")
    calls = prefix.calls(devices.usable_cores())

    def extract(pixels_bhwc: np.ndarray) -> np.ndarray:
        size = prefix.batch_size(len(pixels_bhwc), calls)
        starts = range(0, len(pixels_bhwc), size)
        batches = (pad_batch(list(pixels_bhwc[start : start + size]), size) for start in starts)
        parts = list(
            ordered_map(lambda one: np.asarray(prefix(one)), batches, workers=calls, ahead=2 * calls)
        )
        return np.concatenate(parts)[: len(pixels_bhwc)]

    yield _APART, extract


def xla(tensors: Tensors, size: int, dtype: str = "float32") -> Arrangements:
    """`lax.conv_general_dilated`, which Flax's `nnx.Conv` calls."""
    import jax

    from catdog.model import frozen

    program, arrays = frozen.direct(CONVOLUTIONS, tensors, dtype=dtype)
    compiled = jax.jit(program)
    yield _TOGETHER, _by_batch(lambda images: compiled(arrays, images))
    if not on_gpu():
        yield _APART, _by_batch(lambda images: compiled(arrays, images), calls=devices.usable_cores())


def keras(tensors: Tensors, size: int) -> Arrangements:
    """`keras.applications.VGG16` and its `predict_on_batch`, on Keras' JAX backend."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    make: Any = keras.applications.VGG16  # its annotations know no None
    model = make(include_top=False, weights=None, input_shape=(size, size, 3))
    for layer in CONVOLUTIONS:
        if isinstance(layer, Conv):
            parts = [tensors[f"{layer.name}/{part}"].astype(np.float32) for part in ("kernel", "bias")]
            model.get_layer(layer.name).set_weights(parts)
    yield _TOGETHER, _by_batch(model.predict_on_batch)


def torch(tensors: Tensors, size: int, dtype: str = "float32") -> Arrangements:
    """PyTorch, channels last, in inference mode; on a GPU if it sees one."""
    torch: Any = importlib.import_module("torch")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    cores = devices.usable_cores()
    torch.set_num_threads(cores)
    kind = getattr(torch, dtype)
    modules: list[Any] = []
    for layer in CONVOLUTIONS:
        if isinstance(layer, Conv):
            convolution = torch.nn.Conv2d(layer.channels_in, layer.channels_out, 3, padding=1)
            kernel = tensors[f"{layer.name}/kernel"].astype(np.float32).transpose(3, 2, 0, 1)
            convolution.weight.data = torch.from_numpy(np.ascontiguousarray(kernel))
            convolution.bias.data = torch.from_numpy(tensors[f"{layer.name}/bias"].astype(np.float32))
            modules += [convolution, torch.nn.ReLU(inplace=True)]
        else:
            modules.append(torch.nn.MaxPool2d(2))
    network = torch.nn.Sequential(*modules).to(device, kind, memory_format=torch.channels_last).eval()

    def extract(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            # NHWC in memory, NCHW by name: what PyTorch calls channels last.
            batch = torch.from_numpy(images).permute(0, 3, 1, 2).to(device, kind)
            return network(batch).permute(0, 2, 3, 1).float().cpu().numpy()

    yield _TOGETHER, _by_batch(extract)
    if device == "cpu":
        torch.set_num_threads(1)
        yield _APART, _by_batch(extract, calls=cores)


def onnxruntime(tensors: Tensors, size: int) -> Arrangements:
    """ONNX Runtime's CPU provider; the graph is NCHW, which it prefers."""
    import onnx
    import onnxruntime

    helper, nodes, constants, last = onnx.helper, [], [], "images"
    for layer in CONVOLUTIONS:
        if isinstance(layer, Conv):
            kernel = tensors[f"{layer.name}/kernel"].astype(np.float32).transpose(3, 2, 0, 1)
            bias = tensors[f"{layer.name}/bias"].astype(np.float32)
            for name, value in (("kernel", np.ascontiguousarray(kernel)), ("bias", bias)):
                constants.append(onnx.numpy_helper.from_array(value, f"{layer.name}/{name}"))
            inputs = [last, f"{layer.name}/kernel", f"{layer.name}/bias"]
            nodes.append(helper.make_node("Conv", inputs, [f"{layer.name}/sum"], pads=[1, 1, 1, 1]))
            nodes.append(helper.make_node("Relu", [f"{layer.name}/sum"], [layer.name]))
        else:
            pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
            nodes.append(helper.make_node("MaxPool", [last], [layer.name], **pool))
        last = layer.name
    real = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "vgg16",
        [helper.make_tensor_value_info("images", real, ["batch", 3, size, size])],
        [helper.make_tensor_value_info(last, real, ["batch", 512, size // 32, size // 32])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    cores = devices.usable_cores()
    for name, threads, calls in ((_TOGETHER, cores, 1), (_APART, 1, cores)):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)

        def extract(images: np.ndarray, session: Any = session) -> np.ndarray:
            feed = {"images": np.ascontiguousarray(images.transpose(0, 3, 1, 2))}
            return np.asarray(session.run(None, feed)[0]).transpose(0, 2, 3, 1)

        yield name, _by_batch(extract, calls=calls)


def on_gpu() -> bool:
    """Whether JAX computes on something else than a CPU."""
    return devices.compute_dtype() != "float32"


def of_size(photos: int, size: int) -> int:
    """How many photos of `size` pixels have as many pixels as `photos` of 224."""
    return max(1, photos * 224**2 // size**2)


def _by_batch(function: Callable[[np.ndarray], Any], calls: int = 1) -> Extract:
    """Batches of 16 photos of 224 pixels, on a GPU 256; fewer larger ones. `calls` batches at a time."""

    def extract(images: np.ndarray) -> np.ndarray:
        batch = of_size(256 if on_gpu() else 16, images.shape[1])
        parts = (images[start : start + batch] for start in range(0, len(images), batch))
        with ThreadPoolExecutor(calls) as pool:
            return np.concatenate(list(pool.map(lambda part: np.asarray(function(part)), parts)))

    return extract


# Name in the table → (the packages it needs, how it is made). catdog and XLA's own come first.
EXTRACTORS: dict[str, tuple[tuple[str, ...], Callable[[Tensors, int], Arrangements]]] = {
    "catdog": ((), catdog),
    "XLA": ((), xla),
    "XLA bfloat16": ((), partial(xla, dtype="bfloat16")),
    "Keras": (("keras",), keras),
    "PyTorch": (("torch",), torch),
    "PyTorch bfloat16": (("torch",), partial(torch, dtype="bfloat16")),
    "ONNX Runtime": (("onnx", "onnxruntime"), onnxruntime),
}


def lacking(name: str) -> list[str]:
    """The packages that a contestant needs and that are not installed."""
    return [package for package in EXTRACTORS[name][0] if importlib.util.find_spec(package) is None]
