"""A command line that is one of several processes: what it refuses, and what it tells the others.

`tests/test_two_processes.py` has real ones.
"""

import csv
import os
from pathlib import Path

import pytest

from catdog import hosts
from catdog.cli import evaluate
from catdog.hosts import Group
from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli
from tests.process import Service

CATS = sorted((SAMPLE / "valid" / "cats").iterdir())[:3]


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Service:
    """What the others read: this is the first of two, and raises SystemExit where it would end."""

    def end(status: int) -> None:
        raise SystemExit(status)

    service = Service()
    monkeypatch.setattr(hosts, "_group", Group(0, 2, service))
    monkeypatch.setattr(hosts, "_FAREWELL", 0.0)
    monkeypatch.setattr(os, "_exit", end)
    return service


def test_an_error_that_nobody_expects_is_told(
    cli: Cli, others: Service, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate, "_models_and_data", lambda *_: {}["a bug"])
    with pytest.raises(SystemExit, match="1"):
        cli("evaluate")
    assert others == {"catdog/failed/0": "KeyError: 'a bug'"}
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-", "leave out - in several processes."),
        ("a.jpg --save b --sort-into c", "leave out --save, --sort-into in several processes."),
        ("--random 2", "leave out --random in several processes."),
        ("a.jpg --unordered --format csv", "give --out FILE"),
    ],
)
def test_what_one_process_does_is_refused_in_several(
    cli: Cli, others: Service, words: str, sentence: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli("predict", *words.split())
    assert sentence in others["catdog/failed/0"]


def test_predictions_in_a_file_are_those_that_are_printed(cli: Cli, trained: Run, tmp_path: Path) -> None:
    command = ("predict", *CATS, "--model", trained.folder, "--format", "csv")
    printed = cli(*command)
    written = cli(*command, "--unordered", "--out", "new/rows.csv")
    assert (printed.status, written.status, written.out) == (0, 0, "")
    rows = (tmp_path / "new" / "rows.csv").read_text("utf-8").splitlines()
    assert sorted(rows) == sorted(printed.out.splitlines())
    assert rows[0] == printed.out.splitlines()[0]
    assert [row["error"] for row in csv.DictReader(rows)] == [""] * 3


def test_a_file_of_predictions_that_cannot_be_written_is_named(
    cli: Cli, trained: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    command = ("predict", CATS[0], "--model", trained.folder, "--out", "file/rows.json")
    assert "--format json, jsonl or csv" in cli(*command).err
    result = cli(*command, "--format", "json")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("catdog: error: expected to write file/rows.json: ")
