"""`catdog predict`: inputs, forms, languages, errors in their own rows."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy

import pytest
from rich.cells import cell_len
from rich.console import Console

from catdog.cli import look
from catdog.cli.answers import Answer, writer_for
from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli
from tests.process import catdog

CATS = sorted((SAMPLE / "valid" / "cats").iterdir())


@pytest.fixture
def model(trained: Run) -> tuple[str, str]:
    return ("--model", str(trained.folder))


def test_text_has_path_class_and_probability(cli: Cli, model: tuple[str, str]) -> None:
    result = cli("predict", *CATS[:3], *model)
    assert (result.status, result.err) == (0, "")
    for line, path in zip(result.out.splitlines(), CATS[:3], strict=True):
        assert re.fullmatch(rf"{re.escape(str(path))}: (cats|dogs) \d+\.\d%", line)


def test_top_k_lists_the_most_probable_first(cli: Cli, model: tuple[str, str]) -> None:
    line = cli("predict", CATS[0], "--top-k", 5, *model).out
    found = re.search(r": (\w+) ([\d.]+)%, (\w+) ([\d.]+)%$", line.strip())
    assert found
    assert {found[1], found[3]} == {"cats", "dogs"}
    assert float(found[2]) >= float(found[4])
    assert float(found[2]) + float(found[4]) == pytest.approx(100, abs=0.15)


def test_json_rows_are_in_the_order_of_the_inputs(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(CATS[0].read_bytes()[:500])
    inputs = [CATS[2], "broken.jpg", CATS[0], "missing.jpg", CATS[2]]
    result = cli("predict", *inputs, "--format", "json", "--top-k", 2, *model)
    rows = json.loads(result.out)
    assert result.status == 1
    assert [row["path"] for row in rows] == [str(path) for path in inputs]
    for row in (rows[0], rows[2], rows[4]):
        assert row.keys() == {"path", "label", "probability", "top", "probabilities", "calibrated", "error"}
        assert row["error"] is None
        assert row["top"][0] == {"label": row["label"], "probability": row["probability"]}
        assert sum(one["probability"] for one in row["top"]) == pytest.approx(1, abs=1e-5)
    for row in (rows[1], rows[3]):
        assert (row["label"], row["probability"], row["top"]) == (None, None, [])
        assert row["error"]
    assert rows[0] == rows[4]
    assert rows[3]["error"] == "the file does not exist"


def test_csv_can_be_read_back(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    awkward = tmp_path / 'a "quoted", name.jpg'
    copy(CATS[0], awkward)
    (tmp_path / "text.jpg").write_text("no photo")
    result = cli("predict", awkward, "text.jpg", "--format", "csv", *model)
    assert result.status == 1
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert [row["path"] for row in rows] == [str(awkward), "text.jpg"]
    assert rows[0]["label"] in ("cats", "dogs")
    assert 0.5 <= float(rows[0]["probability"]) <= 1
    assert rows[0]["error"] == ""
    assert rows[1]["label"] == ""
    assert rows[1]["error"]


def test_csv_has_all_that_is_asked_for(cli: Cli, model: tuple[str, str]) -> None:
    result = cli("predict", "--random", 3, "--top-k", 2, "--format", "csv", *model)
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert len(rows) == 3
    for row in rows:
        assert row["true"] in row["path"]
        assert {row["label"], row["label_2"]} == {"cats", "dogs"}
        assert float(row["probability"]) + float(row["probability_2"]) == pytest.approx(1, abs=1e-5)


def test_folders_and_patterns(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    folder = cli("predict", SAMPLE / "valid", "--format", "csv", *model)
    assert len(folder.out.splitlines()) == 1 + 60
    for number in range(3):
        copy(CATS[number], tmp_path / f"photo {number}.jpg")
    pattern = cli("predict", "photo*.jpg", *model)
    assert len(pattern.out.splitlines()) == 3
    (tmp_path / "empty").mkdir()
    mixed = cli("predict", "*.png", "photo 1.jpg", "empty", "--format", "json", *model)
    assert mixed.status == 1
    rows = json.loads(mixed.out)
    assert [row["path"] for row in rows] == ["*.png", "photo 1.jpg", "empty"]
    assert [row["error"] for row in rows] == [
        "no file matches this pattern",
        None,
        "a folder without photos",
    ]


def test_a_name_with_brackets_is_a_file_first(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    copy(CATS[0], tmp_path / "photo[1].jpg")
    result = cli("predict", "photo[1].jpg", *model)
    assert (result.status, len(result.out.splitlines())) == (0, 1)
    assert result.out.startswith("photo[1].jpg: ")


def test_random_shows_the_true_class(cli: Cli, model: tuple[str, str]) -> None:
    result = cli("predict", "--random", 6, SAMPLE, *model)
    lines = result.out.splitlines()
    assert result.status == 0
    assert len(lines) == 6
    for line in lines:
        found = re.fullmatch(r"(.*): (cats|dogs) [\d.]+% \(true class: (cats|dogs)\)", line)
        assert found
        assert Path(found[1]).parent == SAMPLE / "valid" / found[3]
    own = cli("predict", "--random", 99, "--format", "json", *model)
    rows = json.loads(own.out)
    assert len(rows) == 60
    assert all(row["true"] in row["path"] for row in rows)


def test_the_lectures_line_in_korean(cli: Cli, model: tuple[str, str]) -> None:
    right = [
        row
        for row in json.loads(cli("predict", *CATS, "--format", "json", *model).out)
        if row["label"] == "cats"
    ]
    result = cli("predict", right[0]["path"], "--lang", "ko", *model)
    assert result.out.splitlines()[1] == "=====위는 [고양이] 입니다.====="
    several = cli("predict", "--random", 6, "--lang", "ko", *model).out
    assert len(re.findall(r"=====위는 \[(?:고양이|강아지)\] 입니다\.=====", several)) == 6


def test_what_does_not_go_together(cli: Cli, model: tuple[str, str]) -> None:
    assert cli("predict", *model).status == 2
    assert cli("predict", CATS[0], "--lang", "ko", "--top-k", 2, *model).status == 2
    assert cli("predict", CATS[0], "--lang", "ko", "--format", "json", *model).status == 2
    assert cli("predict", CATS[0], CATS[1], "--random", 3, *model).status == 2


def test_the_newest_run_answers_by_default(cli: Cli, trained: Run) -> None:
    result = cli("predict", CATS[0], "--runs-dir", trained.folder.parent)
    assert result.status == 0


def test_a_reader_that_has_seen_enough(trained: Run, tmp_path: Path) -> None:
    line = (
        "set -o pipefail; "
        f"{sys.executable} -W error -m catdog predict {SAMPLE} --model {trained.folder} | head -1"
    )
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 1
    for words in ("Traceback", "Broken pipe", "Exception", "error"):
        assert words not in result.stderr


def test_further_photos_of_the_sample_are_answered_right(trained: Run) -> None:
    result = catdog("predict", SAMPLE / "photos", "--format", "json", "--model", trained.folder)
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert len(rows) == len(list((SAMPLE / "photos").iterdir()))
    for row in rows:  # the data set writes the breeds of cats with a capital letter, and no others
        assert row["label"] == ("cats" if Path(row["path"]).name[0].isupper() else "dogs"), row["path"]


def test_a_name_that_is_not_utf8(trained: Run, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    copy(CATS[0], tmp_path / name)
    (tmp_path / os.fsdecode(b"\xff.jpg")).write_text("no photo")
    for form in ("text", "json", "csv"):
        result = catdog("predict", ".", "--format", form, "--model", trained.folder, cwd=tmp_path)
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
        assert len(result.stdout.splitlines()) >= 2
        if form == "json":
            assert [row["path"] for row in json.loads(result.stdout)] == [name, os.fsdecode(b"\xff.jpg")]


def test_show_draws_the_photo_above_its_answer(trained: Run) -> None:
    arguments = ("predict", CATS[0], "--show", "--model", trained.folder)
    lines = catdog(*arguments, FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="60").stdout.splitlines()
    assert all("▀" in line for line in lines[:-1])
    assert 8 <= len(lines[:-1]) <= 24
    assert CATS[0].name in lines[-1]
    plain = catdog(*arguments)
    assert "▀" not in plain.stdout
    assert "only on a terminal" in plain.stderr


def test_answers_stand_below_each_other_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system=None, width=60)
    monkeypatch.setattr(look, "out", console)
    names = ("고양이.jpg", "a much longer name.jpg", "b.jpg", "x" * 50)
    with writer_for(
        "text", None, False, classes=("cats", "dogs"), top_k=1, truth=False, calibrated=True
    ) as write:
        for name in names:
            write(Answer(Path(name), name, "cats", (("cats", 0.9), ("dogs", 0.1)), None))
    columns = [cell_len(line.partition("cats ")[0]) for line in screen.getvalue().splitlines()]
    assert columns == [12, 24, 24, 52]  # a name longer than half the screen moves nobody else
