"""Weights files of every kind, opened without trusting them: names, shapes and types first, then values.

The first bytes of a file decide its kind, not its name. Nothing here knows VGG16: `catdog.weights.naming`
does.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catdog.errors import WeightsError
from catdog.weights.files.hdf5 import opened_hdf5
from catdog.weights.files.pytorch import opened_torch
from catdog.weights.files.safe import OWN, opened_safetensors
from catdog.weights.files.tensors import RawFile, RawTensor

__all__ = ["OWN", "RawFile", "RawTensor", "opened"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"  # protocol 2 and later
_TORCH_1 = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how torch.save began before it wrote zip files


@contextmanager
def opened(path: Path) -> Iterator[RawFile]:
    """The tensors of a file; their values can be read until the context ends.

    Raises:
        WeightsError: it cannot be read, is damaged, of no known kind, or not safe.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_TORCH_1))
    except OSError as error:
        raise WeightsError("{path} cannot be read: {reason}", path=path, reason=error) from error
    members = _members(path) if start.startswith(_ZIP) else ()
    if start.startswith(_HDF5):
        reader = opened_hdf5
    elif start == _TORCH_1 or any(name.endswith("data.pkl") for name in members or ()):
        reader = opened_torch
    elif path.suffix == ".safetensors" or start[8:9] == b"{":
        reader = opened_safetensors
    elif start.startswith(_PICKLE):
        raise WeightsError(
            "{path} is a Python pickle. Loading a pickle can run any program, so it is refused. Save the "
            "weights as .safetensors or as Keras' .h5.",
            path=path,
        )
    elif members is None:
        raise WeightsError("{path} is a truncated or damaged PyTorch file", path=path)
    else:
        raise WeightsError(
            "{path} is not a weights file (HDF5, safetensors or PyTorch). From a .keras file, save the "
            "weights with model.save_weights('NAME.weights.h5').",
            path=path,
        )
    with reader(path) as file:
        yield file


def _members(path: Path) -> list[str] | None:
    """The names in an archive; None if it is truncated or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):  # a damaged archive
        return None
