"""Keras' HDF5 files of every version, read as data and nothing else.

Links and storage outside the file are refused: with them a file makes its reader open other files of the user
(CVE-2026-1669). Only hard links are followed. Filters are refused too: a compressed file of some megabytes
can take gigabytes of memory, and a filter may be a library that HDF5 loads. HDF5 can crash or hang on damaged
strings: only the needed ones are read, after a check of the heaps that hold them.
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

_NOT_LAYERS = {"optimizer", "optimizer_weights"}  # groups in the file of a whole model

# A VGG16 has some 60 groups and 32 tensors, six levels deep. A file with more than this is another model.
_MOST_OBJECTS, _DEEPEST = 4096, 16

_WANTED = ("backend", "preprocessing")  # the attributes that are read

# A heap of strings begins with its signature and version; then 3 bytes, and its size in 8 bytes.
_HEAP = b"GCOL\x01"
_HEAP_HEADER, _SMALLEST_HEAP = 16, 4096
_MOST_TEXTS = 2**16


@contextmanager
def opened_hdf5(path: Path) -> Iterator[RawFile]:
    """Its tensors as `layer/kernel` and `layer/bias`; layers in the natural order of their groups.

    Raises:
        WeightsError: h5py is not installed; or the file is damaged, or points outside itself.
    """
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            "reading {path} (HDF5) needs h5py: pip install 'catdog-cli[keras]'", path=path
        ) from error
    with _damaged(path):
        file = h5py.File(path, "r")
    with file:
        with _damaged(path):
            _require_sound_heaps(file, path)
            # Those of the file, and of the group of weights of a whole model.
            holders = [file, file["model_weights"]] if "model_weights" in file else [file]
            found = [(name, _text(holder, name)) for holder in holders for name in _WANTED]
            texts = {name: text for name, text in found if text is not None}
            raw = RawFile(_tensors(file, path), texts, keras=True)
        yield raw


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Turns h5py's errors into a WeightsError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise WeightsError("{path} is truncated or damaged: {reason}", path=path, reason=error) from error


def _tensors(file: "h5py.File", path: Path) -> dict[str, RawTensor]:
    tensors: dict[str, RawTensor] = {}
    for group, dataset in _datasets(file, path, itertools.count()):
        # Keras 3 writes a layer's name beside its variables; before that, it was the name of the group.
        place = (group.name or "").removesuffix("/vars")
        layer = _text(group, "name") or place.rpartition("/")[2]
        name = f"{layer}/{'bias' if dataset.ndim == 1 else 'kernel'}"
        if name in tensors:  # not a layer of VGG16: its path in the file is its name
            name = str(dataset.name)
        tensors[name] = RawTensor(tuple(dataset.shape), dataset.dtype.name, partial(_rows, dataset, path))
    return tensors


def _datasets(
    group: "h5py.Group", path: Path, count: Iterator[int], depth: int = 0
) -> Iterator[tuple["h5py.Group", "h5py.Dataset"]]:
    """Every dataset below a group, with its own group."""
    import h5py

    for name in sorted(group, key=_natural):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise WeightsError(
                "{path} is refused: {group} has a link, {link!r}, which can lead to another file. Weights "
                "need no links: do not trust the source of this file.",
                path=path,
                group=group.name,
                link=name,
            )
        child = group[name]
        # Hard links can make a circle.
        if next(count) > _MOST_OBJECTS or depth > _DEEPEST:
            raise WeightsError("{path} has more groups than a VGG16: it is another model", path=path)
        if isinstance(child, h5py.Dataset):
            _require_inside(child, path)
            yield group, child
        elif isinstance(child, h5py.Group) and not (depth == 0 and name in _NOT_LAYERS):
            yield from _datasets(child, path, count, depth + 1)


def _require_inside(dataset: "h5py.Dataset", path: Path) -> None:
    if dataset.external or dataset.is_virtual:
        raise WeightsError(
            "{path} is refused: the values of {tensor} are in another file. Weights need no other files: do "
            "not trust the source of this file.",
            path=path,
            tensor=dataset.name,
        )
    if dataset.id.get_create_plist().get_nfilters():
        raise WeightsError(
            "{path} is refused: {tensor} is compressed, and may need any amount of memory. Save the weights "
            "without compression, as Keras does.",
            path=path,
            tensor=dataset.name,
        )


def _require_sound_heaps(file: "h5py.File", path: Path) -> None:
    """Refuses a heap with a string of size 0: HDF5 2.0 never ends reading it."""
    if file.id.get_create_plist().get_sizes() != (8, 8):
        raise WeightsError("{path} is damaged: expected addresses and lengths of 8 bytes", path=path)
    count = itertools.count()
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:

        def number(start: int, size: int) -> int:
            return int.from_bytes(content[start : start + size], "little")

        heap = content.find(_HEAP)
        while heap != -1:
            size = number(heap + 8, 8)
            end = heap + size if _SMALLEST_HEAP <= size <= len(content) - heap else heap  # not a heap
            here = heap + _HEAP_HEADER
            while here + _HEAP_HEADER <= end:
                length = number(here + 8, 8)
                # The last entry is the free space; its length includes the header, and is not rounded up.
                step = _HEAP_HEADER + -(-length // 8) * 8 if number(here, 2) else length
                if not 0 < step <= end - here or next(count) > _MOST_TEXTS:
                    raise WeightsError("{path} is damaged: its strings are not in a row", path=path)
                here += step
            heap = content.find(_HEAP, heap + 1)


def _rows(dataset: "h5py.Dataset", path: Path, start: int, stop: int) -> np.ndarray:
    with _damaged(path):
        return dataset[start:stop] if dataset.ndim else dataset[()]


def _text(holder: "h5py.Group | h5py.Dataset | h5py.Datatype", name: str) -> str | None:
    """An attribute, if it is one string."""
    import h5py

    if name not in holder.attrs:
        return None
    attribute = holder.attrs.get_id(name)
    # HDF5 crashes on some types that are almost strings.
    if attribute.shape != () or h5py.check_string_dtype(attribute.dtype) is None:
        return None
    value = holder.attrs[name]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which conv2d_2 comes before conv2d_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
