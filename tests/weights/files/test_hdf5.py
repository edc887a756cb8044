"""Keras' files: each age of them as it lies on disk, and what a hostile or damaged one may try."""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from catdog.errors import WeightsError
from catdog.weights.files import RawFile, RawTensor, opened
from catdog.weights.files.tensors import read
from catdog.weights.naming import recognise
from catdog.weights.source import find_weights, read_tensors
from tests.weights.files.made_files import (
    BLOCK1,
    assert_same,
    flipped,
    is_refused,
    keras_2,
    keras_3,
    read_block1,
    refused_apart,
    write_hdf5,
    write_keras_2,
    write_keras_3,
)
from tests.weights_files import Tensors, theano

KERNEL = "block1_conv1/block1_conv1/kernel:0"
Hostile = Callable[[h5py.File], None]


@pytest.fixture
def file(tmp_path: Path, tensors: Tensors) -> Path:
    return write_hdf5(tmp_path / "vgg16.h5", keras_2(tensors))


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_block1(path)
    return str(caught.value)


# What Keras has written over the years


def first_names(tensors: Tensors) -> Tensors:
    """block1_conv1/block1_conv1_W_1:0"""
    letters = {"kernel": "W", "bias": "b"}
    parted = {name: name.split("/") for name in tensors}
    return {f"{layer}/{layer}_{letters[part]}_1:0": tensors[name] for name, (layer, part) in parted.items()}


def whole_model(tensors: Tensors) -> Tensors:
    return {f"model_weights/{name}": tensor for name, tensor in keras_2(tensors).items()}


def nested_model(tensors: Tensors) -> Tensors:
    return {f"model_weights/vgg16/{name}:0": tensor for name, tensor in tensors.items()}


def with_optimizer(tensors: Tensors) -> Tensors:
    moments = {"optimizer_weights/Adam/m/kernel:0": np.zeros((3, 3)), "optimizer/vars/0": np.zeros((), int)}
    return whole_model(tensors) | moments


@pytest.mark.parametrize("names", [keras_2, first_names, whole_model, nested_model, with_optimizer])
def test_layers_go_by_their_names(
    names: Callable[[Tensors], Tensors], tmp_path: Path, tensors: Tensors
) -> None:
    path = write_hdf5(tmp_path / "vgg16.h5", names(tensors))
    source = find_weights(str(path))
    assert (source.preprocessing, source.layers) == ("caffe", {"block1_conv1", "block1_conv2"})
    assert_same(read_tensors(source, BLOCK1), tensors)


def test_keras_3_has_the_names_beside_the_variables(tmp_path: Path, tensors: Tensors) -> None:
    swapped = dict(itertools.chain(list(tensors.items())[2:], list(tensors.items())[:2]))
    path = write_keras_3(tmp_path / "vgg16.weights.h5", swapped)
    assert find_weights(str(path)).preprocessing == "caffe"
    assert_same(read_block1(path), tensors)


def test_without_names_the_nth_convolution_is_the_nth(tmp_path: Path, tensors: Tensors) -> None:
    path = write_hdf5(tmp_path / "vgg16.weights.h5", keras_3(tensors))
    assert_same(read_block1(path, preprocessing="torch"), tensors)
    with pytest.raises(WeightsError, match="does not name its preprocessing. .* --preprocessing caffe"):
        find_weights(str(path))


@pytest.mark.parametrize("pattern", ["conv2d{}/conv2d{}/kernel:0", "layers/conv2d{}/vars/0"])
def test_the_tenth_comes_after_the_second(pattern: str, tmp_path: Path) -> None:
    numbers = ["", *(f"_{number}" for number in range(1, 13))]
    kernels = {pattern.replace("{}", number): np.zeros((3, 3, 3, 4), np.float16) for number in numbers}
    with opened(write_hdf5(tmp_path / "vgg16.h5", kernels)) as raw:
        family = recognise(raw)
    found = [one.file_name for one in family.named.values() if one.raw]
    assert found == [f"conv2d{number}/kernel" for number in numbers]
    assert family.strangers == {}


def test_a_file_names_the_preprocessing_that_it_wants(tmp_path: Path, tensors: Tensors) -> None:
    path = write_hdf5(tmp_path / "vgg16.h5", keras_2(tensors), {"preprocessing": "torch"})
    assert find_weights(str(path)).preprocessing == "torch"


def test_attributes_that_are_not_one_text_say_nothing(tmp_path: Path, tensors: Tensors) -> None:
    attributes = {"preprocessing": ["torch", "torch"], "backend": np.int64(7)}
    path = write_hdf5(tmp_path / "vgg16.h5", keras_2(tensors), attributes)
    assert find_weights(str(path)).preprocessing == "caffe"
    assert_same(read_block1(path), tensors)


def test_a_group_may_be_called_anything(tmp_path: Path, tensors: Tensors) -> None:
    path = write_hdf5(tmp_path / "vgg16.h5", keras_2(tensors))
    with h5py.File(path, "a") as content:
        for name in ("7", "²", "٣", "\x07", "7x", "x7"):
            content.create_group(name)
    assert_same(read_block1(path), tensors)


def test_big_endian_values_are_read_as_they_are(tmp_path: Path, tensors: Tensors) -> None:
    swapped = {name: tensor.astype(">f4") for name, tensor in keras_2(tensors).items()}
    found = read_block1(write_hdf5(tmp_path / "vgg16.h5", swapped))
    assert_same(found, {name: tensor.astype(np.float32) for name, tensor in tensors.items()})


# Theano's convolutions are turned; and its files have channels first


def by_position(tensors: Tensors) -> Tensors:
    """The first VGG16 in Keras: layer_1/param_0; the layers between, such as padding, are empty."""
    return {
        f"layer_{number // 2 * 2 + 1}/param_{number % 2}": tensor
        for number, tensor in enumerate(theano(BLOCK1, tensors).values())
    }


@pytest.mark.parametrize(
    "names", [lambda tensors: theano(BLOCK1, tensors), by_position], ids=["keras", "first"]
)
def test_theanos_kernels_are_turned_back(
    names: Callable[[Tensors], Tensors], tmp_path: Path, tensors: Tensors
) -> None:
    path = write_hdf5(tmp_path / "vgg16.h5", names(tensors))
    with h5py.File(path, "a") as file:
        file.create_group("layer_0")
    assert find_weights(str(path)).preprocessing == "caffe"
    assert_same(read_block1(path), tensors)


@pytest.mark.parametrize(
    "backend", [np.bytes_("theano"), "theano", np.bytes_("tensorflow"), "tensorflow", None]
)
@pytest.mark.parametrize("channels_first", [True, False])
@pytest.mark.parametrize("holder", ["/", "model_weights"])
def test_the_backend_says_whether_kernels_are_turned(
    backend: str | np.bytes_ | None, channels_first: bool, holder: str, tmp_path: Path, tensors: Tensors
) -> None:
    turned = channels_first if backend is None else backend in ("theano", b"theano")
    stored = {}
    for name, tensor in tensors.items():
        if tensor.ndim == 4:
            tensor = tensor[::-1, ::-1] if turned else tensor
            tensor = tensor.transpose(3, 2, 0, 1) if channels_first else tensor
        stored[name] = tensor
    path = write_hdf5(tmp_path / "vgg16.h5", whole_model(stored))
    if backend is not None:
        with h5py.File(path, "a") as file:
            file[holder].attrs["backend"] = backend
    assert_same(read_block1(path), tensors)


@pytest.mark.parametrize("channels_first", [True, False])
def test_fc1_is_fed_as_the_first_kernel_is_laid_out(
    channels_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = 2
    kernel = np.arange(7 * 7 * 512 * units, dtype=np.float32).reshape(7, 7, 512, units)
    stored = (kernel.transpose(2, 0, 1, 3) if channels_first else kernel).reshape(-1, units)
    first = (64, 3, 3, 3) if channels_first else (3, 3, 3, 64)
    raw = {
        "convolution2d_1/kernel": RawTensor(first, "float32", lambda start, stop: np.zeros(first)),
        "dense_1/kernel": RawTensor(stored.shape, "float32", lambda start, stop: stored[start:stop]),
    }
    named = recognise(RawFile(raw, keras=True)).named["fc1/kernel"]
    monkeypatch.setattr("catdog.weights.files.tensors._CHUNK_BYTES", 80_000)  # rows come in pieces
    out = read(raw["dense_1/kernel"], stored.shape, named.view)
    assert named.file_name == "dense_1/kernel"
    np.testing.assert_array_equal(out, kernel.reshape(-1, units))


# What does not fit


def test_every_misfit_is_listed_with_both_shapes(file: Path) -> None:
    with h5py.File(file, "a") as content:
        del content["block1_conv1/block1_conv1/bias:0"]
        del content[KERNEL]
        content[KERNEL] = np.zeros((3, 3, 64, 3), np.float16)
        content["conv1d/conv1d/kernel:0"] = np.zeros((3, 8, 2), np.float32)
        for part in ("gamma", "beta", "moving_mean"):
            content[f"bn/bn/{part}:0"] = np.zeros(64, np.float32)
        content["top/optimizer_weights/kernel:0"] = np.zeros((1, 1, 1), np.float32)
    assert refusal(file) == (
        f"{file} does not match the network: "
        "block1_conv1/kernel expected (3, 3, 3, 64), found (3, 3, 64, 3); "
        "block1_conv1/bias expected (64,), missing; "
        "bn/bias not expected, found (64,); "
        "/bn/bn/gamma:0 not expected, found (64,); "
        "/bn/bn/moving_mean:0 not expected, found (64,); "
        "conv1d/kernel not expected, found (3, 8, 2); "
        "optimizer_weights/kernel not expected, found (1, 1, 1)"
    )


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.zeros((3, 3, 3, 64)), "float64"),
        (np.zeros((3, 3, 3, 64), np.int32), "int32"),
        (np.zeros((3, 3, 3, 64), bool), "bool"),
        (np.zeros((3, 3, 3, 64), "S4"), "bytes32"),
        (np.full((3, 3, 3, 64), "0", h5py.string_dtype()), "object"),
        (np.zeros((3, 3, 3, 64), [("a", "f4")]), "void32"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_floats_of_16_and_32_bits_are_accepted(value: np.ndarray, found: str, file: Path) -> None:
    with h5py.File(file, "a") as content:
        del content[KERNEL]
        content.create_dataset(KERNEL, data=value, dtype=value.dtype)
    assert refusal(file) == (
        f"{file} does not match the network: block1_conv1/kernel expected float16 or float32, found {found}"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_damage(value: float, file: Path) -> None:
    with h5py.File(file, "a") as content:
        dataset = content[KERNEL]
        assert isinstance(dataset, h5py.Dataset)
        dataset[2, 2, 2, 63] = value
    assert refusal(file) == f"{file}, block1_conv1/kernel: damaged: it has values that are not finite"


def test_nothing_is_read_before_everything_fits(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[object] = []
    read = h5py.Dataset.__getitem__

    def spy(dataset: h5py.Dataset, rows: slice) -> np.ndarray:
        reads.append(dataset.name)
        return read(dataset, rows)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    read_block1(file)
    assert len(reads) == 4
    with h5py.File(file, "a") as content:
        del content[KERNEL]
        content.create_dataset(KERNEL, (2**20, 2**20), "f4", chunks=(2**10, 2**10))  # 4 TiB, none of it there
    assert "block1_conv1/kernel expected (3, 3, 3, 64), found (1048576, 1048576)" in refusal(file)
    assert len(reads) == 4


# What is hostile


def external_link(content: h5py.File) -> None:
    content[KERNEL] = h5py.ExternalLink("secret.h5", "/kernel")


def soft_link_inside(content: h5py.File) -> None:
    content["spare"] = np.zeros((3, 3, 3, 64), np.float16)
    content[KERNEL] = h5py.SoftLink("/spare")


def soft_link_to_nothing(content: h5py.File) -> None:
    content[KERNEL] = h5py.SoftLink("/nowhere")


def external_group(content: h5py.File) -> None:
    content["model_weights"] = h5py.ExternalLink("secret.h5", "/")


def external_optimizer(content: h5py.File) -> None:
    content["optimizer_weights"] = h5py.ExternalLink("secret.h5", "/")


def external_storage(content: h5py.File) -> None:
    size = 2 * 3 * 3 * 3 * 64
    content.create_dataset(KERNEL, (3, 3, 3, 64), "f2", external=[("secret.h5", 0, size)])


def virtual_dataset(content: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 3, 3, 64), "f2")
    layout[...] = h5py.VirtualSource("secret.h5", "kernel", (3, 3, 3, 64), "f2")
    content.create_virtual_dataset(KERNEL, layout)


LINK = "has a link, '.+', which can lead to another file"
ELSEWHERE = f"the values of /{KERNEL} are in another file"


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (external_link, LINK),
        (soft_link_inside, LINK),
        (soft_link_to_nothing, LINK),
        (external_group, LINK),
        (external_optimizer, LINK),
        (external_storage, ELSEWHERE),
        (virtual_dataset, ELSEWHERE),
    ],
)
def test_what_points_out_of_the_file_is_refused(attack: Hostile, message: str, file: Path) -> None:
    write_hdf5(file.with_name("secret.h5"), {"kernel": np.ones((3, 3, 3, 64), np.float16)})
    with h5py.File(file, "a") as content:
        del content[KERNEL]
        attack(content)
    with pytest.raises(
        WeightsError, match=f"^{file} is refused: .*{message}.*do not trust the source of this file"
    ):
        find_weights(str(file))


def circle(content: h5py.File) -> None:
    content["block1_conv1/again"] = content["block1_conv1"]


def nest(content: h5py.File) -> None:
    content.create_group("/".join("abcdefghijklmnopqrst"))


def flood(content: h5py.File) -> None:
    for number in range(4200):
        content.create_group(f"group{number}")


def tree_of_links(content: h5py.File) -> None:
    """Fifteen groups, and 2¹⁵ ways through them."""
    group = content.create_group("tree")
    for _ in range(14):
        child = group.create_group("left")
        group["right"] = child
        group = child


@pytest.mark.parametrize("attack", [circle, nest, flood, tree_of_links])
def test_groups_without_end_are_refused(attack: Hostile, file: Path) -> None:
    with h5py.File(file, "a") as content:
        attack(content)
    assert refusal(file) == f"{file} has more groups than a VGG16: it is another model"


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"shuffle": True}, {"fletcher32": True}])
def test_what_swells_on_being_read_is_refused(options: dict[str, object], file: Path) -> None:
    """A file of 2 MB took 2 GB: a compressed piece may hold any number of zeros, whatever the shape says."""
    with h5py.File(file, "a") as content:
        del content[KERNEL]
        content.create_dataset(KERNEL, data=np.zeros((3, 3, 3, 64), np.float16), **options)
    assert f"{file} is refused: /{KERNEL} is compressed, and may need any amount of memory" in refusal(file)


# What is damaged. Keras 3's names lie in a heap: behind its header of 16 bytes, each behind one of 16 bytes
# whose second half is its length.


@pytest.fixture
def heap_file(tmp_path: Path, tensors: Tensors) -> Path:
    return write_keras_3(tmp_path / "vgg16.weights.h5", tensors)


def overwrite(path: Path, place: int, value: int, size: int) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + size] = value.to_bytes(size, "little")
    path.write_bytes(content)


@pytest.mark.parametrize(("place", "length"), [(24, 2**64 - 16), (88, 0)], ids=["a name", "the free room"])
def test_a_heap_that_has_no_end_is_damage(place: int, length: int, heap_file: Path) -> None:
    """HDF5 2.0 adds such a length, with its header, to where it is, and stays there for ever."""
    heap = heap_file.read_bytes().index(b"GCOL")
    overwrite(heap_file, heap + place, length, 8)
    assert refused_apart([heap_file], seconds=30) == [True]
    assert refusal(heap_file) == f"{heap_file} is damaged: its strings are not in a row"


def test_a_heap_of_too_many_texts_is_damage(heap_file: Path) -> None:
    """Or a file that is one heap within another would take as long as it likes."""
    texts = 70_000 * (1).to_bytes(16, "little")
    size = (16 + len(texts)).to_bytes(8, "little")
    heap_file.write_bytes(heap_file.read_bytes() + b"GCOL\x01\0\0\0" + size + texts)
    assert refusal(heap_file) == f"{heap_file} is damaged: its strings are not in a row"


def test_values_that_look_like_a_heap_are_none(tmp_path: Path, tensors: Tensors) -> None:
    looks = np.frombuffer(b"GCOL\x01\0\0\0" + b"\x07" * 24, np.float16)
    tensors["block1_conv2/bias"][:16] = looks
    assert_same(read_block1(write_hdf5(tmp_path / "vgg16.h5", keras_2(tensors))), tensors)


def test_a_text_of_a_type_that_there_is_not_is_no_text(heap_file: Path) -> None:
    """HDF5 2.0 crashes on reading it."""
    content = heap_file.read_bytes()
    text = b"\x19\x01\x01\x00"  # of any length, ended by a zero, UTF-8
    assert content.count(text) == 2
    heap_file.write_bytes(content.replace(text, b"\x19\x03\x01\x00"))
    assert refused_apart([heap_file], seconds=30) == [False]  # the layers go by their order


def test_addresses_of_4_bytes_are_refused(tmp_path: Path) -> None:
    """The look at the heaps would miss theirs."""
    sizes = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    sizes.set_sizes(4, 4)
    path = tmp_path / "vgg16.h5"
    h5py.h5f.create(bytes(path), fcpl=sizes).close()
    assert refusal(path) == f"{path} is damaged: expected addresses and lengths of 8 bytes"


def test_a_file_that_is_cut_anywhere_is_refused(file: Path) -> None:
    content = file.read_bytes()
    for kept in range(0, len(content), 997):
        file.write_bytes(content[:kept])
        assert is_refused(file), kept


def test_values_that_lie_behind_the_end_are_damage(file: Path, tensors: Tensors) -> None:
    """HDF5 looks for pieces when they are read, and not before."""
    with h5py.File(file, "a") as content:
        del content[KERNEL]
        dataset = content.create_dataset(KERNEL, data=tensors["block1_conv1/kernel"], chunks=(3, 3, 3, 64))
        piece = dataset.id.get_chunk_info(0)
    assert_same(read_block1(file), tensors)
    data = file.read_bytes()
    key = piece.size.to_bytes(8, "little") + bytes(8 * 5)  # where it lies in the dataset and within a number
    address = piece.byte_offset.to_bytes(8, "little")
    assert data.count(key + address) == 1
    file.write_bytes(data.replace(key + address, key + (len(data) - 8).to_bytes(8, "little")))
    assert refusal(file).startswith(f"{file}, block1_conv1/kernel: {file} is truncated or damaged: ")


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_keras_2, write_keras_3])
def test_flipped_bits_do_no_harm(
    write: Callable[[Path, Tensors], Path], tmp_path: Path, tensors: Tensors
) -> None:
    """All values are zero, so that what is not, and is beside it, says where they lie and what they are."""
    zeros = {name: np.zeros_like(tensor) for name, tensor in tensors.items()}
    content = write(tmp_path / "vgg16.h5", zeros).read_bytes()
    places = [place for place in range(len(content)) if any(content[max(place - 24, 0) : place + 24])]
    paths = []
    for number, changed in enumerate(flipped(content, places, rounds=300, seed=1409_1556)):
        paths.append(tmp_path / f"{number}.h5")
        paths[-1].write_bytes(changed)
    refused = refused_apart(paths, seconds=60)
    assert 60 < sum(refused) < 240


def test_without_h5py_the_extra_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert refusal(file) == f"reading {file} (HDF5) needs h5py: pip install 'catdog-cli[keras]'"


def test_a_convolution_that_vgg16_has_not_is_listed(tmp_path: Path, tensors: Tensors) -> None:
    extra = {"block1_conv3/kernel": np.zeros((3, 3, 64, 64), np.float16), "block1_conv3/bias": np.zeros(64)}
    path = write_hdf5(tmp_path / "vgg19.h5", keras_2(tensors | extra))
    with pytest.raises(WeightsError) as caught:
        read_tensors(find_weights(str(path)), BLOCK1)
    assert str(caught.value) == (
        f"{path} does not match the network: block1_conv3/bias not expected, found (64,); "
        "block1_conv3/kernel not expected, found (3, 3, 64, 64)"
    )


def test_a_top_of_ones_own_is_neither_fc1_nor_a_mistake(tmp_path: Path, tensors: Tensors) -> None:
    """What fine-tuning in Keras leaves: VGG16's convolutions, and a dense layer with another name."""
    top = {"answer/kernel": np.zeros((512, 2), np.float32), "answer/bias": np.zeros(2, np.float32)}
    source = find_weights(str(write_hdf5(tmp_path / "tuned.h5", keras_2(tensors | top))))
    assert source.layers == {"block1_conv1", "block1_conv2"}
    assert read_tensors(source, BLOCK1).keys() == tensors.keys()
