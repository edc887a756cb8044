"""`catdog predict` in scripts: stdin, JSON lines, thresholds, sorting; where it matters, in a real shell."""

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest

from catdog.features.shards import Shard, read_shard
from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli, files_below

CATS = sorted((SAMPLE / "valid" / "cats").iterdir())
PHOTOS = SAMPLE / "photos"
PREDICT = f"{shlex.quote(sys.executable)} -W error -m catdog predict"


def _shell(line: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=cwd, capture_output=True, check=False, timeout=120
    )


@pytest.fixture
def model(trained: Run) -> tuple[str, str]:
    return ("--model", str(trained.folder))


@pytest.mark.slow
def test_paths_on_stdin_one_a_line_or_between_nuls(tmp_path: Path) -> None:
    awkward = tmp_path / "a b\n'c'.jpg"
    copy(PHOTOS / "Abyssinian_14.jpg", awkward)
    copy(PHOTOS / "pug_139.jpg", tmp_path / "dog.jpg")
    lines = _shell(f"printf 'dog.jpg\\r\\ndog.jpg' | {PREDICT} - --format jsonl", tmp_path)
    assert lines.returncode == 0, lines.stderr
    assert [json.loads(line)["path"] for line in lines.stdout.splitlines()] == ["dog.jpg", "dog.jpg"]
    nuls = _shell(f"find . -name '*.jpg' -print0 | sort -z | {PREDICT} - --format jsonl", tmp_path)
    assert nuls.returncode == 0, nuls.stderr
    rows = [json.loads(line) for line in nuls.stdout.splitlines()]
    assert [row["path"] for row in rows] == ["./a b\n'c'.jpg", "./dog.jpg"]
    assert [row["label"] for row in rows] == ["cats", "dogs"]


@pytest.mark.slow
def test_one_photo_on_stdin(tmp_path: Path) -> None:
    photo = shlex.quote(str(PHOTOS / "Abyssinian_14.jpg"))
    good = _shell(f"{PREDICT} --stdin-image --format json < {photo}", tmp_path)
    assert good.returncode == 0, good.stderr
    (row,) = json.loads(good.stdout)
    assert (row["path"], row["label"], row["error"]) == ("-", "cats", None)
    bad = _shell(f"echo no photo | {PREDICT} --stdin-image", tmp_path)
    assert bad.returncode == 1
    assert bad.stdout.decode() == "-: not an image that Pillow can read\n"


@pytest.mark.slow
def test_the_first_row_ends_it_where_nobody_reads_on(tmp_path: Path, trained: Run) -> None:
    # 2,000 photos of which only the first few may be computed: twice a photo's number is another content.
    content = (PHOTOS / "Abyssinian_14.jpg").read_bytes()
    for number in range(2000):
        (tmp_path / f"{number:04}.jpg").write_bytes(content + str(number).encode())
    cache = tmp_path / "cache"
    result = _shell(f"{PREDICT} -r . --format jsonl --cache-dir {cache} | head -1", tmp_path)
    assert json.loads(result.stdout)["path"] == "0000.jpg"
    assert result.returncode == 0, result.stderr
    assert sum(len(np.load(index)) for index in cache.rglob("*.index.npy")) < 1000


@pytest.mark.slow
def test_a_program_that_writes_a_path_and_waits_gets_its_row(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "catdog", "predict", "-", "--format", "jsonl"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        bufsize=0,
    ) as process:
        assert process.stdin
        assert process.stdout
        for photo in CATS[:3]:
            process.stdin.write(os.fsencode(photo) + b"\n")
            assert json.loads(process.stdout.readline())["path"] == str(photo)
        process.stdin.close()
        assert process.wait(60) == 0
        assert process.stdout.read() == b""


def test_it_ends_with_its_reader_while_stdin_is_open(tmp_path: Path) -> None:
    name = shlex.quote(str(CATS[0]))
    paths = f"(echo {name}; sleep 1; echo {name}; echo {name}; sleep 60)"
    began = time.monotonic()
    with subprocess.Popen(
        ["bash", "-c", f"{paths} | ({PREDICT} - --format jsonl 2>&1; echo rc $? >&2) | head -1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stderr
        status = process.stderr.readline()
        os.killpg(process.pid, signal.SIGTERM)
    assert time.monotonic() - began < 45
    assert status == b"rc 0\n"


@pytest.mark.slow
def test_rows_are_the_same_whether_features_are_new_or_cached(
    cli: Cli, model: tuple[str, str], tmp_path: Path
) -> None:
    photos = [str(photo) for photo in (*CATS[:5], *sorted(PHOTOS.glob("*.jpg")))]
    options = ("--format", "jsonl", *model)
    new = cli("predict", *photos, *options, "--no-cache")
    alone = "".join(cli("predict", photo, *options, "--no-cache").out for photo in photos)
    mixed = [cli("predict", *photos[::step], *options, "--cache-dir", "mixed").out for step in (3, 1, 1)]
    assert new.out.count("\n") == 15
    assert alone == new.out
    assert mixed[1:] == [new.out, new.out]


@pytest.mark.slow
def test_digits_of_many_classes_do_not_depend_on_the_other_photos(cli: Cli, tmp_path: Path) -> None:
    content = CATS[0].read_bytes()
    for number in range(72):
        place = tmp_path / "data" / ("train" if number % 2 else "valid") / f"class {number // 2:02}"
        place.mkdir(parents=True)
        (place / f"{number}.png").write_bytes(content + bytes([number]))
    train = ("--epochs", 1, "--optimizer", "sgd", "--lr", 1, "--cache-dir", "c")
    assert cli("train", "data", *train).status == 0
    options = ("--format", "jsonl")
    cached = cli("predict", "data", *options, "--cache-dir", "c")
    assert cached.out.count("\n") == 72
    assert cli("predict", "data", *options, "--no-cache").out == cached.out
    last = cached.out.splitlines()[-1]
    assert cli("predict", json.loads(last)["path"], *options, "--no-cache").out.strip() == last


@pytest.mark.slow
def test_a_folder_in_chunks_is_printed_in_order_and_makes_one_shard(
    cli: Cli, model: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (SAMPLE / "valid" / "cats" / CATS[0].name).read_bytes()
    for number in range(60):
        (tmp_path / f"{number:02}.jpg").write_bytes(content + bytes([number]))
    (tmp_path / "30.jpg").write_bytes(b"")
    opened: list[Path] = []

    def count(index_path: Path, *facts: Any) -> Shard:
        opened.append(index_path)
        return read_shard(index_path, *facts)

    monkeypatch.setattr("catdog.features.store.read_shard", count)
    monkeypatch.setattr("catdog.inference.arrivals._SECONDS", 1e-6)  # chunks that do not grow
    monkeypatch.setattr("catdog.features.writer._SHARD_SECONDS", 1e9)
    first, second = (
        cli("predict", tmp_path, "--format", "jsonl", "--cache-dir", ".cache", *model) for _ in range(2)
    )
    rows = [json.loads(line) for line in first.out.splitlines()]
    assert [Path(row["path"]).name for row in rows] == [f"{number:02}.jpg" for number in range(60)]
    assert [row["error"] is None for row in rows] == [number != 30 for number in range(60)]
    assert (first.status, second.status) == (1, 1)
    assert second.out == first.out
    assert len(opened) == len(list((tmp_path / ".cache").rglob("*.index.npy"))) == 1
    assert first.err.count("Loading the network") == 1


def test_rows_have_the_probability_of_every_class(cli: Cli, model: tuple[str, str]) -> None:
    result = cli("predict", CATS[0], CATS[1], "--format", "jsonl", *model)
    for line in result.out.splitlines():
        row = json.loads(line)
        assert row["probabilities"].keys() == {"cats", "dogs"}
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert row["probabilities"][row["label"]] == row["probability"]
    table = list(csv.DictReader(io.StringIO(cli("predict", CATS[0], "--format", "csv", *model).out)))
    assert float(table[0][f"probability of {table[0]['label']}"]) == float(table[0]["probability"])


def test_below_the_threshold_the_label_is_unsure(cli: Cli, model: tuple[str, str]) -> None:
    surest = cli("predict", CATS[0], "--threshold", 1, *model)
    assert surest.status == 0
    assert ": unsure: cats" in surest.out
    rows = json.loads(cli("predict", CATS[0], "--threshold", 1, "--format", "json", *model).out)
    assert rows[0]["label"] == "unsure"
    assert rows[0]["top"][0]["label"] == "cats"
    assert "unsure" not in cli("predict", CATS[0], "--threshold", 0.5, *model).out
    assert cli("predict", CATS[0], "--threshold", 1.1, *model).status == 2


def test_sorting_copies_and_can_be_repeated(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    contents = {CATS[0].read_bytes(), CATS[0].read_bytes() + b"another file"}
    for number, content in enumerate(contents):
        (photos / str(number)).mkdir(parents=True)
        (photos / str(number) / "same name.png").write_bytes(content)
    (photos / "broken.png").write_bytes(b"no photo")
    before = files_below(photos)
    for _ in range(2):
        assert cli("predict", photos, "--sort-into", "sorted", *model).status == 1  # one cannot be read
        assert files_below(photos) == before
        found = files_below(tmp_path / "sorted")
        names = {path.relative_to(tmp_path / "sorted").as_posix() for path in found}
        assert names == {"cats/same name.png", "cats/same name-2.png"}
        assert set(found.values()) == contents


def test_sorting_never_overwrites(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    place = tmp_path / "sorted" / "cats"
    place.mkdir(parents=True)
    (place / CATS[0].name).write_text("somebody's")
    (place / f"{CATS[0].stem}-2{CATS[0].suffix}").symlink_to("nowhere")
    assert cli("predict", CATS[0], "--sort-into", "sorted", *model).status == 0
    assert (place / CATS[0].name).read_text() == "somebody's"
    assert os.readlink(place / f"{CATS[0].stem}-2{CATS[0].suffix}") == "nowhere"
    assert (place / f"{CATS[0].stem}-3{CATS[0].suffix}").read_bytes() == CATS[0].read_bytes()


def test_sorting_by_links(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    copy(CATS[0], tmp_path / "cat.png")
    for _ in range(2):
        options = ("--sort-into", "sorted", "--link", "--threshold", 1)
        assert cli("predict", "cat.png", *options, *model).status == 0
        (link,) = (tmp_path / "sorted" / "unsure").iterdir()
        assert link.is_symlink()
        assert link.resolve() == tmp_path / "cat.png"


def test_a_place_that_cannot_be_written(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "sorted").write_text("a file")
    result = cli("predict", CATS[0], "--sort-into", "sorted/below", *model)
    assert result.status == 1
    assert "expected to write photos into sorted/below: Not a directory. Give --sort-into" in result.err


@pytest.mark.parametrize(
    "options",
    [
        ["--link", str(CATS[0])],
        ["--stdin-image", str(CATS[0])],
        ["--stdin-image", "--sort-into", "sorted"],
        ["--stdin-image", "--random", "1"],
        [],
    ],
)
def test_options_that_do_not_go_together(cli: Cli, options: list[str]) -> None:
    assert cli("predict", *options).status == 2


@pytest.mark.slow
def test_without_a_run_the_model_in_the_package_predicts(cli: Cli) -> None:
    result = cli("predict", PHOTOS)
    assert result.status == 0
    assert "no trained run under runs: using the model in the package, cats and dogs" in result.err
    labels = {Path(line.partition(": ")[0]).name: line.split()[-2] for line in result.out.splitlines()}
    assert labels == {
        "Abyssinian_14.jpg": "cats",
        "Bombay_156.jpg": "cats",
        "Maine_Coon_143.jpg": "cats",
        "Russian_Blue_101.jpg": "cats",
        "american_bulldog_106.jpg": "dogs",
        "boxer_144.jpg": "dogs",
        "german_shorthaired_151.jpg": "dogs",
        "leonberger_106.jpg": "dogs",
        "pug_139.jpg": "dogs",
        "scottish_terrier_163.jpg": "dogs",
    }
