"""Names with control characters: no terminal gets these, and programs get the names unchanged."""

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy, copytree

import pytest

from catdog.escapes import json_text, visible, visible_name
from tests.cli.conftest import SAMPLE, Cli

CAT = SAMPLE / "photos" / "Abyssinian_14.jpg"
NAME = "a\x1b[2J\x1b]0;owned\x07\x7f\x9b31m\u202egpj.\u2066exe\nb.jpg"
SHOWN = r"a\x1b[2J\x1b]0;owned\x07\x7f\x9b31m\u202egpj.\u2066exe\nb.jpg"
HARMFUL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def test_what_is_escaped() -> None:
    assert visible_name(NAME) == SHOWN
    assert visible("two\nlines\tand a tab\x1b") == "two\nlines\tand a tab\\x1b"
    for name in ("고양이 🐈‍⬛.jpg", "שלום\u200f.jpg", r"C:\x1b.jpg", os.fsdecode(b"caf\xe9")):
        assert visible_name(name) == name
    assert json.loads(json_text({NAME: [NAME]}, indent=2)) == {NAME: [NAME]}
    assert not HARMFUL.search(json_text([NAME]))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return Path(copy(CAT, tmp_path / NAME))


def test_rows_of_predict(cli: Cli, photo: Path) -> None:
    for name in (NAME, f"./{NAME}", f"missing {NAME}"):
        text = cli("predict", name)
        assert text.out.startswith(name.replace(NAME, SHOWN) + ": ")
        assert len(text.out.splitlines()) == 1
        assert not HARMFUL.search(text.out + text.err)
        rows = cli("predict", name, "--format", "json")
        assert json.loads(rows.out)[0]["path"] == name
        assert not HARMFUL.search(rows.out)
        (row,) = csv.DictReader(io.StringIO(cli("predict", name, "--format", "csv").out))
        assert row["path"] == name  # a program reads it


@pytest.mark.parametrize("form", ["text", "json", "jsonl", "csv"])
def test_no_format_writes_control_characters_to_a_terminal(photo: Path, tmp_path: Path, form: str) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "catdog", "predict", ".", "--format", form]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                block = os.read(ours, 4096)
            except OSError:  # Linux: the other end is closed
                break
            if not block:
                break
            shown += block
        assert process.stderr
        process.stderr.read()
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "owned" in text
    for harmful in ("\x1b[2J", "\x1b]0;", "\x07", "\x9b", "\u202e", "\u2066"):
        assert harmful not in text


def test_errors_notes_and_tables(cli: Cli, tmp_path: Path) -> None:
    assert SHOWN in cli("train", NAME).err
    assert SHOWN in cli("predict", "a.jpg", "--model", NAME).err
    assert not HARMFUL.search(cli("train", f"--{NAME}").err)  # click's own error
    data = copytree(SAMPLE / "valid", tmp_path / "data")
    (data / "cats").rename(data / NAME)
    (data / NAME / NAME).write_text("no photo")
    (data / f"empty {NAME}").mkdir()
    inspected = cli("inspect", "data", "--quick")
    assert inspected.status == 0, inspected.err
    assert "owned" in inspected.out
    assert not HARMFUL.search(inspected.out + inspected.err)
    shown = cli("inspect", "data", "--quick", "--json")
    assert NAME in json.loads(shown.out)["classes"]
    assert not HARMFUL.search(shown.out)
    trained = cli("train", "data", "--epochs", 1)
    assert trained.status == 0, trained.err
    assert f"empty {SHOWN}" in trained.err
    assert not HARMFUL.search(trained.out + trained.err)
    evaluated = cli("evaluate")
    assert "owned" in evaluated.out
    assert not HARMFUL.search(evaluated.out + evaluated.err)
