"""Files that are replaced whole or not at all."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catdog import durable


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    durable.write_json(path, {"ä": 1})
    durable.write_json(path, {"ä": 2})
    assert path.read_text("utf-8") == '{\n  "ä": 2\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    durable.write_bytes(path, b"old")
    with pytest.raises(RuntimeError), durable.replacing(path) as file:
        file.write(b"ne")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_lines(tmp_path: Path) -> None:
    durable.write_json_lines(tmp_path / "a", [{"a": 1}, {"b": "나"}])
    assert (tmp_path / "a").read_text("utf-8") == '{"a": 1}\n{"b": "나"}\n'
    durable.write_json_lines(tmp_path / "a", [])
    assert (tmp_path / "a").read_bytes() == b""


def test_a_name_that_is_not_utf8_comes_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    durable.write_json(tmp_path / "a", name)
    assert json.loads((tmp_path / "a").read_bytes()) == name


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o007])
def test_the_umask_of_the_moment_of_writing_holds(tmp_path: Path, mask: int) -> None:
    with _umask(mask):
        durable.write_bytes(tmp_path / "a", b"")
        with durable.replacing_path(tmp_path / "b") as temporary:
            temporary.unlink()
            temporary.write_bytes(b"another file")
            temporary.chmod(0o444)
    assert _mode(tmp_path / "a") == _mode(tmp_path / "b") == 0o666 & ~mask


def test_a_private_file_is_private_from_the_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with _umask(0), durable.replacing(path, mode=0o600) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    assert _mode(path) == 0o600


@pytest.mark.parametrize("letter", ["a", "나"])
def test_a_name_as_long_as_the_disk_allows(tmp_path: Path, letter: str) -> None:
    path = tmp_path / (letter * (255 // len(letter.encode())))
    durable.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
