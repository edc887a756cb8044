"""`catdog predict`: inputs, formats, languages, errors in their own rows."""

import csv
import gettext
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from catdog.cli import console
from catdog.cli.translate import LANGUAGES
from catdog.cli.views import predictions
from catdog.cli.views.predictions import Columns, captions, writer_for
from catdog.inference.inputs import Input
from catdog.inference.prediction import Prediction
from catdog.runs import Run
from catdog.text import Message, message
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
        assert sum(entry["probability"] for entry in row["top"]) == pytest.approx(1, abs=1e-5)
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
        "the folder has no photos",
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
    assert result.out.splitlines() == [
        right[0]["path"],
        f"=====위는 [고양이] 입니다.===== {right[0]['probability']:.1%}",
    ]
    several = cli("predict", "--random", 6, "--lang", "ko", *model).out
    assert len(re.findall(r"=====위는 \[(?:고양이|강아지)\] 입니다\.=====", several)) == 6
    unsure = cli("predict", CATS[0], "--threshold", 1, "--lang", "ko", *model).out
    assert "=====위는 [잘 모르겠음] 입니다.=====" in unsure


def test_what_does_not_go_together(cli: Cli, model: tuple[str, str]) -> None:
    assert cli("predict", *model).status == 2
    assert cli("predict", CATS[0], "--show", "--format", "json", *model).status == 2
    assert cli("predict", CATS[0], CATS[1], "--random", 3, *model).status == 2


def test_the_newest_run_is_the_default_and_a_run_can_be_named(cli: Cli, trained: Run) -> None:
    runs_dir = ("--runs-dir", trained.folder.parent)
    newest = cli("predict", CATS[0], *runs_dir)
    assert newest.status == 0
    assert f"note: using the newest run, {trained.folder}; --model chooses another\n" in newest.err
    named = cli("predict", CATS[0], *runs_dir, "--model", trained.folder.name)
    assert (named.status, named.out, named.err) == (0, newest.out, "")
    wrong = cli("predict", CATS[0], *runs_dir, "--model", "nadam")
    assert wrong.status == 1
    assert f"The runs under {trained.folder.parent} are: {trained.folder.name}" in wrong.err


@pytest.mark.slow
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


def test_further_photos_of_the_sample_are_predicted_right(cli: Cli, trained: Run) -> None:
    result = cli("predict", SAMPLE / "photos", "--format", "json", "--model", trained.folder)
    assert result.status == 0, result.err
    rows = json.loads(result.out)
    assert len(rows) == len(list((SAMPLE / "photos").iterdir()))
    for row in rows:  # the data set writes the breeds of cats with a capital letter, and no others
        assert row["label"] == ("cats" if Path(row["path"]).name[0].isupper() else "dogs"), row["path"]


@pytest.mark.slow
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


@pytest.mark.slow
def test_show_draws_the_photo_above_its_prediction(trained: Run) -> None:
    arguments = ("predict", CATS[0], "--show", "--model", trained.folder)
    lines = catdog(*arguments, FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="60").stdout.splitlines()
    assert all("▀" in line for line in lines[:-1])
    assert 8 <= len(lines[:-1]) <= 24
    assert CATS[0].name in lines[-1]
    plain = catdog(*arguments)
    assert "▀" not in plain.stdout
    assert "only on a terminal" in plain.stderr


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of 60 columns shows."""
    written = io.StringIO()
    terminal = Console(file=written, force_terminal=True, color_system=None, width=60)
    monkeypatch.setattr(console, "out", terminal)
    return written


def _printed(*photos: Prediction, top_k: int = 1) -> None:
    columns = Columns("category", ("cats", "dogs"), top_k, truth=False, calibrated=True)
    with writer_for("text", False, columns) as write:
        for prediction in photos:
            write(prediction)


def _cat(name: str, **more: Any) -> Prediction:
    return Prediction(Input(Path(name), more.pop("truth", None)), {"cats": 0.9, "dogs": 0.1}, **more)


def test_predictions_are_aligned_on_a_terminal(screen: io.StringIO) -> None:
    _printed(*map(_cat, ("고양이.jpg", "a much longer name.jpg", "b.jpg", "x" * 50)))
    columns = [cell_len(line.partition("cats ")[0]) for line in screen.getvalue().splitlines()]
    assert columns == [12, 24, 24, 52]  # a name longer than half the screen moves no other


# As a translator writes them: the path on a line of its own, then the lecture's sentence.
KOREAN = {
    "{path}: {label} {probability:.1%}": "{path}\n=====위는 [{label}] 입니다.===== {probability:.1%}",
    "{path}: {label} {probability:.1%}, {others}": (
        "{path}\n=====위는 [{label}] 입니다.===== {probability:.1%}, {others}"
    ),
    "{path}: {label}: {ranking}": "{path}\n=====위는 [{label}] 입니다.===== {ranking}",
    "{path}: {reason}": "{path}\n읽을 수 없습니다: {reason}",
    "{row} (true class: {label})": "{row}\n정답: {label}",
    "cats": "고양이",
    "dogs": "강아지",
    "unsure": "잘 모르겠음",
}


@pytest.fixture
def korean(monkeypatch: pytest.MonkeyPatch) -> None:
    class Korean(gettext.NullTranslations):
        def gettext(self, message: str) -> str:
            return KOREAN.get(message, message)

    monkeypatch.setattr(predictions, "translated", lambda text: text.render(Korean()))


@pytest.mark.usefixtures("korean")
def test_each_row_is_one_template_that_a_translation_can_rearrange(screen: io.StringIO) -> None:
    gone = message("the file does not exist")
    _printed(_cat("a.jpg", truth="dogs"), _cat("b.jpg", threshold=0.95), _cat("c.jpg").failed(gone))
    _printed(_cat("d.jpg"), top_k=2)
    assert screen.getvalue().splitlines() == [
        "a.jpg",
        "=====위는 [고양이] 입니다.===== 90.0%",
        "정답: 강아지",
        "b.jpg",
        "=====위는 [잘 모르겠음] 입니다.===== 고양이 90.0%",
        "c.jpg",
        "읽을 수 없습니다: the file does not exist",
        "d.jpg",
        "=====위는 [고양이] 입니다.===== 90.0%, 강아지 10.0%",
    ]
    assert captions(_cat("a.jpg", threshold=0.95)) == ["잘 모르겠음: 고양이 90.0%", "unsure: cats 90.0%"]


@pytest.mark.usefixtures("korean")
@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_what_programs_read_is_never_translated(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    photos = (
        _cat("a.jpg", truth="dogs"),
        _cat("b.jpg", threshold=0.95),
        _cat("c.jpg").failed(message("gone")),
    )
    with writer_for(form, False, Columns("category", ("cats", "dogs"), 2, True, True)) as write:
        for prediction in photos:
            write(prediction)
    assert capsys.readouterr().out.isascii()


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_lang_changes_nothing_for_programs(cli: Cli, model: tuple[str, str], form: str) -> None:
    inputs = ("predict", CATS[0], "missing.jpg", "--format", form, *model)
    assert cli(*inputs, "--lang", LANGUAGES[-1]).out == cli(*inputs).out


def test_only_known_labels_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    def rendered(text: Message) -> str:
        return {"cats": "고양이"}.get(text.template, text.template)

    monkeypatch.setattr(predictions, "translated", rendered)
    assert [predictions.class_name(label) for label in ("cats", "Cats", "Dogs", "note")] == [
        "고양이", "고양이", "Dogs", "note"
    ]  # fmt: skip
