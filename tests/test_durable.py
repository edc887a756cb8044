"""Files that are replaced whole or not at all."""

import json
import os
from pathlib import Path

import pytest

from catdog import durable


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
