"""kill -9 or SIGTERM at any moment, then --resume: the same bytes in model.safetensors as without it.

CATDOG_TEST_KILLS=50 is the number for each training, instead of those of the table. Without it, the training
in two processes, which takes longest, is left to tests/test_two_processes.py.
"""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree

import pytest

from catdog import interrupt
from tests.pictures import draw_pictures
from tests.process import places_of

_AT_ONCE = 2  # trainings at the same time, each in a folder of its own
_PATIENCE = 600  # seconds until a process has ended, on a machine that has much else to do
_COLD = 1  # of the kills of a training, those that are in its first seconds, with features to compute
_KILLS = "CATDOG_TEST_KILLS"
_SEED = "CATDOG_TEST_KILL_SEED"  # the environment variable that repeats the moments of a run that failed

_USUAL = {"CATDOG_HEARTBEAT_SECONDS": "10", "JAX_NUM_CPU_DEVICES": "1"}  # of each process
# Training → processes, kills, epochs and options.
_TRAININGS = {
    "dropout and momenta": (1, 4, 120, "--head fc --fc-units 32 --batch-size 8 --seed 3 --views 1"),
    "fine-tuning": (1, 2, 3, "--unfreeze block5 --size 96 --views 1 --schedule one-cycle --mixup 0.2"),
    "several labels": (1, 2, 40, "--output labels --labels {data}/labels.csv --folds 4 --size 96"),
    "two processes": (2, 0, 2, "--unfreeze block5 --size 96 --batch-size 4 --optimizer adam"),
}


class _Place:
    """A folder with a cache of its own, in which one training runs."""

    def __init__(self, folder: Path, data: Path, options: str, processes: int):
        self.folder, self._processes = folder, processes
        self._new = [str(data), "--name", "killed", *options.format(data=data).split()]
        self._environment = os.environ | {"CATDOG_CACHE_DIR": str(folder / "cache")}

    @property
    def model(self) -> Path:
        return self.folder / "runs" / "killed" / "model.safetensors"

    def epochs(self) -> int:
        """How many are in the log."""
        history = self.model.parent / "history.jsonl"
        return len(history.read_text().splitlines()) if history.exists() else 0

    def start(self) -> list[subprocess.Popen[str]]:
        """Start, or resume the run if there is one."""
        run = self.model.parent
        target = ["--resume", str(run)] if run.exists() else self._new
        return [
            subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "catdog", "train", *target],
                cwd=self.folder,
                env=self._environment | place | _USUAL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for place in (places_of(self._processes) if self._processes > 1 else [{}])
        ]

    def finish(self) -> bytes:
        """Run to the end; returns the model's bytes."""
        for process in self.start():
            _, err = process.communicate(timeout=_PATIENCE)
            # A kill in the last moment leaves a finished run: the error reports that, and nothing is damaged.
            assert process.returncode == 0 or "has finished" in err, err
        return self.model.read_bytes()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    draw_pictures(root / "train", {"circles": 8, "squares": 8}, seed=1)
    draw_pictures(root / "valid", {"circles": 4, "squares": 4}, seed=2)
    rows = [
        f"{path.relative_to(root)},{path.parent.name}{';first' * (number % 3 == 0)}"
        for number, path in enumerate(sorted(root.rglob("*.png")))
    ]
    (root / "labels.csv").write_text("\n".join(["path,labels", *rows]))
    return root


def _moments(seed: int, count: int) -> list[tuple[float, signal.Signals, float]]:
    """When each training is killed, as a part of its time; by which signal; and which process, as a part.

    The same for the same seed, whoever asks first.
    """
    moments = random.Random(seed)
    kinds = (signal.SIGKILL, signal.SIGTERM)
    return [(moments.random(), moments.choice(kinds), moments.random()) for _ in range(count)]


def test_a_seed_draws_the_same_moments_again() -> None:
    assert _moments(5, 20) == _moments(5, 20) != _moments(6, 20)
    assert len(set(_moments(5, 20))) == 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "training", [name for name, (_, kills, *_) in _TRAININGS.items() if kills or _KILLS in os.environ]
)
def test_kill_and_resume_gives_the_same_bytes(data: Path, tmp_path: Path, training: str) -> None:
    processes, kills, epochs, options = _TRAININGS[training]
    kills = int(os.environ.get(_KILLS) or kills)
    seed = int(os.environ.get(_SEED) or random.SystemRandom().getrandbits(32))
    again = f"{_SEED}={seed} draws these moments again"
    print(again, flush=True)

    def place(name: str, *, cold: bool) -> _Place:
        """A new folder, with the features of the first training unless it is cold."""
        folder = tmp_path / name
        folder.mkdir()
        if not cold:
            copytree(tmp_path / "first" / "cache", folder / "cache")
        return _Place(folder, data, f"--epochs {epochs} {options}", processes)

    def finished(name: str, *, cold: bool) -> tuple[bytes, float]:
        began = time.monotonic()
        return place(name, cold=cold).finish(), time.monotonic() - began

    expected, cold_seconds = finished("first", cold=True)
    content, warm_seconds = finished("second", cold=False)
    assert content == expected, "the same training twice must give the same bytes"
    moments = _moments(seed, kills)

    def kill(number: int) -> str:
        """Kill a training and let it finish; returns where it was killed."""
        cold = number < _COLD
        killed = place(str(number), cold=cold)
        started = killed.start()
        moment, kind, part = moments[number]
        victim = started[int(part * processes)]
        # Before they are connected, a process waits for the others for minutes.
        while processes > 1 and not killed.model.parent.exists():
            time.sleep(0.01)
        if cold:
            time.sleep(0.2 + moment * (cold_seconds - 0.2) / processes)
        else:  # somewhere in an epoch
            before, part = divmod(moment * epochs, 1)
            while killed.epochs() < before and victim.poll() is None:
                time.sleep(0.001)
            time.sleep(part * (warm_seconds / epochs))
        victim.send_signal(kind)
        for process in started:  # the others end by themselves
            _, err = process.communicate(timeout=_PATIENCE)
            assert process is victim or process.returncode in (0, 1, interrupt.PREEMPTED), err
        assert kind == signal.SIGKILL or victim.returncode in (0, interrupt.PREEMPTED, -signal.SIGTERM)
        where = f"{kind.name} {'cold' if cold else 'warm'} {moment:.3f}, epoch {killed.epochs()}"
        assert killed.finish() == expected, f"{where}; {again}"
        return where

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, where in enumerate(pool.map(kill, range(kills)), start=1):
            print(f"kill {number}/{kills}: {where}", flush=True)
