"""safetensors files: our own names, torchvision's and timm's, and what a header can say wrongly."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from catdog.errors import WeightsError
from catdog.model.architecture import vgg16
from catdog.model.layers import Dense, tensor_shapes
from catdog.weights.files import OWN, RawFile, RawTensor, opened
from catdog.weights.naming import recognise
from catdog.weights.source import find_weights, read_tensors
from tests.weights.files.made_files import BLOCK1, assert_same, flipped, is_refused, read_block1
from tests.weights_files import Tensors, torchvision

ASKS = "does not name its preprocessing.*--preprocessing caffe .* or --preprocessing torch"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vgg16.safetensors"


@pytest.fixture
def file(path: Path, tensors: Tensors) -> Path:
    save_file(torchvision(BLOCK1, tensors), path)
    return path


def write(path: Path, header: Any, values: bytes) -> None:
    """A file by hand; a header that is no object is taken as it is."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + values)


def refusal(path: Path, *, preprocessing: str | None = "caffe") -> str:
    with pytest.raises(WeightsError) as caught:
        read_block1(path, preprocessing=preprocessing)
    return str(caught.value)


# Whose file it is


def test_torchvisions_names_say_which_preprocessing(file: Path, tensors: Tensors) -> None:
    source = find_weights(str(file))
    assert (source.preprocessing, source.layers) == ("torch", {"block1_conv1", "block1_conv2"})
    assert_same(read_tensors(source, BLOCK1), tensors)


def test_our_own_names_ask_for_it(path: Path, tensors: Tensors) -> None:
    save_file(tensors, path)
    with pytest.raises(WeightsError, match=f"^{path} {ASKS}"):
        find_weights(str(path))
    for answer in ("caffe", "torch"):
        assert find_weights(str(path), preprocessing=answer).preprocessing == answer
    assert_same(read_block1(path, preprocessing="caffe"), tensors)


@pytest.mark.parametrize(
    "metadata",
    [{"preprocessing": "caffe"}, {OWN: '{"preprocessing": "caffe"}'}],
    ids=["under its name", "in our record"],
)
@pytest.mark.parametrize("torch_names", [True, False])
def test_what_the_file_says_goes_before_its_names(
    metadata: dict[str, str], torch_names: bool, path: Path, tensors: Tensors
) -> None:
    save_file(torchvision(BLOCK1, tensors) if torch_names else tensors, path, metadata)
    assert find_weights(str(path)).preprocessing == "caffe"
    assert_same(read_block1(path), tensors)


def test_a_preprocessing_that_there_is_not_is_an_error(path: Path, tensors: Tensors) -> None:
    save_file(tensors, path, {"preprocessing": "tf"})
    with pytest.raises(WeightsError) as caught:
        find_weights(str(path))
    assert str(caught.value) == f"{path}: unknown preprocessing 'tf': expected one of caffe, torch"


@pytest.mark.parametrize("record", ["{", "", "[1]", "7", '{"preprocessing": 7}', "[" * 100_000])
def test_a_record_that_is_none_says_nothing(record: str, path: Path, tensors: Tensors) -> None:
    save_file(tensors, path, {OWN: record})
    with pytest.raises(WeightsError, match=ASKS):
        find_weights(str(path))
    assert_same(read_block1(path, preprocessing="torch"), tensors)


@pytest.mark.parametrize("timm", [False, True])
def test_the_top_of_torchvision_and_of_timm_is_turned_into_ours(timm: bool) -> None:
    names = {"fc1": "pre_logits.fc1", "fc2": "pre_logits.fc2", "predictions": "head.fc"}
    if not timm:
        names = {"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}
    side = {"fc1": 7, "fc2": 1}
    for layer in vgg16():
        if not isinstance(layer, Dense):
            continue
        shape = tensor_shapes(layer)["kernel"]
        theirs = (shape[1], shape[0])
        if timm and layer.name in side:
            theirs = (shape[1], shape[0] // side[layer.name] ** 2, side[layer.name], side[layer.name])
        raw = {
            "pre_logits.fc1.weight" if timm else "classifier.0.weight": RawTensor(
                (1,) * 4, "float32", no_rows
            ),
            f"{names[layer.name]}.weight": RawTensor(theirs, "float32", no_rows),
        }
        named = recognise(RawFile(raw)).named[f"{layer.name}/kernel"]
        assert named.file_name == f"{names[layer.name]}.weight"
        assert named.file_shape(shape) == theirs
        rows = np.arange(2 * shape[0], dtype=np.float32).reshape(2, *theirs[1:])  # two units
        out = np.zeros((shape[0], 3), np.float32)
        units = named.view(out)[1:]
        units[...] = rows.reshape(units.shape)
        expected = rows.reshape(2, 512, 7, 7).transpose(0, 2, 3, 1) if layer.name == "fc1" else rows
        np.testing.assert_array_equal(out[:, 1:], expected.reshape(2, -1).T)
        assert (out[:, 0] == 0).all()


def no_rows(start: int, stop: int) -> np.ndarray:
    raise AssertionError("nothing is to be read")


# What does not fit


def test_every_misfit_is_listed_in_the_files_own_names_and_layout(path: Path, tensors: Tensors) -> None:
    state = torchvision(BLOCK1, tensors)
    state["features.0.weight"] = np.zeros((3, 3, 3, 64), np.float16)  # as Keras stores it
    state["features.0.bias"] = np.array(1, np.float32)
    state["features.1.running_mean"] = np.zeros(64, np.float32)
    state["features.1.num_batches_tracked"] = np.zeros((), np.int64)
    del state["features.2.bias"]
    save_file(state, path)
    assert refusal(path) == (
        f"{path} does not match the network: "
        "features.0.weight expected (64, 3, 3, 3), found (3, 3, 3, 64); "
        "features.0.bias expected (64,), found (); "
        "features.2.bias expected (64,), missing; "
        "features.1.num_batches_tracked not expected, found (); "
        "features.1.running_mean not expected, found (64,)"
    )


@pytest.mark.parametrize(("dtype", "size"), [("BF16", 2), ("I8", 1), ("F64", 8), ("F8_E4M3", 1), ("U64", 8)])
def test_only_floats_of_16_and_32_bits_are_accepted(dtype: str, size: int, path: Path) -> None:
    shapes = {"block1_conv1/kernel": (3, 3, 3, 64), "block1_conv1/bias": (64,)}
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + size * int(np.prod(shape))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    write(path, header, bytes(end))
    assert refusal(path) == (
        f"{path} does not match the network: "
        f"block1_conv1/kernel expected float16 or float32, found {dtype}; "
        f"block1_conv1/bias expected float16 or float32, found {dtype}; "
        "block1_conv2/kernel expected (3, 3, 64, 64), missing; "
        "block1_conv2/bias expected (64,), missing"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_damage(value: float, path: Path, tensors: Tensors) -> None:
    tensors["block1_conv2/bias"][63] = value
    save_file(torchvision(BLOCK1, tensors), path)
    assert refusal(path) == f"{path}, features.2.bias: damaged: it has values that are not finite"


# What is damaged

ONE = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    ("header", "values"),
    [
        (b"{", b""),
        (b"[]", b""),
        (b"\xff{}", b""),
        (b"[" * 100_000, b""),
        (ONE, b""),
        (ONE, bytes(16)),
        (ONE | {"b": ONE["a"]}, bytes(8)),
        ({"a": ONE["a"] | {"shape": [2**40, 2**40]}}, bytes(8)),
        ({"a": ONE["a"] | {"shape": [-2]}}, bytes(8)),
        ({"a": ONE["a"] | {"dtype": "F31"}}, bytes(8)),
        (ONE | {"__metadata__": {"preprocessing": 7}}, bytes(8)),
        (ONE | {"__metadata__": "caffe"}, bytes(8)),
    ],
    ids=[
        *("open", "no object", "no text", "deep", "no values", "more values", "overlap"),
        *("overflow", "negative", "no type", "number as metadata", "text as metadata"),
    ],
)
def test_a_header_that_says_nothing_sensible_is_damage(header: Any, values: bytes, path: Path) -> None:
    write(path, header, values)
    assert refusal(path).startswith(f"{path} is truncated, damaged, or not a safetensors file: ")


@pytest.mark.parametrize("size", [10**8, 2**40, 2**63, 2**64 - 1])
def test_a_header_of_any_declared_size_is_not_believed(size: int, file: Path) -> None:
    file.write_bytes(size.to_bytes(8, "little") + file.read_bytes()[8:])
    assert refusal(file).startswith(f"{file} is truncated, damaged, or not a safetensors file: ")


def test_a_file_that_is_cut_anywhere_is_refused(file: Path) -> None:
    content = file.read_bytes()
    for kept in (*range(0, 700, 7), *range(700, len(content), 997)):
        file.write_bytes(content[:kept])
        assert is_refused(file), kept


def test_flipped_bits_in_a_header_do_no_harm(file: Path) -> None:
    content = file.read_bytes()
    size = 8 + int.from_bytes(content[:8], "little")
    for changed in flipped(content, range(size), rounds=400, seed=1409_1556):
        file.write_bytes(changed)
        assert is_refused(file), changed[:size]


def test_a_piece_of_a_tensor_can_be_read(file: Path, tensors: Tensors) -> None:
    with opened(file) as raw:
        assert {name: tensor.shape for name, tensor in raw.tensors.items()} == {
            "features.0.bias": (64,),
            "features.0.weight": (64, 3, 3, 3),
            "features.2.bias": (64,),
            "features.2.weight": (64, 64, 3, 3),
        }
        rows = raw.tensors["features.2.weight"].rows(10, 13)
    np.testing.assert_array_equal(rows, tensors["block1_conv2/kernel"][..., 10:13].transpose(3, 2, 0, 1))


def test_a_tensor_without_axes_is_read_as_one_number(path: Path) -> None:
    save_file({"head/scale": np.array(2.5, np.float32)}, path)
    with opened(path) as raw:
        np.testing.assert_array_equal(raw.tensors["head/scale"].rows(0, 1), np.float32(2.5))
