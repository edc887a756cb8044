"""One command in two processes of two devices: the same numbers, stopped together, no death unseen."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from shutil import copytree

import pytest
from numpy.testing import assert_array_equal

import catdog
from catdog.errors import OptionError
from catdog.escapes import json_text
from catdog.evaluation.evaluate import evaluate
from catdog.hosts import Place, find_place
from catdog.runs import Run
from tests.conftest import ROOT
from tests.model.rounding import relative_error
from tests.process import places_of
from tests.workspaces import two_workers

_TOLERANCE = 1e-5  # of the largest value, see test_many_devices
# No head is fitted first: L-BFGS ends at a tolerance far above rounding. The steps of SGD are as exact
# as the gradients; Adam takes a step of full length where a gradient is nothing but rounding.
FINE = ("--unfreeze", "block5", "--head", "fc", "--fc-units", 8, "--optimizer", "sgd")
FINE = (*FINE, "--size", 32, "--epochs", 1, "--batch-size", 10)
# The command line, with photos that are smaller than a person may ask for, and chunks of one batch.
_PROGRAM = """
from catdog.training import step
from catdog.cli import main
from tests.training.whole import tiny_photos
step._CHUNK_BYTES = 1
with tiny_photos():
    main()
"""
# Before it: in one process, the call of that number takes long, as where a disk stands still.
_STALLED = """
import os, time
from {module} import {owner}
calls = []
def late(*words, now={owner}.{name}):
    calls.append(words)
    if (os.environ["CATDOG_PROCESS_ID"], len(calls)) == ("{process}", {call}):
        time.sleep({seconds})
        os.write(2, b"It stood still\\n")
    return now(*words)
{owner}.{name} = late
"""
_STALL = "CATDOG_TEST_STALL"  # its seconds, such as 45; there is no such test without it
SRUN = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "SLURM_JOB_ID": "7"}
MPIRUN = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}
TORCHRUN = {"WORLD_SIZE": "8", "RANK": "5", "MASTER_ADDR": "node1", "MASTER_PORT": "29500"}
KUBERNETES = {"JOB_COMPLETION_INDEX": "2"}


@pytest.mark.parametrize(
    ("environment", "options", "expected"),
    [
        ({}, {}, None),
        ({}, {"coordinator": "a:1", "processes": 3, "process": 2}, Place("a:1", 3, 2)),
        ({}, {"coordinator": "a:1", "processes": 1, "process": 0}, None),
        ({}, {"coordinator": "auto"}, Place(None, None, None)),
        (SRUN, {}, Place(None, 4, 3, "slurm")),
        (SRUN, {"coordinator": "a:1"}, Place("a:1", 4, 3)),
        (SRUN | {"SLURM_STEP_NUM_TASKS": "1"}, {}, None),
        (SRUN, {"processes": 1}, None),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, {}, None),  # the script of a job, without srun
        (MPIRUN | {"OMPI_MCA_orte_hnp_uri": "4096.0;tcp://10.0.0.1:3"}, {}, Place(None, 2, 1, "ompi")),
        (MPIRUN, {"coordinator": "a:1"}, Place("a:1", 2, 1)),
        (TORCHRUN, {}, Place("node1:29500", 8, 5)),
        (TORCHRUN | {"TORCHELASTIC_USE_AGENT_STORE": "True"}, {}, Place("node1:29501", 8, 5)),
        (TORCHRUN | {"LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}, {}, Place("node1:29500", 8, 5, device=1)),
        (
            MPIRUN | {"OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
            {"coordinator": "a:1"},
            Place("a:1", 2, 1, device=1),
        ),
        (TORCHRUN | {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}, {}, Place("node1:29500", 8, 5)),
        (TORCHRUN | {"WORLD_SIZE": "many"}, {}, None),
        (SRUN | TORCHRUN, {}, Place("node1:29500", 8, 5)),  # srun torchrun: a task starts several processes
        (SRUN | MPIRUN, {"coordinator": "a:1"}, Place("a:1", 2, 1)),
        (KUBERNETES, {"coordinator": "job-0.job:1", "processes": 4}, Place("job-0.job:1", 4, 2)),
        (KUBERNETES, {}, None),
        ({"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"}, {}, Place(None, None, None, "gketpu")),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, {}, None),
    ],
)
def test_launchers_are_recognized(
    environment: Mapping[str, str], options: dict[str, object], expected: Place | None
) -> None:
    assert find_place(environment, **options) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("environment", "options", "expected"),
    [
        ({}, {"processes": 2, "process": 0}, "found None, 2 and 0"),
        ({}, {"coordinator": "a:1"}, "--processes N and --process-id I"),
        (MPIRUN, {}, "found None, 2 and 1. With --processes 1 this process works alone."),
        ({}, {"coordinator": "a:1", "processes": 2, "process": 2}, "from 0 to 1, found 2"),
    ],
)
def test_what_is_missing_is_named(
    environment: Mapping[str, str], options: dict[str, object], expected: str
) -> None:
    with pytest.raises(OptionError, match=expected):
        find_place(environment, **options)  # type: ignore[arg-type]


def _command(*arguments: object, name: str = "train", before: str = "") -> list[str]:
    return [sys.executable, "-W", "error", "-c", before + _PROGRAM, name, *map(str, arguments)]


def _environment(cache: Path) -> dict[str, str]:
    """With a cache for features, but the programs that other tests have compiled."""
    programs = {"JAX_COMPILATION_CACHE_DIR": f"{os.environ['CATDOG_CACHE_DIR']}/compiled"}
    programs |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return os.environ | programs | {"CATDOG_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}


def _train_alone(folder: Path, *arguments: object) -> None:
    """In one process, with one device."""
    environment = _environment(folder / "cache")
    subprocess.run(_command(*arguments), cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


class _Pair:
    """Two processes of one command; `elsewhere` is the second one's folder, if it is another."""

    def __init__(
        self,
        folder: Path,
        *arguments: object,
        command: str = "train",
        caches: str = "cache",
        second: tuple[object, ...] = (),
        elsewhere: Path | None = None,
        before: str = "",
    ):
        self._texts = ["", ""]
        self.processes = [
            subprocess.Popen(
                _command(*arguments, *(second if number else ()), name=command, before=before),
                cwd=(number and elsewhere) or folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=_environment(folder / caches.format(number)) | place | {"PYTHONUNBUFFERED": "1"},
            )
            for number, place in enumerate(places_of(2))
        ]

    def wait_for(self, number: int, line: str) -> None:
        """Until this process prints such a line: on stdout the first, on stderr the second."""
        process = self.processes[number]
        stream = process.stderr if number else process.stdout
        assert stream
        for text in stream:
            self._texts[number] += text
            if line in text:
                return
        raise AssertionError(f"{line!r} is not in {self._texts[number]}")

    def finish(self, *, patience: float = 120.0) -> tuple[list[int], list[str], list[str]]:
        """Status, stdout and stderr of both."""
        outputs = []
        try:
            outputs = [process.communicate(timeout=patience) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()
        statuses = [process.returncode for process in self.processes]
        return (
            statuses,
            [self._texts[0] + outputs[0][0], outputs[1][0]],
            [outputs[0][1], self._texts[1] + outputs[1][1]],
        )


def _assert_close(run: Run, other: Run) -> None:
    state, others = (found.read_state() or ({}, {}) for found in (run, other))
    for name, value in state[0].items():
        assert relative_error(others[0][name], value) < _TOLERANCE
    for first, second in zip(run.history(), other.history(), strict=True):
        assert first.val_loss == pytest.approx(second.val_loss, rel=_TOLERANCE)
        assert first.loss == pytest.approx(second.loss, rel=_TOLERANCE)


@pytest.mark.slow
def test_two_processes_train_what_one_trains_and_stop_at_the_same_step(shapes: Path, tmp_path: Path) -> None:
    # Each process has a cache of its own: features are exchanged.
    statuses, out, err = _Pair(tmp_path, shapes, "--name", "two", *FINE, caches="cache{}").finish()
    assert statuses == [0, 0], err
    assert "Epoch 1/1\n" in out[0]
    assert "[Gloo]" not in out[0]
    # Connected where all have just met: a process whose disk is slow may come half a minute later.
    assert err[0].rindex("[Gloo]") < err[0].index("Loading the network")
    assert out[1] == ""
    assert "[1] Computing features: 29/29 photos" in err[1].splitlines()
    assert all(line.startswith("[1] ") for line in err[1].splitlines())
    two = Run(tmp_path / "runs" / "two")
    assert two.config.device == "4 × cpu"

    _train_alone(tmp_path, shapes, "--name", "one", *FINE)
    _assert_close(Run(tmp_path / "runs" / "one"), two)

    # The second gets the signal alone; both find the features of the first training.
    pair = _Pair(tmp_path, shapes, "--name", "stopped", *FINE)
    pair.wait_for(0, "Epoch 1/1")
    pair.processes[1].send_signal(signal.SIGTERM)
    statuses, _, err = pair.finish()
    assert statuses == [75, 75], err
    assert "Everything so far is saved, with 0 of 1 whole epochs" in err[0]
    stopped = Run(tmp_path / "runs" / "stopped")
    state = stopped.read_state()
    assert state and state[1]["epoch"] == 0
    assert state[1]["photos"] in (10, 20, 30, 40)
    copytree(stopped.folder, tmp_path / "runs" / "alone")

    # Process 0 alone has the run.
    (elsewhere := tmp_path / "elsewhere").mkdir()
    statuses, _, err = _Pair(tmp_path, "--resume", "stopped", elsewhere=elsewhere).finish()
    assert statuses == [0, 0], err
    assert stopped.model_path.read_bytes() == two.model_path.read_bytes()
    for name, value in (two.read_state() or ({}, {}))[0].items():
        assert_array_equal((stopped.read_state() or ({}, {}))[0][name], value)
    _train_alone(tmp_path, "--resume", "alone")
    _assert_close(Run(tmp_path / "runs" / "alone"), two)
    _evaluate_and_predict(shapes, tmp_path, two)


def _evaluate_and_predict(shapes: Path, folder: Path, run: Run) -> None:
    """Two processes give what one gives; each has a cache of its own."""
    workspace = two_workers(folder / "cache")
    alone = json.loads(json.dumps(evaluate([run], None, None, workspace).to_json(worst=5)))
    command = ("two", "--json", "--report", "page.html")
    statuses, out, err = _Pair(folder, *command, command="evaluate", caches="cache{}").finish()
    assert (statuses, out[1]) == ([0, 0], ""), err
    both = json.loads(out[0])
    assert (both["right"], both["confusion"]) == (alone["right"], alone["confusion"])
    assert both["loss"] == pytest.approx(alone["loss"], rel=_TOLERANCE)
    assert (folder / "page.html").is_file()

    (broken := folder / "broken.jpg").write_bytes(b"no photo")
    expected = catdog.load(run.folder, cache_dir=folder / "cache").predict(
        [*sorted((shapes / "valid").rglob("*.png")), broken]
    )
    command = (folder, shapes / "valid", broken, "--model", "two", "--format", "jsonl")
    statuses, out, err = _Pair(*command, command="predict", caches="cache{}").finish()
    assert (statuses, out[1]) == ([1, 1], ""), err
    rows = list(map(json.loads, out[0].splitlines()))
    assert [row["path"] for row in rows] == [found.path for found in expected]
    assert [row["error"] for row in rows] == [found.error for found in expected]
    for row, found in zip(rows, expected, strict=True):
        assert row["probabilities"] == pytest.approx(found.probabilities, abs=_TOLERANCE)

    options = ("--unordered", "--out", "rows.jsonl")
    statuses, out, err = _Pair(*command, *options, command="predict", caches="cache{}").finish()
    assert (statuses, out) == ([1, 1], ["", ""]), err
    parts = [
        (folder / f"rows-0000{number}-of-00002.jsonl").read_text("utf-8").splitlines() for number in (0, 1)
    ]
    assert [len(part) for part in parts] == [9, 8]
    assert sorted(line for part in parts for line in part) == sorted(map(json_text, rows))


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_death_ends_the_others_within_seconds(shapes: Path, tmp_path: Path, victim: int) -> None:
    pair = _Pair(tmp_path, shapes, "--name", "killed", "--size", 128)
    pair.wait_for(1, "Loading the network")
    pair.processes[victim].kill()
    began = time.monotonic()
    statuses, _, err = pair.finish()
    assert time.monotonic() - began < 15
    assert statuses[victim] == -signal.SIGKILL
    assert statuses[1 - victim] == 1, err
    last = err[1 - victim].splitlines()[-1]
    assert re.fullmatch(r"(\[1\] )?catdog: error: another process has died or cannot be reached, .*", last)


@pytest.mark.slow
def test_what_differs_between_the_processes_is_named(shapes: Path, tmp_path: Path) -> None:
    pair = _Pair(tmp_path, shapes, "--name", "both", "--size", 96, second=("--seed", 5))
    statuses, _, err = pair.finish()
    assert statuses == [1, 1]
    sentence = "all processes need the same seed: process 0 has 0, process 1 has 5"
    assert all(sentence in text for text in err), err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.skipif(_STALL not in os.environ, reason=f"{_STALL}=45 takes minutes")
@pytest.mark.parametrize(
    ("call", "number", "process", "caches"),
    [
        ("catdog.features.features.Features.gather", 1, 1, "cache{}"),  # for the other process
        ("catdog.features.features.Features.gather", 6, 0, "cache"),  # in the epoch
        ("catdog.runs.Run.write_state", 1, 0, "cache"),
        ("catdog.runs.Run.best_epoch", 1, 0, "cache"),  # when the other one is about to end
    ],
)
def test_a_disk_that_stands_still_ends_nothing(
    shapes: Path, tmp_path: Path, call: str, number: int, process: int, caches: str
) -> None:
    module, owner, name = call.rsplit(".", 2)
    facts = {"module": module, "owner": owner, "name": name, "process": process, "call": number}
    before = _STALLED.format(**facts, seconds=os.environ[_STALL])
    pair = _Pair(tmp_path, shapes, "--name", "late", *FINE, caches=caches, before=before)
    statuses, _, err = pair.finish(patience=1200)
    assert statuses == [0, 0], err
    assert "It stood still" in err[process]
