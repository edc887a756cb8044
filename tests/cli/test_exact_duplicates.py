"""Copies, leaks and contradictions, planted among drawn pictures: what inspect and train say of them."""

import json
from pathlib import Path
from shutil import copy, copytree

import pytest

from tests.cli.conftest import Cli, files_below

# What is planted: the new file, and which picture of the data set it is a copy of.
PLANTED = {
    "train/circles/copy.png": "train/circles/0.png",
    "valid/circles/leak.png": "train/circles/1.png",
    "train/squares/contradiction.png": "train/circles/2.png",
}


@pytest.fixture
def planted(shapes: Path, tmp_path: Path) -> Path:
    """The shapes with what is planted."""
    data = copytree(shapes, tmp_path / "data")
    pictures = {label: sorted((data / "train" / label).iterdir()) for label in ("circles", "squares")}
    for new, old in PLANTED.items():
        copy(pictures["circles"][int(Path(old).stem)], data / new)
    return data


def test_inspect_finds_each_and_nothing_else(cli: Cli, planted: Path, shapes: Path) -> None:
    before = files_below(planted)
    result = cli("inspect", planted, "--json", "--strict", "--quick")
    assert result.status == 1
    facts = json.loads(result.out)
    new = {name: str(planted / name) for name in PLANTED}
    found = {path for group in facts["copies"] for path in group} & set(new.values())
    assert found == set(new.values())
    assert len(facts["copies"]) == 3
    assert [new["valid/circles/leak.png"] in group for group in facts["leaks"]] == [True]
    (contradiction,) = facts["contradictions"]
    assert new["train/squares/contradiction.png"] in contradiction
    text = cli("inspect", planted, "--quick")
    assert text.status == 0
    for sentence in ("3 files with the content of another", "a leak: 1 photo", "1 photo under two labels"):
        assert sentence in " ".join(text.out.split())
    assert files_below(planted) == before
    clean = cli("inspect", shapes, "--json", "--strict", "--quick")
    assert clean.status == 0
    assert json.loads(clean.out)["copies"] == []


def test_train_says_each_in_one_line(cli: Cli, planted: Path) -> None:
    result = cli("train", planted, "--epochs", 1)
    assert result.status == 0
    notes = [line for line in result.err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 3
    assert notes[0].startswith("note: 3 files with the content of another, such as ")
    assert notes[1].startswith("note: a leak: 1 photo in training and in another split")
    assert notes[2].startswith("note: 1 photo under two labels")


def test_a_file_that_cannot_be_read_is_something_wrong(cli: Cli, shapes: Path, tmp_path: Path) -> None:
    data = copytree(shapes, tmp_path / "data")
    (data / "train" / "circles" / "broken.png").write_bytes(b"no photo")
    assert cli("inspect", data, "--quick").status == 0
    assert cli("inspect", data, "--quick", "--strict").status == 1


def test_strict_is_about_data_sets(cli: Cli) -> None:
    assert cli("inspect", "--strict").status == 2
