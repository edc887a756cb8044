"""Many photos on many cores: processes give what threads give, and none is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from loky import get_reusable_executor

from catdog.config import Decoding
from catdog.data import budget, decoded, fingerprint, probe_all, processes
from catdog.workspace import Workspace
from tests.data.made_photos import encoded, noise


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two workers and twenty photos are enough for processes."""
    monkeypatch.setattr(processes, "_THREADS", 1)
    monkeypatch.setattr(processes, "_MANY", 20)
    yield
    get_reusable_executor().shutdown(kill_workers=True)


def by_processes(function: object, count: int) -> list[object]:
    return list(processes.photo_map(function, range(count), count=count, workers=2))  # pyright: ignore[reportArgumentType]


def test_photos_are_those_that_threads_decode(tmp_path: Path):
    paths = [tmp_path / f"{index:02}.png" for index in range(40)]
    for index, path in enumerate(paths):
        path.write_bytes(encoded(noise(20 + index, 20, seed=index), "PNG"))
    paths[5].write_bytes(b"")
    paths[30].write_bytes(paths[30].read_bytes()[:900])
    digests = fingerprint(paths, workspace=Workspace()).digests
    assert fingerprint(paths, workspace=Workspace(workers=2)).digests == digests
    assert [photo.path for photo in probe_all(paths, workers=2)] == [paths[5]]
    few = [path for path in paths if path in digests]
    threads, others = (
        list(decoded(few, Decoding(32), workers=workers, digests=digests)) for workers in (1, 2)
    )
    assert [photo.index for photo in others] == list(range(39))
    for one, other in zip(threads, others, strict=True):
        assert (one.reason and str(one.reason)) == (other.reason and str(other.reason))
        assert (one.pixels is None) == (other.pixels is None)
        if one.pixels is not None and other.pixels is not None:
            assert np.array_equal(one.pixels, other.pixels)
    assert sum(photo.pixels is None for photo in others) == 1


def _process_of(large: int, item: int) -> int:
    if item == large:
        budget.large_is_allowed()
    return os.getpid()


def test_a_photo_too_large_for_its_share_is_left_to_the_main_process():
    found = by_processes(partial(_process_of, 21), 40)
    assert found[21] == os.getpid()
    assert os.getpid() not in found[:21] + found[22:]


def test_a_share_is_a_part_of_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(budget, "_processes", 1)
    budget.share(4)
    with budget.Budget(lambda: 8 * 2**30).room(2**30):
        pass
    with pytest.raises(budget.NeedsMainProcess), budget.Budget(lambda: 8 * 2**30).room(2**30 + 1):
        pass


def _killed(main: int, item: int) -> int:
    if item == 21 and os.getpid() != main:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_the_death_of_a_process_loses_no_photo():
    assert by_processes(partial(_killed, os.getpid()), 100) == list(range(100))


class _Broken:
    """Takes five chunks, and then no more."""

    def __init__(self) -> None:
        self.taken = 0

    def submit(self, work: Callable[..., object], *arguments: object) -> Future[object]:
        self.taken += 1
        if self.taken > 5:
            raise BrokenProcessPool
        future: Future[object] = Future()
        future.set_result(work(*arguments))
        return future


def test_no_photo_is_lost_if_no_process_can_take_it():
    found = processes._in_processes(_Broken(), abs, iter(range(200)), chunks=3)
    assert list(found) == list(range(200))


_MAIN = """
import time
import psutil
from catdog.data import processes
processes._THREADS, processes._MANY = 1, 20
for number in processes.photo_map(abs, range(100_000), count=100_000, workers=2):
    if number == 50:  # no guard: the processes do not import this program
        print(*[child.pid for child in psutil.Process().children()], flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_the_main_process(number: signal.Signals):
    with subprocess.Popen([sys.executable, "-c", _MAIN], stdout=subprocess.PIPE, text=True) as main:
        assert main.stdout
        found = [int(process) for process in main.stdout.readline().split()]
        assert len(found) >= 2
        main.send_signal(number)
    deadline = time.monotonic() + 30
    while any(map(_runs, found)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_runs, found))


def _runs(process: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    return False
