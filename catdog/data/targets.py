"""What is true of a photo, by the output that is to learn it: a class, several labels, or a value."""

import math
from collections.abc import Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from catdog.config import Output, has_classes
from catdog.data.described import LABEL, class_of, find_described
from catdog.data.labels import Photo
from catdog.data.layout import DataSet
from catdog.data.table import read_table
from catdog.errors import DataError
from catdog.text import message

_LARGEST = 1e30  # of a value, as float32 has it with room for the calculation
_BETWEEN = ";"  # labels of a photo
_BINS = 5  # of values, each with as many photos: every fold has some of each


def find_labelled(root: Path, output: Output, table: Path | None = None) -> DataSet:
    """The photos below `root`, with labels that suit the output.

    The label of a value is its decimal number. Several labels are there by name, with ; between them.

    Args:
        table: a CSV file with the columns `path` and `label`, `labels` or `value`. None takes classes and
            values from files that describe the photos (see `find_described`), or from the names of folders,
            `root/12.5/*.jpg`.

    Raises:
        DataError: see `scan` and `read_table`; a folder's name is not a number; or `labels` have no table.
    """
    if has_classes(output):
        return (
            read_table([table], root, LABEL, class_of, message("a class"), are_classes=True)
            if table
            else find_described(root)
        )
    if table and output == "value":
        return read_table([table], root, "value", _value, message("a number"))
    if table:
        return read_table([table], root, "labels", _labels, message("labels"))
    if output == "labels":
        raise DataError(
            "expected a CSV file with the columns path and labels: --labels FILE.csv. A row has the labels "
            "of a photo, with ; between them"
        )
    dataset = find_described(root, values=True)
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


def labels_of(photo: Photo, output: Output) -> tuple[str, ...]:
    """The names of a photo's classes: one, or several labels, or of a `value` none."""
    if output == "value":
        return ()
    label = photo.label or ""
    return (label,) if has_classes(output) else tuple(filter(None, label.split(_BETWEEN)))


def targets(photos: Sequence[Photo], output: Output, classes: Sequence[str]) -> np.ndarray:
    """What is true of each photo.

    Args:
        classes: their names; of `labels` those of the labels. Others are ignored.

    Returns:
        Indices of the classes, (n,) int32; of `labels` 0 or 1, (n, k) float32; of `value` (n,) float64.
    """
    if output == "labels":
        found = [set(labels_of(photo, output)) for photo in photos]
        rows = [[label in own for label in classes] for own in found]
        return np.array(rows, np.float32).reshape(len(photos), len(classes))
    if output == "value":
        return np.array([float(photo.label or "") for photo in photos], np.float64)
    index = {label: number for number, label in enumerate(classes)}
    return np.array([index[photo.label or ""] for photo in photos], np.int32)


def strata(targets_n: np.ndarray, output: Output) -> list[int]:
    """Numbers for `folds_by_content`: all folds get about the same number of photos of each.

    Of `labels` it is the rarest label of a photo.
    """
    if has_classes(output):
        return targets_n.tolist()
    if output == "labels":
        counts = np.append(targets_n.sum(axis=0), np.inf)  # the last is for photos without a label
        padded = np.append(targets_n, np.ones((len(targets_n), 1)), axis=1)
        return np.where(padded > 0, counts, np.nan).argsort(axis=1)[:, 0].tolist()
    ranks = np.searchsorted(np.sort(targets_n), targets_n)
    return (ranks * _BINS // len(targets_n)).tolist()


def _labels(text: str) -> str:
    """The labels by name, each once."""
    return _BETWEEN.join(sorted({label.strip() for label in text.split(_BETWEEN)} - {""}))


def named(targets_n: np.ndarray, classes: Sequence[str]) -> list[str]:
    """The label of each photo, as in `Photo`, of what `targets` made of classes or of several labels."""
    if targets_n.ndim == 1:
        return [classes[int(index)] for index in targets_n]
    return [_BETWEEN.join(compress(classes, row)) for row in targets_n]


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
