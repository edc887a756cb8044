"""`catdog train`: the log, the run folder, all layouts, what is refused, resuming."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copy, copytree

import pytest

from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli, files_below
from tests.model.rounding import relative_error
from tests.pictures import draw_pictures
from tests.process import catdog

EPOCH = re.compile(
    r"(\d+)/\1 \[={30}\] - \d+s - loss: \d+\.\d{4} - acc: [01]\.\d{4}"
    r" - val_loss: \d+\.\d{4} - val_acc: [01]\.\d{4}"
)


@pytest.mark.slow
def test_the_log_reads_as_in_the_lecture(cli: Cli, shapes: Path, tmp_path: Path) -> None:
    result = cli("train", shapes, "--epochs", 2, "--optimizer", "adam")
    assert result.status == 0
    lines = result.out.splitlines()
    assert lines[:2] == ["Found 48 images belonging to 2 classes.", "Found 16 images belonging to 2 classes."]
    assert [lines[2], lines[4]] == ["Epoch 1/2", "Epoch 2/2"]
    for line in (lines[3], lines[5]):
        assert EPOCH.fullmatch(line)
        assert line.startswith("48/48 ")
    best = min(Run(tmp_path / "runs" / shapes.name).history(), key=lambda record: record.val_loss)
    folder = f"runs/{shapes.name}"
    assert lines[6:] == [
        f"The best checkpoint (epoch {best.epoch}, lowest validation loss) is kept in "
        f"{folder}/model.safetensors: val_loss {best.val_loss:.4f}, val_acc {best.val_acc:.4f}",
        f"Classify photos:  catdog predict PHOTO --model {folder}",
        f"Evaluate the run: catdog evaluate {folder} --report report.html",
    ]


@pytest.mark.slow
def test_the_two_commands_at_the_end_run_as_they_stand(cli: Cli, shapes: Path, tmp_path: Path) -> None:
    result = cli("train", shapes, "--epochs", 1, "--name", "with spaces")
    predict, evaluate = (line.split(":", 1)[1] for line in result.out.splitlines()[-2:])
    photo = next((shapes / "valid").rglob("*.png"))
    assert cli(*shlex.split(predict.replace("PHOTO", shlex.quote(str(photo))))[1:]).status == 0
    assert cli(*shlex.split(evaluate)[1:]).status == 0
    assert "</html>" in (tmp_path / "report.html").read_text("utf-8")


def test_the_run_folder_holds_what_the_run_is(trained: Run) -> None:
    names = {str(path.relative_to(trained.folder)) for path in trained.folder.rglob("*")}
    assert names == {
        "config.json",
        "model.safetensors",
        "history.jsonl",
        "split.json",
        "skipped.jsonl",
        "cross_validation.json",
        "resume",
        "resume/state.safetensors",
        "resume/lock",
    }
    config = trained.config
    assert config.classes == ("cats", "dogs")
    assert config.options.data == str(SAMPLE)
    assert config.versions.keys() >= {"catdog", "python", "jax", "jaxlib", "flax", "optax"}
    history = trained.history()
    assert [record.epoch for record in history] == list(range(1, config.options.epochs + 1))
    tensors, saved = trained.read_model()
    assert saved.classes == ("cats", "dogs")
    assert saved.epoch == len(history)  # the head is fitted to the end
    assert tensors.keys() == {"predictions/kernel", "predictions/bias", "rescale/scale"}
    assert tensors["predictions/kernel"].shape == (512, 2)
    assert {split: len(digests) for split, digests in trained.split().items()} == {"train": 120, "valid": 60}
    assert trained.model_path.stat().st_size < 12_000  # a head is some kilobytes


def test_it_learns_the_sample_and_touches_no_photo(cli: Cli, tmp_path: Path, trained: Run) -> None:
    before = files_below(SAMPLE)
    result = cli("train", SAMPLE)
    assert result.status == 0
    assert files_below(SAMPLE) == before
    assert (Run(tmp_path / "runs" / "sample_data").history()[-1].val_acc or 0) > 0.9


def test_a_second_training_computes_no_features(cli: Cli, trained: Run) -> None:
    result = cli("train", SAMPLE, "--epochs", 1, "--optimizer", "nag", "--head", "fc", "--fc-units", 8)
    assert result.status == 0
    assert "features" not in result.err


def test_the_seed_makes_it_repeatable(cli: Cli, trained: Run, tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert (
            cli("train", SAMPLE, "--epochs", 2, "--optimizer", "adam", "--seed", seed, "--name", name).status
            == 0
        )
    contents = [Run(tmp_path / "runs" / name).model_path.read_bytes() for name in "abc"]
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.slow
def test_one_folder_a_class_is_split_by_content(cli: Cli, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "photos", {"circles": 20, "squares": 20, "stripes": 20})
    result = cli("train", "photos", "--folds", 0)
    assert result.status == 0
    found = [int(line.split()[1]) for line in result.out.splitlines()[:2]]
    assert sum(found) == 60
    assert "belonging to 3 classes" in result.out
    run = Run(tmp_path / "runs" / "photos")
    assert (run.history()[-1].val_acc or 0) > 0.7
    split = run.split()
    assert not split["train"] & split["valid"]
    predictions = cli("predict", "photos/stripes", "--format", "json")
    labels = [row["label"] for row in json.loads(predictions.out)]
    assert labels.count("stripes") >= 16


@pytest.mark.slow
def test_kaggles_flat_names(cli: Cli, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "drawn", {"circles": 10, "squares": 10})
    (tmp_path / "kaggle" / "train").mkdir(parents=True)
    for path in (tmp_path / "drawn").rglob("*.png"):
        copy(path, tmp_path / "kaggle" / "train" / path.name)
    result = cli("train", "kaggle", "--epochs", 1)
    assert result.status == 0
    assert Run(tmp_path / "runs" / "kaggle").config.classes == ("circles", "squares")


def test_bad_photos_are_skipped_counted_and_listed(cli: Cli, shapes: Path, tmp_path: Path) -> None:
    data = copytree(shapes, tmp_path / "data")
    (data / "train" / "circles" / "empty.jpg").write_bytes(b"")
    (data / "valid" / "squares" / "text.jpg").write_text("no photo")
    cut = (data / "train" / "squares" / "squares.3.png").read_bytes()[:-100]
    (data / "train" / "squares" / "cut.png").write_bytes(cut)
    (data / "train" / "squares" / "a folder.jpg").mkdir()
    before = files_below(data)
    result = cli("train", data, "--epochs", 1)
    assert result.status == 0
    assert "3 photos could not be read and were skipped, the first is " in result.err
    assert "All are listed in runs/data/skipped.jsonl" in result.err
    run = Run(tmp_path / "runs" / "data")
    assert {Path(photo.path).name for photo in run.skipped()} == {"empty.jpg", "text.jpg", "cut.png"}
    assert "48/48 [" in result.out
    assert files_below(data) == before

    strict = cli("train", data, "--epochs", 1, "--strict", "--name", "strict")
    assert strict.status == 1
    assert "empty.jpg" in strict.err
    assert "--strict" in strict.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "expected DATA"),
        (("nowhere",), 1, "expected a folder of photos, found nothing at"),
        (("empty",), 1, "found no photos in .*empty"),
        (("single",), 1, "expected training photos of at least two classes in .*, found only 'circles'"),
        (("few",), 1, "expected at least two (validation )?photos"),
        (("bad",), 1, "expected training photos of every class in .*, found only unreadable photos of 2 "),
        (("good", "--fc-units", "8"), 1, "--head fc"),
        (("good", "--dropout", "0.3"), 1, "--head fc"),
        (("strangers",), 1, "only aardvarks, zebras"),
        (("headers",), 1, "expected at least two validation photos"),
        (("good", "--fc-units", "eight", "--head", "fc"), 2, "256 or 512,256"),
        (("good", "--optimizer", "adma"), 2, "adma"),
        (("good", "--weights", "no.safetensors"), 1, "builtin"),
        (("good", "--name", "a/b"), 1, "plain folder name"),
        (("good", "--output", "binary"), 1, "exactly 2 classes"),
        (("good", "--epochs", "0"), 2, "--epochs"),
        (("good", "--lr", "0"), 2, "--lr"),
        (("--resume", "nowhere"), 1, "expected a run or an exported file, found none at nowhere"),
    ],
)
def test_mistakes_get_one_line_that_says_what_to_do(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    draw_pictures(tmp_path / "single", {"circles": 4})
    draw_pictures(tmp_path / "few", {"circles": 1, "squares": 1})
    for label in ("cats", "dogs"):
        (tmp_path / "bad" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "bad" / label / f"{number}.jpg").write_text(f"{label} {number}")
    draw_pictures(tmp_path / "good", {"circles": 3, "squares": 3, "stripes": 3})
    draw_pictures(tmp_path / "strangers" / "train", {"circles": 3, "squares": 3})
    draw_pictures(tmp_path / "strangers" / "valid", {"circles": 3, "squares": 3})
    for old, new in (("circles", "zebras"), ("squares", "aardvarks")):
        (tmp_path / "strangers" / "valid" / old).rename(tmp_path / "strangers" / "valid" / new)
    draw_pictures(tmp_path / "headers" / "train", {"circles": 3, "squares": 3})
    copytree(tmp_path / "bad", tmp_path / "headers" / "valid")
    for old, new in (("cats", "circles"), ("dogs", "squares")):
        (tmp_path / "headers" / "valid" / old).rename(tmp_path / "headers" / "valid" / new)
    result = cli("train", *arguments)
    assert result.status == status
    assert re.search(message, result.err)
    assert "Traceback" not in result.err
    assert not result.err.startswith("catdog: error: expected") or result.err.count("\n") <= 2
    assert "eatures" not in result.err  # before any computation
    assert not list(tmp_path.glob("runs/*"))


def test_a_finished_run_is_extended(cli: Cli, trained: Run, tmp_path: Path) -> None:
    assert cli("train", SAMPLE, "--epochs", 2, "--name", "short").status == 0
    refused = cli("train", "--resume", "runs/short")
    assert refused.status == 1
    assert "--epochs" in refused.err
    longer = cli("train", "--resume", "runs/short", "--epochs", 4)
    assert longer.status == 0
    assert [line for line in longer.out.splitlines() if line.startswith("Epoch")] == [
        "Epoch 3/4",
        "Epoch 4/4",
    ]
    assert cli("train", SAMPLE, "--epochs", 4, "--name", "whole").status == 0
    short, whole = (Run(tmp_path / "runs" / name) for name in ("short", "whole"))
    assert short.model_path.read_bytes() == whole.model_path.read_bytes()
    assert len(short.history()) == 4


def test_a_resumed_run_keeps_its_own_options_and_photos(cli: Cli, shapes: Path, tmp_path: Path) -> None:
    data = copytree(shapes, tmp_path / "data")
    assert cli("train", data, "--epochs", 1).status == 0
    refused = cli("train", "--resume", "runs/data", "--epochs", 2, "--lr", "0.1", "--seed", 3)
    assert (refused.status, "--lr, --seed" in refused.err) == (2, True)
    moved = data.rename(tmp_path / "moved")
    assert cli("train", moved, "--resume", "runs/data", "--epochs", 2).status == 0
    draw_pictures(moved / "train", {"circles": 1}, seed=99)
    changed = cli("train", "--resume", "runs/data", "--epochs", 3)
    assert changed.status == 1
    assert "1 new, 1 missing" in changed.err


@pytest.mark.slow
def test_no_cache_leaves_no_files(shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    result = catdog(
        *("train", shapes, "--epochs", 1, "--no-cache", "--size", 96),
        cwd=tmp_path,
        CATDOG_CACHE_DIR=str(tmp_path / "cache"),
        TMPDIR=str(tmp_path / "temporary"),
    )
    assert result.returncode == 0, result.stderr
    assert "Computing features: 64/64" in result.stderr
    assert not (tmp_path / "cache").exists()
    assert not list((tmp_path / "temporary").iterdir())


def test_binary_output_has_one_sigmoid(cli: Cli, trained: Run, tmp_path: Path) -> None:
    assert cli("train", SAMPLE, "--output", "binary", "--name", "yes-no").status == 0
    run = Run(tmp_path / "runs" / "yes-no")
    assert run.read_model()[0]["predictions/kernel"].shape == (512, 1)
    assert (run.history()[-1].val_acc or 0) > 0.9
    result = cli("evaluate", "--json")
    report = json.loads(result.out)
    assert report["accuracy"] > 0.9
    assert report["loss"] == pytest.approx(run.history()[-1].val_loss, rel=1e-4)


@pytest.mark.parametrize(
    ("number", "status", "sentence"),
    [
        (signal.SIGINT, 130, r"Stopped\. \d+ of 100000 epochs are saved"),
        (signal.SIGTERM, 75, r"Everything so far is saved, with \d+ of 100000 whole epochs"),
    ],
)
def test_a_signal_saves_what_is_done_and_prints_how_to_continue(
    tmp_path: Path, trained: Run, number: int, status: int, sentence: str
) -> None:
    command = [
        sys.executable,
        "-m",
        "catdog",
        "train",
        str(SAMPLE),
        "--epochs",
        "100000",
        "--quality",
        "fast",
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    state = tmp_path / "runs" / "sample_data" / "resume" / "state.safetensors"
    deadline = time.monotonic() + 60
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in err
    assert re.search(rf"{sentence}\. Continue with:\n  catdog train --resume", err)
    assert "catdog train --resume runs/sample_data\n" in err
    run = Run(tmp_path / "runs" / "sample_data")
    done = len(run.history())
    assert done >= 1
    resumed = catdog("train", "--resume", "runs/sample_data", "--epochs", done + 1, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert len(Run(run.folder).history()) in (done + 1, done + 2)


def test_an_output_that_nobody_reads_is_an_error(tmp_path: Path) -> None:
    command, pipe = [sys.executable, "-m", "catdog", "train", str(SAMPLE)], subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == (
            "catdog: error: nobody reads the output of this training any more, so it was stopped: "
            "send it to a file\n"
        )
        assert process.wait() == 1


@pytest.mark.slow
def test_two_trainings_at_once(shapes: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "catdog",
        "train",
        str(shapes),
        "--size",
        "96",
        "--epochs",
        "2",
    ]
    environment = os.environ | {"CATDOG_CACHE_DIR": str(tmp_path / "cache")}
    both = [
        subprocess.Popen(
            [*command, "--name", name],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("first", "second")
    ]
    for process in both:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    first, second = (Run(tmp_path / "runs" / name).read_model()[0] for name in ("first", "second"))
    assert first.keys() == second.keys()
    for name, value in first.items():
        # The same features, seed and steps: only a few roundings may differ.
        assert relative_error(second[name], value) < 1e-6


def test_a_training_that_diverges_is_an_error_and_leaves_no_run(
    cli: Cli, trained: Run, tmp_path: Path
) -> None:
    result = cli("train", SAMPLE, "--optimizer", "sgd", "--lr", "1e38", "--epochs", 3)
    assert result.status == 1
    assert result.err.splitlines()[-1] == (
        "catdog: error: training diverged: the loss is not finite; lower --lr"
    )
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.slow
def test_ctrl_c_at_any_moment_ends_the_training(trained: Run, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "catdog",
        "train",
        str(SAMPLE),
        "--quality",
        "fast",
        "--epochs",
        "1000000",
    ]
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        time.sleep(0.15 + 0.3 * number)
        process.send_signal(signal.SIGINT)
        try:
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()  # one that survived would train for days
        # Before the console script has begun, Python itself dies of the signal.
        assert process.returncode == 130 or (number == 0 and process.returncode == -signal.SIGINT), err
        assert number == 0 or ("Traceback" not in err and "ignored" not in err), err


@pytest.mark.slow
def test_the_command_draws_the_curve_and_makes_no_run(cli: Cli, shapes: Path, tmp_path: Path) -> None:
    result = cli("train", shapes, "--optimizer", "adam", "--size", 96, "--find-lr", "curve.png")
    assert result.status == 0
    assert "Suggested learning rate: --lr " in result.out
    assert result.out.endswith("The losses are drawn in curve.png\n")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "runs").exists()
