"""A parquet file is an archive of the photos in its rows, as Hugging Face's data sets have them.

The photos are in a column of bytes, or of objects with `bytes` and `path`. A row is read with its row group,
which usually has a hundred.
"""

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from threading import Lock
from typing import Any

from catdog.archives.archive import Entry
from catdog.archives.sources import Source, buffered
from catdog.archives.suffixes import PHOTO_SUFFIXES
from catdog.errors import DataError, PhotoError

_LABEL = "label"
_IMAGES = ("image", "img", "jpg", "png", "photo", "picture")  # names of a column of bytes
_GROUPS = 4  # row groups that are kept


class Table:
    """The photos of a parquet file, named by their rows; has the methods of `Archive`.

    Raises:
        DataError: pyarrow is not installed, or the file has no column of photos.
        ValueError, OSError: it is damaged, or cannot be read.
    """

    def __init__(self, name: str, source: Source):
        try:
            parquet = import_module("pyarrow.parquet")
        except ImportError as error:
            raise DataError(
                "reading {file} needs pyarrow: pip install 'catdog-cli[parquet]'", file=name
            ) from error
        self.name, self.depth = name, 0
        self._source, self._lock = source, Lock()
        self._file = parquet.ParquetFile(buffered(source))
        schema = self._file.schema_arrow
        self._features = _features((schema.metadata or {}).get(b"huggingface", b"{}"))
        columns = list(filter(self._has_photos, schema))
        if not columns:
            raise DataError("expected a column of photos in {file}, found none", file=name)
        self._column = columns[0]
        self._is_object = not _is_bytes(self._column.type)
        counts = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        self._places = [(group, row) for group, count in enumerate(counts) for row in range(count)]
        self._rows = {f"{row:07}{suffix}": row for row, suffix in enumerate(self._suffixes())}
        self._group = lru_cache(_GROUPS)(self._read_group)

    def entries(self, folder: str) -> list[Entry] | None:
        """See `Archive.entries`: all are at the top."""
        return None if folder else [Entry(name, False) for name in self._rows]

    def names(self) -> Iterator[str]:
        """See `Archive.names`."""
        return iter(self._rows)

    def member(self, path: str) -> tuple[int] | None:
        """See `Archive.member`: the row."""
        return (self._rows[path],) if path in self._rows else None

    def source(self, path: str) -> tuple[Source, None]:
        """See `Archive.source`."""
        group, row = self._places[self._rows[path]]
        try:
            with self._lock:
                content = self._group(group)[row].as_py()
        except (OSError, ValueError) as error:
            raise PhotoError("the archive is damaged: {reason}", reason=error) from error
        if content is None:
            raise PhotoError("the row has no bytes of a photo")
        return _Bytes(content, self._source.descriptor), None

    def labels(self) -> Iterator[tuple[str, str | None]]:
        """The name of each photo and its class: the first column of classes, or the column `label`."""
        kinds = self._features
        column = next((name for name in kinds if kinds[name].get("_type") == "ClassLabel"), _LABEL)
        if column not in self._file.schema_arrow.names:
            raise DataError("expected a column {column} in {file}, found none", column=column, file=self.name)
        names = kinds.get(column, {}).get("names") or []
        try:
            found = self._file.read(columns=[column]).column(column).to_pylist()
        except (OSError, ValueError) as error:
            raise DataError(
                "the archive {file} is damaged: {reason}", file=self.name, reason=error
            ) from error
        for name, label in zip(self._rows, found, strict=True):
            if names and isinstance(label, int):
                label = names[label] if 0 <= label < len(names) else None  # -1: it is kept secret
            yield name, None if label is None else str(label)

    def _has_photos(self, column: Any) -> bool:
        if column.name in self._features:
            return self._features[column.name].get("_type") == "Image"
        has_bytes = hasattr(column.type, "get_field_index") and column.type.get_field_index("bytes") >= 0
        return has_bytes or (_is_bytes(column.type) and column.name in _IMAGES)

    def _suffixes(self) -> Iterator[str]:
        if not self._is_object or self._column.type.get_field_index("path") < 0:
            return iter([".jpg"] * len(self._places))
        objects = self._file.read(columns=[f"{self._column.name}.path"]).column(0).to_pylist()
        suffixes = (os.path.splitext((found or {}).get("path") or "")[1].lower() for found in objects)
        return (suffix if suffix in PHOTO_SUFFIXES else ".jpg" for suffix in suffixes)

    def _read_group(self, group: int) -> Any:
        name = f"{self._column.name}.bytes" if self._is_object else self._column.name
        column = self._file.read_row_group(group, columns=[name]).column(0).combine_chunks()
        return column.field("bytes") if self._is_object else column


class _Bytes:
    """See `Source`."""

    is_slow = False

    def __init__(self, content: bytes, descriptor: int):
        self._content, self.size, self.descriptor = content, len(content), descriptor

    def read(self, offset: int, count: int) -> bytes:
        return self._content[offset : offset + count]


def _is_bytes(kind: Any) -> bool:
    return str(kind) in ("binary", "large_binary")


def _features(described: bytes) -> dict[str, dict[str, Any]]:
    """What Hugging Face writes about each column; nothing if it is not in its form."""
    found: Any = json.loads(described)
    for key in ("info", "features"):
        found = found.get(key) if isinstance(found, dict) else None
    return (
        {name: facts for name, facts in found.items() if isinstance(facts, dict)}
        if isinstance(found, dict)
        else {}
    )
