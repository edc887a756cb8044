"""What a file is, its first bytes say, whatever its name. Nothing in it runs; every answer is a sentence."""

import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from catdog.errors import WeightsError
from catdog.weights.files import opened
from catdog.weights.source import find_weights
from tests.weights.files.made_files import assert_same, flipped, keras_2, read_block1, write_hdf5
from tests.weights_files import Tensors

NEITHER = (
    "{path} is not a weights file (HDF5, safetensors or PyTorch). From a .keras file, save the weights with "
    "model.save_weights('NAME.weights.h5')."
)
NAMES = ["vgg16.h5", "vgg16.safetensors", "vgg16.pth", "vgg16.keras", "vgg16"]


def refusal(path: Path) -> str:
    """What find_weights says, and that reading says the same."""
    with pytest.raises(WeightsError) as caught:
        find_weights(str(path))
    with pytest.raises(WeightsError) as again, opened(path):
        pass
    assert str(again.value) == str(caught.value)
    return str(caught.value)


class Spy:
    """Whoever unpickles it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_not_loaded_whatever_its_name(protocol: int, name: str, tmp_path: Path) -> None:
    path, folder = tmp_path / name, tmp_path / "made"
    path.write_bytes(pickle.dumps(Spy(folder), protocol))
    message = refusal(path)
    if path.suffix == ".safetensors":
        assert message.startswith(f"{path} is truncated, damaged, or not a safetensors file: ")
    elif protocol >= 2:
        assert message == (
            f"{path} is a Python pickle. Loading a pickle can run any program, so it is refused. Save the "
            "weights as .safetensors or as Keras' .h5."
        )
    else:  # the first two begin like a text
        assert message == NEITHER.format(path=path)
    assert not folder.exists()
    pickle.loads(path.read_bytes())
    assert folder.is_dir()  # it would have


@pytest.mark.parametrize("name", NAMES)
def test_hdf5_is_read_whatever_its_name(name: str, tmp_path: Path, tensors: Tensors) -> None:
    assert_same(read_block1(write_hdf5(tmp_path / name, keras_2(tensors))), tensors)


@pytest.mark.parametrize("name", NAMES)
def test_safetensors_are_read_whatever_their_name(name: str, tmp_path: Path, tensors: Tensors) -> None:
    save_file(tensors, tmp_path / name)
    assert_same(read_block1(tmp_path / name, preprocessing="caffe"), tensors)


def test_safetensors_that_begin_like_a_pickle_are_read(tmp_path: Path, tensors: Tensors) -> None:
    """The length of the header comes first: every 32nd begins like this."""
    path = tmp_path / "vgg16.h5"
    for letters in range(0, 256, 8):
        save_file(tensors, path, {"preprocessing": "caffe", "about": "x" * letters})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert_same(read_block1(path), tensors)


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(4000))


def words(path: Path) -> None:
    path.write_text("The weights are on the other disk.\n")


def page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><title>404</title>")


def keras_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for member in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(member, b"{}")


def broken_zip(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 and no more")


@pytest.mark.parametrize("write", [nothing, zeros, words, page, keras_zip])
@pytest.mark.parametrize("name", ["vgg16.h5", "vgg16.pth", "vgg16.keras"])
def test_what_is_no_weights_file_is_told_what_is(
    write: Callable[[Path], None], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # the answer does not depend on it
    path = tmp_path / name
    write(path)
    assert refusal(path) == NEITHER.format(path=path)


def test_an_archive_that_is_cut_short_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "vgg16.pth"
    broken_zip(path)
    assert refusal(path) == f"{path} is a truncated or damaged PyTorch file"


@pytest.mark.parametrize("write", [nothing, zeros, words, page, keras_zip, broken_zip])
def test_what_is_called_safetensors_is_read_as_such(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "vgg16.safetensors"
    write(path)
    assert refusal(path).startswith(f"{path} is truncated, damaged, or not a safetensors file: ")


def test_every_flipped_bit_of_a_zip_ends_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's zipfile has many ways to fail."""
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "vgg16.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("gewichte/für/data.pkl", b"\x80\x02}.")
    content = path.read_bytes()
    kinds = set()
    for changed in flipped(content, range(4, len(content)), rounds=1000, seed=1):
        path.write_bytes(changed)
        kinds.add(refusal(path).startswith(f"reading {path} needs PyTorch, which is not installed."))
    assert kinds == {True, False}


@pytest.mark.parametrize("name", ["gone.h5", "folder.h5", "imagenet"])
def test_where_there_is_no_file_the_names_are_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.h5").mkdir()
    path = tmp_path / name
    with pytest.raises(WeightsError) as caught:
        find_weights(str(path))
    assert str(caught.value) == (
        f"there are no weights {str(path)!r}: expected builtin, keras, timm, or the path of a weights file "
        "(.h5, .safetensors, .pth)"
    )


def test_a_folder_that_comes_in_its_place_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"^{tmp_path} cannot be read: "), opened(tmp_path):
        pass


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
@pytest.mark.parametrize("name", ["vgg16.h5", "vgg16.safetensors"])
def test_a_file_that_may_not_be_read_is_an_error(name: str, tmp_path: Path, tensors: Tensors) -> None:
    path = write_hdf5(tmp_path / name, keras_2(tensors))
    path.chmod(0)
    assert refusal(path) == f"{path} cannot be read: Permission denied"


def test_a_file_that_goes_away_in_between_is_an_error(tmp_path: Path, tensors: Tensors) -> None:
    path = write_hdf5(tmp_path / "vgg16.h5", keras_2(tensors))
    source = find_weights(str(path))
    path.unlink()
    with pytest.raises(WeightsError, match=f"^{path} cannot be read: No such file or directory$"):
        with opened(source.path):
            pass
