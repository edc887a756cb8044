"""Writes a file so that a killed process leaves the old file or the new one, never a part.

File formats do not belong here: callers give bytes, or write into the temporary file themselves.
"""

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from catdog.errors import OptionError

_SHOWN = 40  # letters of the name in that of the temporary file: a name may be as long as the disk allows


@contextmanager
def replacing(path: Path, *, mode: int | None = None) -> Iterator[IO[bytes]]:
    """A temporary file, open for writing, that replaces `path`; see `replacing_path`."""
    with replacing_path(path, mode=mode) as temporary, temporary.open("wb") as file:
        yield file


@contextmanager
def replacing_path(path: Path, *, mode: int | None = None) -> Iterator[Path]:
    """The path of an empty temporary file that replaces `path` if the block ends without an error.

    Its content is on the disk before it is renamed, and the new name before the return.

    Args:
        mode: the permissions of the file from its first byte; None is those of any new file, by the umask.
    """
    temporary = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(8)}.tmp")
    # The umask cannot be read without setting it for all threads: the system applies it.
    opener = None if mode is None else partial(os.open, mode=mode)
    with open(temporary, "xb", opener=opener) as file:
        permissions = stat.S_IMODE(os.fstat(file.fileno()).st_mode) if mode is None else mode
    try:
        yield temporary
        # The block may have replaced the file, or copied the permissions of another.
        temporary.chmod(permissions)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name != "nt":  # Windows cannot open a folder, and does not need this
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Within the block a file is written that a person has named; its folder is made.

    Raises:
        OptionError: in place of an OSError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OptionError(
            "expected to write {file}: {reason}. Name another place.",
            file=path,
            reason=error.strerror or error,
        ) from error


def write_bytes(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Replace the file at `path` by `content`; see `replacing_path`."""
    with replacing(path, mode=mode) as file:
        file.write(content)


def write_json(path: Path, value: Any, *, mode: int | None = None) -> None:
    """Replace the file at `path` by `value`, indented, UTF-8; see `replacing_path`."""
    _write_lines(path, [json.dumps(value, indent=2, ensure_ascii=False)], mode)


def write_json_lines(path: Path, values: list[Any]) -> None:
    """Replace the file at `path` by one JSON value per line; see `replacing_path`."""
    _write_lines(path, [json.dumps(value, ensure_ascii=False) for value in values], None)


def make_private(folder: Path) -> None:
    """Make a folder, and the missing ones above it, that only this user can open.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _write_lines(path: Path, lines: list[str], mode: int | None) -> None:
    # The name of a file need not be UTF-8: Python has such bytes as surrogates, which JSON can escape.
    text = "".join(f"{line}\n" for line in lines)
    write_bytes(path, text.encode("utf-8", "backslashreplace"), mode=mode)
