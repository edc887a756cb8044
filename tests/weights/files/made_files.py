"""Small weights files with VGG16's first block, and how they are damaged and read."""

import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from catdog.errors import WeightsError
from catdog.model.architecture import CONVOLUTIONS
from catdog.weights.source import find_weights, read_tensors
from tests.weights_files import Tensors, random_tensors

BLOCK1 = CONVOLUTIONS[:2]

Attributes = Mapping[str, str | list[str] | np.generic]


def block1() -> Tensors:
    """Our names and layout, float16: 77 kB."""
    return {name: tensor.astype(np.float16) for name, tensor in random_tensors(BLOCK1).items()}


def write_hdf5(path: Path, tensors: Tensors, attributes: Attributes | None = None) -> Path:
    with h5py.File(path, "w") as file:
        for name, tensor in tensors.items():
            file[name] = tensor
        file.attrs.update(attributes or {})
    return path


def keras_2(tensors: Tensors) -> Tensors:
    """The names that tf.keras gives them: `block1_conv1/block1_conv1/kernel:0`."""
    return {f"{name.partition('/')[0]}/{name}:0": tensor for name, tensor in tensors.items()}


def keras_3(tensors: Tensors) -> Tensors:
    """The names that Keras 3 gives them: a group is called after the kind of its layer."""
    layers = list(dict.fromkeys(name.partition("/")[0] for name in tensors))
    return {
        f"layers/conv2d_{layers.index(name.partition('/')[0])}/vars/{'01'[name.endswith('bias')]}": tensor
        for name, tensor in tensors.items()
    }


def write_keras_2(path: Path, tensors: Tensors) -> Path:
    return write_hdf5(path, keras_2(tensors), {"backend": "tensorflow", "keras_version": "2.15.0"})


def write_keras_3(path: Path, tensors: Tensors) -> Path:
    """A file in which each group has the name of the layer as an attribute."""
    write_hdf5(path, keras_3(tensors))
    with h5py.File(path, "a") as file:
        for ours, theirs in zip(tensors, keras_3(tensors), strict=True):
            if ours.endswith("kernel"):
                file[theirs].parent.attrs["name"] = ours.partition("/")[0]
    return path


def read_block1(path: Path, *, preprocessing: str | None = None) -> Tensors:
    return read_tensors(find_weights(str(path), preprocessing=preprocessing), BLOCK1)


def assert_same(found: Tensors, expected: Tensors) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor, strict=True)


def is_refused(path: Path) -> bool:
    """Whether reading ends in a WeightsError; where it does not, the tensors have the right shapes."""
    try:
        found = read_block1(path, preprocessing="caffe")
    except WeightsError:
        return True
    assert {name: tensor.shape for name, tensor in found.items()} == {
        "block1_conv1/kernel": (3, 3, 3, 64),
        "block1_conv1/bias": (64,),
        "block1_conv2/kernel": (3, 3, 64, 64),
        "block1_conv2/bias": (64,),
    }
    return False


def refused_apart(paths: Sequence[Path], *, seconds: float) -> list[bool]:
    """The same for many files, in a process of its own: one of them may make it hang, or bring it down."""
    code = "import sys; from pathlib import Path; from tests.weights.files.made_files import is_refused\n"
    code += "for line in sys.stdin: print(int(is_refused(Path(line.strip()))), flush=True)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input="".join(f"{path}\n" for path in paths),
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    answers = done.stdout.split()
    assert done.returncode == 0, (done.returncode, paths[len(answers)], done.stderr)
    return [answer == "1" for answer in answers]


def flipped(content: bytes, places: Sequence[int], *, rounds: int, seed: int) -> Iterator[bytes]:
    """The content again and again, with one to four bits flipped in those places."""
    chance = random.Random(seed)
    for _ in range(rounds):
        changed = bytearray(content)
        for _ in range(chance.choice((1, 1, 1, 4))):
            changed[chance.choice(places)] ^= 1 << chance.randrange(8)
        yield bytes(changed)
