"""A CSV file that says what is true of each photo: one row a photo, the columns named in the first line.

The columns are `path` and one more, in any order; others are ignored. A path is relative to the data set's
folder or to that of the file, and stays inside it.
"""

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from catdog.data.archives import is_folder, is_member
from catdog.data.labels import Photo
from catdog.data.layout import DataSet, split_named, to_be_split
from catdog.data.walk import walk
from catdog.errors import DataError
from catdog.text import Message, first_few, plural

_PATH = "path"


def read_table(
    file: Path, root: Path, column: str, parse: Callable[[str], str], expected: Message
) -> DataSet:
    """The photos that have a row, with the label of the row.

    Where all photos are in folders of splits, `train/` among them, the data set has these splits.

    Args:
        column: the name of the column with the labels.
        parse: a cell to a label; a ValueError if that is not possible.
        expected: what a cell of the column should be, for errors.

    Raises:
        DataError: the file cannot be read, lacks a column or rows, or has a row without a label or with a
            path that has another row or that is not a file; the message names the first and their number.
    """
    if not is_folder(root):
        raise DataError("expected a folder of photos, found nothing at {folder}. Check the path", folder=root)
    labels: dict[Path, str] = {}
    unknown: list[str] = []
    twice: list[Path] = []
    wrong: list[tuple[int, str]] = []
    for line, name, cell in _rows(file, column):
        path = _file_of(name, root, file.parent)
        if path is None:
            unknown.append(name)
        elif path in labels:
            twice.append(path)
        else:
            try:
                labels[path] = parse(cell)
            except ValueError:
                wrong.append((line, cell))
    if unknown:
        raise DataError(
            "expected a photo for each path in {file}, found none for {count}, the first is {first!r}. Paths "
            "are relative to {root} or to the folder of the file",
            file=file,
            count=len(unknown),
            first=unknown[0],
            root=root,
        )
    if twice:
        raise DataError(
            "expected one row for each photo in {file}, found {count} more, the first for {first}",
            file=file,
            count=len(twice),
            first=twice[0],
        )
    if wrong:
        raise DataError(
            "expected {expected} in the column {column} of {file}, found {cell!r} in line {line} (such rows: "
            "{count})",
            expected=expected,
            column=column,
            file=file,
            cell=wrong[0][1],
            line=wrong[0][0],
            count=len(wrong),
        )
    if not labels:
        raise DataError("expected a row for each photo in {file}, found none", file=file)
    photos = tuple(Photo(path, labels[path]) for path in sorted(labels))
    return DataSet(root, "table", (), _splits(root, photos), tuple(_remarks(root, file, set(labels))))


def _rows(file: Path, column: str) -> Iterator[tuple[int, str, str]]:
    """(line, path, label) of each row; a cell that is not there is empty."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            columns = [name.strip() for name in next(reader, [])]
            if any(columns.count(name) != 1 for name in (_PATH, column)):
                if column == "labels" and len(columns) > 2 and _PATH in columns:
                    raise DataError(
                        "expected the columns path and labels in the first line of {file}, found {columns}. "
                        "One column has all labels of a photo, with ; between them",
                        file=file,
                        columns=first_few(list(map(repr, columns)), 10),
                    )
                raise DataError(
                    "expected the columns {path} and {column} in the first line of {file}, found {columns}",
                    path=_PATH,
                    column=column,
                    file=file,
                    columns=first_few(list(map(repr, columns)), 10) or "-",
                )
            places = columns.index(_PATH), columns.index(column)
            for row in reader:
                if row:
                    name, cell = (row[place] if place < len(row) else "" for place in places)
                    yield reader.line_num, name, cell
    except (OSError, ValueError, csv.Error) as error:  # ValueError: not UTF-8
        raise DataError("{file} cannot be read as a CSV file: {reason}", file=file, reason=error) from error


def _file_of(name: str, root: Path, beside: Path) -> Path | None:
    """The file of that name below `root` or below the folder `beside`; its path begins with one of them."""
    for start in (root, beside) if name else ():
        file = os.path.join(os.path.abspath(start), name)
        if _inside(file, start) and (os.path.isfile(file) or is_member(file)):
            folder = root if _inside(file, root) else beside
            return folder / os.path.relpath(file, os.path.abspath(folder))
    return None


def _inside(file: str, folder: Path) -> bool:
    return Path(os.path.abspath(file)).is_relative_to(os.path.abspath(folder))


def _splits(root: Path, photos: tuple[Photo, ...]) -> dict[str, tuple[Photo, ...]]:
    splits: dict[str, list[Photo]] = {}
    for photo in photos:
        parts = photo.path.relative_to(root).parts if photo.path.is_relative_to(root) else ("",)
        splits.setdefault(split_named(parts[0]) or "", []).append(photo)
    if "train" not in splits or "" in splits:
        return {"all": photos}
    return to_be_split({name: tuple(splits[name]) for name in ("train", "valid", "test") if name in splits})


def _remarks(root: Path, file: Path, listed: set[Path]) -> Iterator[Message]:
    if others := [path for path in walk(root).photos if path not in listed]:
        yield plural(
            "Ignored {count:,} photo without a row in {file}: {photo}.",
            "Ignored {count:,} photos without a row in {file}, such as {photo}.",
            len(others),
            file=file,
            photo=others[0],
        )
