"""Weights files: that of the package, a user's own, and every way in which a file may not match."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from catdog.errors import OptionError, WeightsError
from catdog.model.architecture import CONVOLUTIONS, split_at, vgg16
from catdog.model.layers import Conv, Layer, tensor_shapes
from catdog.model.network import Network
from catdog.model.tensors import load_into
from catdog.weights.source import BUILTIN_DIGEST, WeightSource, digest, find_weights, read_tensors
from tests.weights_files import tensors_of

Tensors = dict[str, np.ndarray]

BLOCK = (Conv("block1_conv1", "block1", 3, 4), Conv("block1_conv2", "block1", 4, 5))


@pytest.fixture
def tensors(random: np.random.Generator) -> Tensors:
    return {
        f"{layer.name}/{part}": random.standard_normal(shape).astype(np.float16)
        for layer in BLOCK
        for part, shape in tensor_shapes(layer).items()
    }


@pytest.fixture
def file(tmp_path: Path, tensors: Tensors) -> Path:
    path = tmp_path / "own.safetensors"
    save_file(tensors, path, {"preprocessing": "caffe"})
    return path


def test_the_weights_that_ship_are_those_that_were_published() -> None:
    source = find_weights("builtin")
    tensors = read_tensors(source, CONVOLUTIONS)
    assert source.preprocessing == "caffe"
    assert source.digest == BUILTIN_DIGEST
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype("float16")}
    assert sum(tensor.size for tensor in tensors.values()) == 14_714_688
    # Values of the Oxford group's release, rounded to float16: eleven bits.
    known = np.array([0.73429835, 0.093403675, 0.06775674])
    np.testing.assert_allclose(tensors["block1_conv1/bias"][:3], known, rtol=2**-11)
    assert tensors["block5_conv3/bias"][0] == pytest.approx(0.18837857, rel=2**-11)
    assert tensors["block5_conv3/kernel"].flat[0] == pytest.approx(0.00040788297, rel=2**-11)


def test_only_the_tensors_of_the_asked_layers_are_read() -> None:
    prefix, suffix = split_at(CONVOLUTIONS, "block2")
    source = find_weights("builtin")
    assert list(read_tensors(source, prefix)) == [
        "block1_conv1/kernel",
        "block1_conv1/bias",
        "block1_conv2/kernel",
        "block1_conv2/bias",
    ]
    assert len(read_tensors(source, suffix)) == 22
    assert read_tensors(source, ()) == {}


def test_builtin_weights_lack_the_top_and_say_so() -> None:
    with pytest.raises(WeightsError) as caught:
        read_tensors(find_weights("builtin"), vgg16())
    message = str(caught.value)
    for layer in ("fc1", "fc2", "predictions"):
        for part in ("kernel", "bias"):
            assert f"{layer}/{part} expected" in message
    assert message.count("missing") == 6
    assert "block" not in message.split("does not match the network:")[1]


def test_a_file_of_the_users_own_is_read_as_it_is_stored(file: Path, tensors: Tensors) -> None:
    source = find_weights(str(file))
    layers = frozenset({"block1_conv1", "block1_conv2"})
    assert source == WeightSource(str(file), file, "caffe", layers, misshapen=layers)
    assert not source.has_fc
    found = read_tensors(source, BLOCK)
    assert list(found) == list(tensors)
    for path, tensor in tensors.items():
        np.testing.assert_array_equal(found[path], tensor, strict=True)


def test_a_file_says_which_preprocessing_it_wants(file: Path, tensors: Tensors) -> None:
    save_file(tensors, file, metadata={"preprocessing": "torch"})
    assert find_weights(str(file)).preprocessing == "torch"
    save_file(tensors, file, metadata={"preprocessing": "tf"})
    with pytest.raises(WeightsError, match="unknown preprocessing 'tf': expected one of caffe,"):
        find_weights(str(file))


def test_a_file_that_does_not_say_its_preprocessing_is_asked_about(file: Path, tensors: Tensors) -> None:
    save_file(tensors, file)
    with pytest.raises(WeightsError) as caught:
        find_weights(str(file))
    assert str(caught.value).startswith(f"{file} does not name its preprocessing. Give ")
    for answer in ("caffe", "torch"):
        assert f"--preprocessing {answer}" in str(caught.value)
        assert find_weights(str(file), preprocessing=answer).preprocessing == answer


def test_what_a_file_says_of_itself_is_not_overruled(file: Path) -> None:
    for name, other in ((str(file), "torch"), ("builtin", "torch")):
        with pytest.raises(OptionError, match="torch does not match the weights .*, which need caffe"):
            find_weights(name, preprocessing=other)
        assert find_weights(name, preprocessing="caffe").preprocessing == "caffe"


def test_what_names_suggest_is(tmp_path: Path) -> None:
    """There are Caffe's weights under torchvision's names."""
    path = tmp_path / "caffe.safetensors"
    save_file({"features.0.bias": np.zeros(64, np.float32)}, path)
    assert find_weights(str(path)).preprocessing == "torch"
    assert find_weights(str(path), preprocessing="caffe").preprocessing == "caffe"


@pytest.mark.parametrize("name", ["imagenet", "gone.safetensors", "folder.safetensors"])
def test_what_is_no_weights_is_answered_with_what_is(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(WeightsError) as caught:
        find_weights(str(tmp_path / name))
    assert str(caught.value) == (
        f"there are no weights {str(tmp_path / name)!r}: expected builtin, keras, timm, or the path of a "
        "weights file (.h5, .safetensors, .pth)"
    )


def test_every_mismatch_is_listed_at_once(file: Path, tensors: Tensors) -> None:
    del tensors["block1_conv2/bias"]
    tensors["block1_conv1/kernel"] = np.zeros((4, 3, 3, 3), np.float16)  # as torch stores it
    tensors["block1_conv2/kernel"] = np.zeros((3, 3, 4, 5), np.int8)
    tensors["block1_conv3/kernel"] = np.zeros((2, 2), np.float32)
    save_file(tensors, file, {"preprocessing": "caffe"})
    with pytest.raises(WeightsError) as caught:
        read_tensors(find_weights(str(file)), BLOCK)
    assert str(caught.value) == (
        f"{file} does not match the network: "
        "block1_conv1/kernel expected (3, 3, 3, 4), found (4, 3, 3, 3); "
        "block1_conv2/kernel expected float16 or float32, found I8; "
        "block1_conv2/bias expected (5,), missing; "
        "block1_conv3/kernel not expected, found (2, 2)"
    )


@pytest.mark.parametrize("kept", [0, 4, 100, -1], ids=["empty", "no size", "no header", "no end"])
def test_a_truncated_file_is_damaged(kept: int, file: Path) -> None:
    source = find_weights(str(file))
    file.write_bytes(file.read_bytes()[:kept])
    expected = rf"{file} is truncated, damaged, or not a safetensors file: \w+"
    with pytest.raises(WeightsError, match=expected):
        read_tensors(source, BLOCK)
    with pytest.raises(WeightsError, match=expected):
        find_weights(str(file))


def test_a_flipped_bit_in_a_known_file_is_found(tmp_path: Path) -> None:
    builtin = find_weights("builtin")
    content = bytearray(builtin.path.read_bytes())
    content[len(content) // 2] ^= 1
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_tensors(replace(builtin, path=copy), CONVOLUTIONS)
    message = str(caught.value)
    expected = BUILTIN_DIGEST.removeprefix("sha256:")
    assert message.startswith(f"{copy} is damaged: expected the SHA-256 {expected}, found ")
    assert message.endswith("; install or download it again")


def test_the_digest_is_of_the_content_and_not_of_the_order(tensors: Tensors) -> None:
    expected = digest(tensors)
    assert len(bytes.fromhex(expected)) == 32
    assert digest(dict(reversed(tensors.items()))) == expected
    strided = {path: np.asfortranarray(tensor) for path, tensor in tensors.items()}
    assert digest(strided) == expected
    swapped = {path: tensor.astype(">f2") for path, tensor in tensors.items()}
    assert digest(swapped) == expected


def test_the_digest_tells_name_type_shape_and_value_apart() -> None:
    variants: list[Tensors] = [
        {},
        {"a": np.zeros(4, np.float16)},
        {"b": np.zeros(4, np.float16)},
        {"a": np.zeros(2, np.float32)},
        {"a": np.zeros((2, 2), np.float16)},
        {"a": np.array([0, 0, 0, 1], np.float16)},
        {"a": np.zeros(2, np.float16), "b": np.zeros(2, np.float16)},
        {"a": np.zeros((), np.float16)},
    ]
    assert len({digest(tensors) for tensors in variants}) == len(variants)


def test_what_is_loaded_is_what_is_there(tensors: Tensors) -> None:
    network = Network(BLOCK, rngs=None)
    load_into(network, tensors)
    found = tensors_of(network)
    assert list(found) == list(tensors)
    for path, tensor in tensors.items():
        np.testing.assert_array_equal(found[path], tensor.astype(np.float32), strict=True)


def test_a_network_does_not_change_with_the_array_it_came_from() -> None:
    tensors: Tensors = {
        path: np.ones(variable.shape, np.float32)
        for path, variable in Network(BLOCK, rngs=None).variables().items()
    }
    network = Network(BLOCK, rngs=None)
    load_into(network, tensors)
    for tensor in tensors.values():
        tensor[...] = 2
    assert all((tensor == 1).all() for tensor in tensors_of(network).values())


def test_constants_are_saved_and_loaded_too(small_table: tuple[Layer, ...]) -> None:
    network, other = (Network(small_table, rngs=nnx.Rngs(seed)) for seed in (0, 1))
    tensors = tensors_of(network) | {"rescale/scale": np.array(2.5, np.float32)}
    load_into(other, tensors)
    assert digest(tensors_of(other)) == digest(tensors) != digest(tensors_of(network))


def test_what_does_not_fit_a_network_is_listed_and_nothing_is_set(tensors: Tensors) -> None:
    network = Network(BLOCK, rngs=None)
    load_into(network, tensors)
    before = digest(tensors_of(network))
    del tensors["block1_conv1/kernel"]
    tensors["block1_conv1/bias"] = np.zeros(3, np.float16)
    tensors["block1_conv2/bias"] = np.zeros(5, np.float64)
    tensors["fc1/bias"] = np.zeros(7, np.float32)
    with pytest.raises(WeightsError) as caught:
        load_into(network, tensors)
    assert str(caught.value) == (
        "the tensors do not match the network: "
        "block1_conv1/kernel expected (3, 3, 3, 4), missing; "
        "block1_conv1/bias expected (4,), found (3,); "
        "block1_conv2/bias expected float16 or float32, found float64; "
        "fc1/bias not expected, found (7,)"
    )
    assert digest(tensors_of(network)) == before
