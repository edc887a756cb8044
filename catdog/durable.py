"""Writing a file so that a killed process leaves the old one or the new one, never a half.

Not a place for formats: callers bring bytes, or write into the temporary file themselves.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_UMASK = os.umask(0o077)  # there is no way to ask without setting it
os.umask(_UMASK)

_RECOGNIZABLE = 24  # letters of a file's name in that of its temporary file


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside `path`, open for writing, that takes its name; see `replacing_path`."""
    with replacing_path(path) as temporary, temporary.open("wb") as file:
        yield file


@contextmanager
def replacing_path(path: Path) -> Iterator[Path]:
    """The path of an empty file beside `path` that takes its name once the block ends without an error.

    What the block wrote there reaches the disk before the rename, the rename before the return.
    """
    prefix = f".{path.name[:_RECOGNIZABLE]}."  # not all of it: a name may be as long as names can be
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".tmp")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes it private, and so may who puts another file in its place; a run may be shared.
        temporary.chmod(0o666 & ~_UMASK)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file at `path` by `content`."""
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    """Replace the file at `path` by `value`, indented, UTF-8."""
    write_bytes(path, _encode(json.dumps(value, indent=2, ensure_ascii=False) + "\n"))


def write_json_lines(path: Path, values: list[Any]) -> None:
    """Replace the file at `path` by one JSON value a line."""
    lines = (json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    write_bytes(path, _encode("".join(lines)))


def _encode(text: str) -> bytes:
    # The name of a file need not be UTF-8: Python keeps such bytes as surrogates, JSON can escape them.
    return text.encode("utf-8", "backslashreplace")


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and needs no sync for a rename
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
