"""kill -9 at any moment, then --resume: the same bytes in model.safetensors as without a kill."""

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

from tests.pictures import draw_pictures

KILLS = 12
_AT_ONCE = 2  # trainings at the same time, each in a folder of its own
_COLD = 4  # of the kills, those that also have features to compute
_SEED = "CATDOG_TEST_KILL_SEED"  # the environment variable that repeats the moments of a run that failed

# Many epochs, views, and a head with dropout and momenta: most moments are in the middle of a training.
_OPTIONS = "--epochs 120 --head fc --fc-units 32 --batch-size 8 --seed 3 --views 1".split()


class _Place:
    """A folder with a cache of its own, in which one training runs."""

    def __init__(self, folder: Path, data: Path):
        self.folder = folder
        self._data = data
        self._environment = os.environ | {"CATDOG_CACHE_DIR": str(folder / "cache")}

    @property
    def model(self) -> Path:
        return self.folder / "runs" / "killed" / "model.safetensors"

    def start(self) -> subprocess.Popen[str]:
        """Start, or resume the run if there is one."""
        run = self.model.parent
        target = ["--resume", str(run)] if run.exists() else [str(self._data), "--name", "killed", *_OPTIONS]
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "catdog", "train", *target],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> bytes:
        """Run to the end; returns the model's bytes."""
        process = self.start()
        _, err = process.communicate(timeout=300)
        # A kill in the last moment leaves a finished run: the error reports that, and nothing is damaged.
        assert process.returncode == 0 or "has finished" in err, err
        return self.model.read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes, float, float]:
    """(data, warm cache, the model's bytes, seconds with a cold cache, seconds with a warm one)."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    data = folder / "data"
    draw_pictures(data / "train", {"circles": 8, "squares": 8}, seed=1)
    draw_pictures(data / "valid", {"circles": 4, "squares": 4}, seed=2)
    began = time.monotonic()
    content = _Place(folder, data).finish()
    cold = time.monotonic() - began
    warm = folder / "warm"
    copytree(folder / "cache", warm / "cache")
    began = time.monotonic()
    again = _Place(warm, data).finish()
    assert again == content, "the same training twice must give the same bytes"
    return data, folder / "cache", content, cold, time.monotonic() - began


def _moments(seed: int) -> list[float]:
    """When each training is killed, as a part of its time: the same for the same seed, whoever asks first."""
    moments = random.Random(seed)
    return [moments.random() for _ in range(KILLS)]


def test_a_seed_draws_the_same_moments_again() -> None:
    assert _moments(5) == _moments(5) != _moments(6)
    assert len(set(_moments(5))) == KILLS


@pytest.mark.slow
def test_kill_and_resume_gives_the_same_bytes(
    uninterrupted: tuple[Path, Path, bytes, float, float], tmp_path: Path
) -> None:
    data, cache, expected, cold_seconds, warm_seconds = uninterrupted
    seed = int(os.environ.get(_SEED) or random.SystemRandom().getrandbits(32))
    again = f"{_SEED}={seed} draws these moments again"
    print(again, flush=True)
    # As parts of a training's time, which differs from one machine to another.
    moments = _moments(seed)

    def kill(number: int) -> str:
        """Kill a training and let it finish; returns where it was killed."""
        cold = number < _COLD
        folder = tmp_path / str(number)
        folder.mkdir()
        if not cold:
            copytree(cache, folder / "cache")
        place = _Place(folder, data)
        seconds = cold_seconds if cold else warm_seconds
        moment = 0.2 + moments[number] * (seconds - 0.2)
        process = place.start()
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        history = place.model.parent / "history.jsonl"
        epochs = len(history.read_text().splitlines()) if history.exists() else 0
        where = f"{'cold' if cold else 'warm'} {moment:.2f}s epoch {epochs}"
        assert place.finish() == expected, f"{where}; {again}"
        return where

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, where in enumerate(pool.map(kill, range(KILLS)), start=1):
            print(f"kill {number}/{KILLS}: {where}", flush=True)
