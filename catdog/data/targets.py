"""What is true of a photo, by the output that is to learn it: a class, or a value."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from catdog.config import Output
from catdog.data.labels import Photo
from catdog.data.layout import DataSet, scan
from catdog.data.table import read_table
from catdog.errors import DataError
from catdog.text import message

_LARGEST = 1e30  # of a value, as float32 has it with room for the calculation
_BINS = 5  # of values, each with as many photos: every fold has some of each


def find_labelled(root: Path, output: Output, table: Path | None = None) -> DataSet:
    """The photos below `root`, with labels that suit the output. The label of a value is its decimal number.

    Args:
        table: a CSV file with the columns `path` and `value`; None takes the values from the names of
            folders, `root/12.5/*.jpg`.

    Raises:
        DataError: see `scan` and `read_table`; or the name of a folder is not a number.
    """
    if output != "value":
        return scan(root)
    expected = message("a number")
    if table:
        return read_table(table, root, "value", _value, expected)
    dataset = scan(root, values=True)
    try:
        splits = {
            split: tuple(Photo(photo.path, _value(photo.label or "")) for photo in photos)
            for split, photos in dataset.splits.items()
        }
    except ValueError:
        names = [name for name in dataset.classes if not _is_value(name)]
        raise DataError(
            "expected folders in {root} that are named after values, such as 12.5, found {name}. Or give a "
            "CSV file with the columns path and value: --labels FILE.csv",
            root=root,
            name=names[0],
        ) from None
    return DataSet(root, dataset.layout, (), splits, dataset.remarks)


def targets(photos: Sequence[Photo], output: Output, classes: Sequence[str]) -> np.ndarray:
    """What is true of each photo: the index of its class, (n,) int32, or its value, (n,) float64."""
    if output == "value":
        return np.array([float(photo.label or "") for photo in photos], np.float64)
    index = {label: number for number, label in enumerate(classes)}
    return np.array([index[photo.label or ""] for photo in photos], np.int32)


def strata(targets_n: np.ndarray, output: Output) -> list[int]:
    """Numbers for `folds_by_content`: all folds get about the same number of photos of each."""
    if output != "value":
        return targets_n.tolist()
    ranks = np.searchsorted(np.sort(targets_n), targets_n)
    return (ranks * _BINS // len(targets_n)).tolist()


def _value(text: str) -> str:
    """A number in its shortest form; a ValueError for anything else."""
    value = float(text)
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise ValueError(text)
    return repr(value)


def _is_value(text: str) -> bool:
    try:
        return bool(_value(text))
    except ValueError:
        return False
