"""Every form of input and of output of `catdog predict`, typed into a real shell."""

import csv
import io
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copy, copytree
from threading import Thread

import pytest

from tests.cli.conftest import SAMPLE

pytestmark = pytest.mark.slow

CATDOG = f"{shlex.quote(sys.executable)} -W error -m catdog"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo, a file that is none, and a folder of two photos below another."""
    root = tmp_path_factory.mktemp("shell")
    copy(SAMPLE / "photos" / "Abyssinian_14.jpg", root / "a cat.jpg")
    (root / "no photo.jpg").write_text("no photo")
    (root / "more" / "below").mkdir(parents=True)
    copy(SAMPLE / "photos" / "pug_139.jpg", root / "more" / "below" / "dog.jpg")
    copy(SAMPLE / "photos" / "Bombay_156.jpg", root / "more" / "wool.jpg")
    return root


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(place))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/a%20cat.jpg"
        server.shutdown()


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("catdog ", f"{CATDOG} ")],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("catdog predict 'a cat.jpg' more/wool.jpg", ["a cat.jpg", "more/wool.jpg"]),
        ("catdog predict -r more", ["more/wool.jpg", "more/below/dog.jpg"]),
        ("catdog predict *.jpg", ["a cat.jpg", "no photo.jpg"]),
        ("catdog predict 'more/**/*.jpg'", ["more/below/dog.jpg", "more/wool.jpg"]),
        ("printf 'a cat.jpg\\nmore/wool.jpg' | catdog predict -", ["a cat.jpg", "more/wool.jpg"]),
        ("find more -name '*.jpg' -print0 | catdog predict -", ["more/below/dog.jpg", "more/wool.jpg"]),
        ("cat 'a cat.jpg' | catdog predict --stdin-image", ["-"]),
        ("catdog predict --allow-private-urls $ADDRESS", ["$ADDRESS"]),
    ],
)
def test_each_input(line: str, paths: list[str], place: Path, address: str) -> None:
    result = shell(f"{line.replace('$ADDRESS', address)} --format jsonl", place)
    rows = [json.loads(row) for row in result.stdout.splitlines()]
    assert sorted(row["path"] for row in rows) == sorted(path.replace("$ADDRESS", address) for path in paths)
    for row in rows:
        broken = row["path"].startswith("no photo")
        assert bool(row["error"]) == broken
        assert row["label"] == (None if broken else "dogs" if "dog" in row["path"] else "cats")
    assert result.returncode == any(row["error"] for row in rows), result.stderr


@pytest.mark.parametrize("form", ["text", "json", "jsonl", "csv"])
def test_each_output_of_all_inputs_at_once(form: str, place: Path, address: str) -> None:
    inputs = f"'a cat.jpg' more/below 'more/w*.jpg' {address} - 'no photo.jpg' missing.jpg"
    line = f"echo 'more/wool.jpg' | catdog predict {inputs} --allow-private-urls --format {form}"
    result = shell(line, place)
    assert result.returncode == 1
    expected = [
        ("a cat.jpg", "cats"),
        ("more/below/dog.jpg", "dogs"),
        ("more/wool.jpg", "cats"),
        (address, "cats"),
        ("more/wool.jpg", "cats"),
        ("no photo.jpg", None),
        ("missing.jpg", None),
    ]
    if form == "text":
        for row, (path, label) in zip(result.stdout.splitlines(), expected, strict=True):
            assert row.startswith(f"{path}: {label or ''}")
            assert row.endswith("%") == bool(label)
        return
    if form == "csv":
        assert "\r\n" in result.stdout or result.stdout.count("\n") == 8
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert list(rows[0]) == [
            "path",
            "label",
            "probability",
            "probability of cats",
            "probability of dogs",
            "calibrated",
            "error",
        ]
        probabilities = [(row["probability of cats"], row["probability of dogs"]) for row in rows]
    else:
        lines = result.stdout.splitlines()
        rows = json.loads(result.stdout) if form == "json" else [json.loads(line) for line in lines]
        probabilities = [tuple(row["probabilities"].values()) for row in rows]
    assert [(row["path"], row["label"] or None) for row in rows] == expected
    for row, of_classes, (_, label) in zip(rows, probabilities, expected, strict=True):
        assert str(row["calibrated"]).lower() == "true"
        assert bool(row["error"]) == (label is None)
        if label:
            assert sum(map(float, of_classes)) == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
def test_copies_links_and_saved_photos(place: Path, tmp_path: Path) -> None:
    photos = copytree(place, tmp_path / "photos")
    options = "--sort-into ../sorted --save ../saved --why --threshold 0.6 --top-k 2"
    line = f"catdog predict 'a cat.jpg' more {options}"
    for _ in range(2):
        result = shell(line, photos)
        assert result.returncode == 0, result.stderr
    copies = [str(path.relative_to(tmp_path / "sorted")) for path in (tmp_path / "sorted").rglob("*.jpg")]
    assert len(copies) == 3
    assert "cats/a cat.jpg" in copies
    assert len(list((tmp_path / "saved").rglob("*.jpg"))) == 3
    linked = shell("catdog predict more --sort-into ../links --link", photos)
    assert linked.returncode == 0
    assert all(path.is_symlink() for path in (tmp_path / "links").rglob("*.jpg"))
