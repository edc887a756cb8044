"""Keras' HDF5 files of every age, read as data and nothing else.

Links out of the file and storage outside it are refused: with them a file makes its reader open other files
of the user (CVE-2026-1669). Only hard links are followed. Filters are refused too: a compressed file of some
megabytes takes gigabytes of memory, and a filter may be a library that HDF5 loads. HDF5 reads texts without
care (it crashes, or never comes back): only those that are wanted are read, after a look at where they lie.
"""

import itertools
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catdog.errors import WeightsError
from catdog.weights.files.tensors import RawFile, RawTensor

if TYPE_CHECKING:
    import h5py

# What an optimizer left in the file of a whole model.
_NOT_LAYERS = {"optimizer", "optimizer_weights"}

# A VGG16 has some 60 groups and 32 tensors, six deep. More than this is no model that is wanted here.
_MOST_OBJECTS = 4096
_DEEPEST = 16

# What the file, or its group of weights, may say of itself.
_WANTED = ("backend", "preprocessing")

# How a heap of texts begins: signature and version; then 3 bytes, and the size of the whole in 8.
_HEAP = b"GCOL\x01"
_HEAP_HEADER, _SMALLEST_HEAP = 16, 4096
_MOST_TEXTS = 2**16


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
            "{path} is HDF5, and h5py, which reads it, is not installed: pip install 'catdog-cli[keras]'",
            path=path,
        ) from error
    with _damaged(path):
        file = h5py.File(path, "r")
    with file:
        with _damaged(path):
            _require_sound_heaps(file, path)
            raw = RawFile(_tensors(file, path), _attributes(file), keras=True)
        yield raw


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Turns what HDF5 says of a broken file into a WeightsError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise WeightsError("{path} is cut short or damaged: {reason}", path=path, reason=error) from error


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
                "{path} is not read: {name} holds a link, {name_2!r}, to what may lie in another file. "
                "Weights have no use for that; do not trust where it came from.",
                path=path,
                name=group.name,
                name_2=name,
            )
        child = group[name]
        # Hard links can make a circle.
        if next(count) > _MOST_OBJECTS or depth > _DEEPEST:
            raise WeightsError("{path} holds more groups than a VGG16 has: it is another model", path=path)
        if isinstance(child, h5py.Dataset):
            _require_inside(child, path)
            yield group, child
        elif isinstance(child, h5py.Group) and not (depth == 0 and name in _NOT_LAYERS):
            yield from _datasets(child, path, count, depth + 1)


def _require_inside(dataset: "h5py.Dataset", path: Path) -> None:
    if dataset.external or dataset.is_virtual:
        raise WeightsError(
            "{path} is not read: {name} says that its values lie in another file. Weights have no use "
            "for that; do not trust where it came from.",
            path=path,
            name=dataset.name,
        )
    if dataset.id.get_create_plist().get_nfilters():
        raise WeightsError(
            "{path} is not read: {name} is compressed, and could swell to any size. Save it again "
            "without: Keras compresses nothing.",
            path=path,
            name=dataset.name,
        )


def _require_sound_heaps(file: "h5py.File", path: Path) -> None:
    """HDF5 2.0 loops for ever over a heap in which a text, with its header, takes no room."""
    if file.id.get_create_plist().get_sizes() != (8, 8):
        raise WeightsError("{path} is damaged: expected addresses and lengths of 8 bytes", path=path)
    count = itertools.count()
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:

        def number(start: int, size: int) -> int:
            return int.from_bytes(content[start : start + size], "little")

        heap = content.find(_HEAP)
        while heap != -1:
            size = number(heap + 8, 8)
            end = heap + size if _SMALLEST_HEAP <= size <= len(content) - heap else heap  # or no heap
            here = heap + _HEAP_HEADER
            while here + _HEAP_HEADER <= end:
                length = number(here + 8, 8)
                # The last is the free room; its length is with the header, and not rounded up.
                step = _HEAP_HEADER + -(-length // 8) * 8 if number(here, 2) else length
                if not 0 < step <= end - here or next(count) > _MOST_TEXTS:
                    raise WeightsError(
                        "{path} is damaged: its texts do not lie one behind the other", path=path
                    )
                here += step
            heap = content.find(_HEAP, heap + 1)


def _rows(dataset: "h5py.Dataset", path: Path, start: int, stop: int) -> np.ndarray:
    with _damaged(path):
        return dataset[start:stop] if dataset.ndim else dataset[()]


def _layer_name(group: "h5py.Group") -> str:
    """Keras 3 writes it beside the layer's variables; before that, the group was called after it."""
    path = (group.name or "").removesuffix("/vars")
    return _text(group, "name") or path.rpartition("/")[2]


def _attributes(file: "h5py.File") -> dict[str, str]:
    """What the file says of itself, or the group that holds the weights of a whole model."""
    holders = [file, file["model_weights"]] if "model_weights" in file else [file]
    return {name: text for holder in holders for name in _WANTED if (text := _text(holder, name)) is not None}


def _text(holder: "h5py.Group | h5py.Dataset | h5py.Datatype", name: str) -> str | None:
    """An attribute, where it is one text."""
    import h5py

    if name not in holder.attrs:
        return None
    attribute = holder.attrs.get_id(name)
    # HDF5 crashes on some types that are not quite texts.
    if attribute.shape != () or h5py.check_string_dtype(attribute.dtype) is None:
        return None
    value = holder.attrs[name]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which conv2d_2 comes before conv2d_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
