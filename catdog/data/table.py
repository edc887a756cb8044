"""Files that say what is true of each photo: one row a photo.

A CSV or TSV file has the names of its columns in the first line, a JSON lines file an object in each. The
columns are `path` (or `file_name`) and one more, in any order; others are ignored. A path is relative to the
data set's folder or to that of the file, and stays inside it.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from catdog.archives import is_folder, is_member
from catdog.data.files import open_regular
from catdog.data.labels import Photo
from catdog.data.layout import DataSet, split_named, to_be_split
from catdog.data.walk import listing, walk
from catdog.errors import DataError, PhotoError
from catdog.text import Message, first_few, plural

_PATH, _HUGGING_FACE = "path", "file_name"


def read_table(
    files: Sequence[Path],
    root: Path,
    column: str,
    parse: Callable[[str], str],
    expected: Message,
    *,
    are_classes: bool = False,
) -> DataSet:
    """The photos that have a row, with the label of the row.

    Where all photos are in folders of splits, `train/` among them, the data set has these splits.

    Args:
        files: one, or those of several folders.
        column: the name of the column with the labels.
        parse: a cell to a label; a ValueError if that is not possible.
        expected: what a cell of the column should be, for errors.
        are_classes: each photo has one label.

    Raises:
        DataError: a file cannot be read, lacks a column or rows, or has a row without a label or with a path
            that has another row or that is not a file; the message names the first and their number.
    """
    if not is_folder(root):
        raise DataError("expected a folder of photos, found nothing at {folder}. Check the path", folder=root)
    labels: dict[Path, str] = {}
    for file in files:
        labels |= _labels(file, root, column, parse, expected, labels)
    photos = tuple(Photo(path, labels[path]) for path in sorted(labels))
    classes = tuple(sorted(set(labels.values()))) if are_classes else ()
    return DataSet(root, "table", classes, _splits(root, photos), tuple(_remarks(root, files, set(labels))))


def has_column(file: Path, column: str) -> bool:
    """Whether a metadata file has the columns `file_name` and this one; False where it cannot be read."""
    try:
        return {_HUGGING_FACE, column} <= set(next(_table(file), (0, {}))[1])
    except DataError:
        return False


def _labels(
    file: Path,
    root: Path,
    column: str,
    parse: Callable[[str], str],
    expected: Message,
    before: dict[Path, str],
) -> dict[Path, str]:
    labels: dict[Path, str] = {}
    unknown: list[str] = []
    twice: list[Path] = []
    wrong: list[tuple[int, str]] = []
    for line, name, cell in _rows(file, column):
        path = _file_of(name, root, file.parent)
        if path is None:
            unknown.append(name)
        elif path in labels or path in before:
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
    return labels


def _rows(file: Path, column: str) -> Iterator[tuple[int, str, str]]:
    """(line, path, label) of each row; a cell that is not there is empty."""
    rows = _table(file)
    line, columns = next(rows, (0, dict[str, Any]()))
    name = _PATH if _PATH in columns or _HUGGING_FACE not in columns else _HUGGING_FACE
    if not {name, column} <= set(columns):
        if column == "labels" and len(columns) > 2 and name in columns:
            raise DataError(
                "expected the columns path and labels in the first line of {file}, found {columns}. "
                "One column has all labels of a photo, with ; between them",
                file=file,
                columns=first_few(list(map(repr, columns)), 10),
            )
        raise DataError(
            "expected the columns {path} and {column} in the first line of {file}, found {columns}",
            path=name,
            column=column,
            file=file,
            columns=first_few(list(map(repr, columns)), 10) or "-",
        )
    for line, row in rows:
        yield line, str(row.get(name, "")), str(row.get(column, ""))


def _table(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, column → cell) of each row; first the columns, each once."""
    try:
        with TextIOWrapper(open_regular(file), "utf-8-sig", newline="") as lines:
            yield from _json_lines(lines) if file.suffix.lower() == ".jsonl" else _cells(lines, file)
    except (OSError, ValueError, csv.Error, PhotoError) as error:  # ValueError: not UTF-8, or not JSON
        raise DataError("{file} cannot be read as a table: {reason}", file=file, reason=error) from error


def _cells(lines: Iterable[str], file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(lines, delimiter="\t" if file.suffix.lower() in (".tsv", ".tab") else ",")
    columns = [name.strip() for name in next(reader, [])]
    yield 1, {name: "" for name in columns if columns.count(name) == 1}
    for row in reader:
        if row:
            yield reader.line_num, dict(zip(columns, row, strict=False))


def _json_lines(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    is_first = True
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(line)
            if is_first:
                yield number, row
            is_first = False
            yield number, {name: cell for name, cell in row.items() if cell is not None}


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
    folders = () if os.path.isdir(root) else listing(root).folders  # of an archive: perhaps deeper in it
    top = folders[0].parent if folders else root
    for photo in photos:
        parts = photo.path.relative_to(top).parts if photo.path.is_relative_to(top) else ("",)
        splits.setdefault(split_named(parts[0]) or "", []).append(photo)
    if "train" not in splits or "" in splits:
        return {"all": photos}
    return to_be_split({name: tuple(splits[name]) for name in ("train", "valid", "test") if name in splits})


def _remarks(root: Path, files: Sequence[Path], listed: set[Path]) -> Iterator[Message]:
    if others := [path for path in walk(root).photos if path not in listed]:
        yield plural(
            "Ignored {count:,} photo without a row in {file}: {photo}.",
            "Ignored {count:,} photos without a row in {file}, such as {photo}.",
            len(others),
            file=files[0],
            photo=others[0],
        )
