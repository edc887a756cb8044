"""Keras' HDF5 files of every age, read as data and nothing else.

Links out of the file and storage outside it are refused: with them a file makes its reader open other files
of the user (CVE-2026-1669). Only hard links are followed.
"""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catdog.errors import WeightsError
from catdog.model.files.tensors import RawFile, RawTensor

if TYPE_CHECKING:
    import h5py

# What an optimizer left in the file of a whole model.
_NOT_LAYERS = {"optimizer", "optimizer_weights"}

# A VGG16 has some 60 groups and 32 tensors, six deep. More than this is no model that is wanted here.
_MOST_OBJECTS = 4096
_DEEPEST = 16


@contextmanager
def opened_hdf5(path: Path) -> Iterator[RawFile]:
    """Its tensors, unread, as `layer/kernel` and `layer/bias`; layers in the natural order of their groups.

    Raises:
        WeightsError: h5py is not installed; or the file is damaged, or points outside itself.
    """
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            f"{path} is HDF5, and h5py, which reads it, is not installed: pip install 'catdog-cli[keras]'"
        ) from error
    with _damaged(path):
        file = h5py.File(path, "r")
    with file:
        with _damaged(path):
            raw = RawFile(_tensors(file, path), _attributes(file), keras=True)
        yield raw


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Turns what HDF5 says of a broken file into a WeightsError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{path} is cut short or damaged: {error}") from error


def _tensors(file: "h5py.File", path: Path) -> dict[str, RawTensor]:
    layers: dict[str, list[h5py.Dataset]] = {}
    names: dict[str, str] = {}
    for group, dataset in _datasets(file, path, itertools.count()):
        layers.setdefault(group.name or "", []).append(dataset)
        names[group.name or ""] = _layer_name(group)
    tensors: dict[str, RawTensor] = {}
    for group_name, datasets in layers.items():
        for dataset in datasets:
            part = "bias" if dataset.ndim == 1 else "kernel"
            name = f"{names[group_name]}/{part}"
            if name in tensors:  # no layer of ours: it goes by where it lies in the file
                name = str(dataset.name)
            tensors[name] = RawTensor(tuple(dataset.shape), dataset.dtype.name, partial(_rows, dataset, path))
    return tensors


def _datasets(
    group: "h5py.Group", path: Path, count: Iterator[int], depth: int = 0
) -> Iterator[tuple["h5py.Group", "h5py.Dataset"]]:
    """Every dataset below a group with the group that it lies in."""
    import h5py

    for name in sorted(group, key=_natural):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise WeightsError(
                f"{path} is not read: {group.name} holds a link, {name!r}, to what may lie in another file. "
                "Weights have no use for that; do not trust where it came from."
            )
        child = group[name]
        # Hard links can make a circle.
        if next(count) > _MOST_OBJECTS or depth > _DEEPEST:
            raise WeightsError(f"{path} holds more groups than a VGG16 has: it is another model")
        if isinstance(child, h5py.Dataset):
            _require_inside(child, path)
            yield group, child
        elif isinstance(child, h5py.Group) and not (depth == 0 and name in _NOT_LAYERS):
            yield from _datasets(child, path, count, depth + 1)


def _require_inside(dataset: "h5py.Dataset", path: Path) -> None:
    if dataset.external or dataset.is_virtual:
        raise WeightsError(
            f"{path} is not read: {dataset.name} says that its values lie in another file. Weights have no "
            "use for that; do not trust where it came from."
        )


def _rows(dataset: "h5py.Dataset", path: Path, start: int, stop: int) -> np.ndarray:
    with _damaged(path):
        return dataset[start:stop] if dataset.ndim else dataset[()]


def _layer_name(group: "h5py.Group") -> str:
    """Keras 3 writes it beside the layer's variables; before, the group was called after it."""
    name = group.attrs.get("name")
    return name if isinstance(name, str) else (group.name or "").rpartition("/")[2]


def _attributes(file: "h5py.File") -> dict[str, str]:
    """The text attributes of the file, and of the group that holds the weights of a whole model."""
    found: dict[str, str] = {}
    holders = [file, file["model_weights"]] if "model_weights" in file else [file]
    for holder in holders:
        for name, value in holder.attrs.items():
            if isinstance(value, bytes | np.bytes_):
                value = value.decode("utf-8", "replace")
            if isinstance(value, str):
                found[name] = value
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which conv2d_2 comes before conv2d_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
