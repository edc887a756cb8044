"""Exact duplicates, leaks and conflicting labels among drawn pictures: what inspect and train report."""

import json
from pathlib import Path
from shutil import copy, copytree

import pytest

from tests.cli.conftest import Cli, files_below

# The planted file, and the picture of the data set whose duplicate it is.
PLANTED = {
    "train/circles/duplicate.png": "train/circles/0.png",
    "valid/circles/leak.png": "train/circles/1.png",
    "train/squares/conflict.png": "train/circles/2.png",
}


@pytest.fixture
def planted(shapes: Path, tmp_path: Path) -> Path:
    """The shapes, with the planted files."""
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
    found = {path for group in facts["exact_duplicates"] for path in group} & set(new.values())
    assert found == set(new.values())
    assert len(facts["exact_duplicates"]) == 3
    assert [new["valid/circles/leak.png"] in group for group in facts["leaks"]] == [True]
    (conflict,) = facts["conflicting_labels"]
    assert new["train/squares/conflict.png"] in conflict
    assert files_below(planted) == before
    clean = cli("inspect", shapes, "--json", "--strict", "--quick")
    assert clean.status == 0
    assert json.loads(clean.out)["exact_duplicates"] == []


def test_paths_are_relative_to_the_data_set(cli: Cli, planted: Path) -> None:
    (planted / "train" / "circles" / "empty.png").touch()
    (planted / "train" / "circles" / "notes.txt").touch()
    result = cli("inspect", planted, "--quick", "--report", planted.parent / "page.html")
    assert result.status == 0
    title, *lines = result.out.splitlines()
    assert title == f"{planted}: split folders"
    text = " ".join(" ".join(lines).split())
    for words in (
        "exact duplicates: 3, such as train/circles/circles.0.png and train/circles/duplicate.png",
        "another split: 1, such as train/circles/circles.1.png and valid/circles/leak.png. This is a leak",
        "conflicting labels: 1, such as train/circles/circles.10.png and train/squares/conflict.png",
        "Ignored 1 file in train: not a photo by name or content (.txt 1).",
        "train/circles/empty.png the file is empty (0 bytes)",
    ):
        assert words in text
    page = (planted.parent / "page.html").read_text()
    assert "valid/circles/leak.png" in page and "train/circles/empty.png" in page
    for shown in (text, page.replace(f"{planted}: ", "").replace(f"<h1>{planted}</h1>", "")):
        assert str(planted) not in shown


def test_train_reports_each_in_one_line(cli: Cli, planted: Path) -> None:
    result = cli("train", planted, "--optimizer", "adam", "--epochs", 1)
    assert result.status == 0
    notes = [line for line in result.err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 3
    assert notes[0].startswith("note: exact duplicates: 3, such as ")
    assert notes[1].startswith("note: exact duplicates in training and in another split: 1, such as ")
    assert notes[2].startswith("note: exact duplicates with conflicting labels: 1, such as ")


def test_an_unreadable_file_is_a_problem(cli: Cli, shapes: Path, tmp_path: Path) -> None:
    data = copytree(shapes, tmp_path / "data")
    (data / "train" / "circles" / "broken.png").write_bytes(b"no photo")
    assert cli("inspect", data, "--quick").status == 0
    assert cli("inspect", data, "--quick", "--strict").status == 1


def test_strict_is_about_data_sets(cli: Cli) -> None:
    assert cli("inspect", "--strict").status == 2
