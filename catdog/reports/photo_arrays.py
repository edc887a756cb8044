"""The numbers that a photo's page computes with, packed small: deflate, base64, and only what the page needs.

A layer near the end travels whole, as float16. Of an earlier one the page has small pictures of all maps and
the whole maps of the strongest units; it computes the rest from the pixels, or has the inputs of some places.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from catdog.insight.anatomy import Anatomy, Maps
from catdog.insight.head import PooledHead
from catdog.model.layers import Conv
from catdog.reports.packing import half, packed

KERNELS = 8  # of a layer, those of the strongest units
_LARGE_NUMBERS = 130_000  # of the whole maps of a layer's strongest units, `KERNELS` at most
_PLACES = 4  # of each of them, whose inputs travel where the page cannot compute them
_COMPUTED = ("block1", "block2")  # stages whose kernels travel whole: the page computes them from the pixels
_WHOLE_BYTES = 1_200_000  # of the maps that travel whole, packed
_SMALL_SIDE, _SMALL_NUMBERS = 56, (160_000, 80_000, 40_000)  # of a small map; of a layer's, what fits
_BYTES = 6_500_000  # of all arrays, packed
_SAMPLES = 500  # values of block1_conv1 that the page compares with its own


@dataclass(frozen=True)
class PageArrays:
    """What travels."""

    arrays: dict[str, dict[str, Any]]  # name → {type, shape, data}
    units: dict[str, list[int]]  # layer → all its units, the strongest first
    places: dict[str, list[list[tuple[int, int]]]]  # layer → of its strongest units, the places with inputs
    samples: list[tuple[int, int, int]]  # (row, column, unit) of the values in the array `samples`


def page_arrays(anatomy: Anatomy, head: PooledHead | None, heat: np.ndarray) -> PageArrays:
    """Pack what the page of one photo needs; `heat` is its Grad-CAM, (h, w)."""
    arrays = {"pixels": packed(anatomy.pixels), "heat": packed(heat.astype(np.float32))}
    units = {maps.name: maps.strongest_units() for maps in anatomy.layers}
    places: dict[str, list[list[tuple[int, int]]]] = {}
    whole = _whole_maps(anatomy)
    arrays |= {f"maps/{name}": made for name, made in whole.items()}
    previous = ""
    for maps in anatomy.layers:
        strongest = units[maps.name][:KERNELS]
        arrays[f"largest/{maps.name}"] = packed(maps.values.max(axis=(0, 1)))
        arrays[f"strongest/{maps.name}"] = packed(_strongest(maps.values))
        if isinstance(maps.facts.layer, Conv):
            arrays |= _kernels(anatomy, maps, strongest)
            inputs = maps.facts.layer.stage in _COMPUTED or previous in whole or previous == "block2_pool"
            if not inputs:
                found = [[(peak.y, peak.x) for peak in maps.peaks(unit, _PLACES)] for unit in strongest]
                places[maps.name] = found
                arrays[f"patches/{maps.name}"] = packed(_patches(anatomy.before(maps.name), found))
        previous = maps.name
    samples, values = _samples(anatomy.layer("block1_conv1"))
    arrays["samples"] = packed(values)
    if head:
        arrays |= {"head/kernel": packed(head.kernel), "head/bias": packed(head.bias)}
    coarse = [maps for maps in anatomy.layers if maps.name not in whole]
    arrays |= _small_maps(coarse, _BYTES - _size(arrays))
    for maps in reversed(coarse[2:]):  # the small ones first; the page makes those of the first two layers
        large = {f"large/{maps.name}": packed(_large(maps, units[maps.name]))}
        if _size(arrays | large) <= _BYTES:
            arrays |= large
    return PageArrays(arrays, units, places, samples)


def _size(arrays: dict[str, dict[str, Any]]) -> int:
    return sum(len(array["data"]) for array in arrays.values())


def _whole_maps(anatomy: Anatomy) -> dict[str, dict[str, Any]]:
    """The last layers, as many as there is room for, each (units, height, width)."""
    whole: dict[str, dict[str, Any]] = {}
    room = _WHOLE_BYTES
    for maps in reversed(anatomy.layers):
        made = packed(half(maps.values.transpose(2, 0, 1)))
        room -= len(made["data"])
        if room < 0:
            break
        whole[maps.name] = made
    return whole


def _small_maps(layers: list[Maps], room: int) -> dict[str, dict[str, Any]]:
    """All maps of these layers as small pictures: the largest that fit into so many bytes."""
    made: dict[str, dict[str, Any]] = {}
    for numbers in _SMALL_NUMBERS:
        made = {f"small/{maps.name}": packed(_small(maps.values, numbers)) for maps in layers}
        if _size(made) <= room:
            break
    return made


def _large(maps: Maps, strongest: list[int]) -> np.ndarray:
    """(units, height, width) float16: the whole maps of as many units as there is room for, at least one."""
    height, width, _ = maps.values.shape
    count = max(1, min(KERNELS, _LARGE_NUMBERS // (height * width)))
    return half(maps.values[..., strongest[:count]].transpose(2, 0, 1))


def _small(values_hwc: np.ndarray, numbers: int) -> np.ndarray:
    """(units, side, side) uint8, at most so many: means over squares; the largest value of a map is 255."""
    height, width, units = values_hwc.shape
    side = min(_SMALL_SIDE, int((numbers / units) ** 0.5), height, width)
    rows, columns = (np.arange(side) * length // side for length in (height, width))
    sums = np.add.reduceat(np.add.reduceat(values_hwc, rows, axis=0), columns, axis=1)
    areas = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    largest = np.maximum(values_hwc.max(axis=(0, 1)), 1e-12)
    return np.rint(255 * sums / areas[..., None] / largest).astype(np.uint8).transpose(2, 0, 1)


def _strongest(values_hwc: np.ndarray) -> np.ndarray:
    """(units, 2) float32: the row and column of each unit's largest value."""
    height, width, units = values_hwc.shape
    flat = values_hwc.reshape(-1, units).argmax(axis=0)
    return np.stack(np.unravel_index(flat, (height, width)), axis=1).astype(np.float32)


def _kernels(anatomy: Anatomy, maps: Maps, strongest: list[int]) -> dict[str, dict[str, Any]]:
    kernel, bias = (anatomy.tensors[f"{maps.name}/{part}"] for part in ("kernel", "bias"))
    name, exact = f"kernel/{maps.name}", maps.name == "block1_conv1"
    if maps.facts.layer.stage not in _COMPUTED:
        name, kernel = f"kernels/{maps.name}", kernel[..., strongest]
    # (units, 3, 3, channels): the numbers of one unit are together
    kernel = kernel.transpose(3, 0, 1, 2)
    return {name: packed(kernel if exact else half(kernel)), f"bias/{maps.name}": packed(bias)}


def _patches(input_hwc: np.ndarray, places: list[list[tuple[int, int]]]) -> np.ndarray:
    """(units, places, 3, 3, channels): the inputs of each place; zeros where a unit has fewer places."""
    padded = np.pad(input_hwc, ((1, 1), (1, 1), (0, 0)))
    patches = np.zeros((len(places), _PLACES, 3, 3, input_hwc.shape[-1]), np.float16)
    for unit, found in enumerate(places):
        for number, (y, x) in enumerate(found):
            patches[unit, number] = half(padded[y : y + 3, x : x + 3])
    return patches


def _samples(maps: Maps) -> tuple[list[tuple[int, int, int]], np.ndarray]:
    chosen = np.random.default_rng(0).choice(maps.values.size, min(_SAMPLES, maps.values.size), replace=False)
    y, x, unit = np.unravel_index(chosen, maps.values.shape)
    return list(zip(y.tolist(), x.tolist(), unit.tolist(), strict=True)), maps.values[y, x, unit]
