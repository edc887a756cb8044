"""A disk that fills up, folders that vanish, a clock that jumps: a clear end, no damage, and it goes on."""

import random
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from catdog import durable
from catdog.errors import CacheError, RunError
from catdog.features import open_files, upkeep, writer
from catdog.progress import Progress
from catdog.runs import EpochRecord, Run, create_run, open_run
from catdog.training.events import EpochStarted, Event
from catdog.training.options import Resume
from catdog.training.saver import Saver
from catdog.training.train import train as train_run
from tests.test_runs import CONFIG, SAVED
from tests.training.whole import train
from tests.workspaces import two_workers

# The features are read from the disk in every epoch.
WIDE = {"head": "fc", "fc_units": (8,), "optimizer": "adam", "epochs": 3}
FULL = r"cannot be written: .*File too large.* epochs that were saved are kept, and `catdog train --resume`"


@pytest.fixture(scope="module")
def whole(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run to which nothing happens."""
    return train(shapes, tmp_path_factory.mktemp("whole"), **WIDE)


@pytest.mark.parametrize("size", [0, 2_000, 10_000], ids=["history", "model", "state"])
def test_a_disk_that_is_full_at_any_file_leaves_the_epoch_before(
    tmp_path: Path, fill: Callable[[int | None], None], size: int
) -> None:
    run = create_run(tmp_path, None, CONFIG)

    def epoch(number: int) -> None:
        state = {"tensors/head/kernel": np.full(4_000, number, np.float32)}
        with Saver(run) as saver:
            saver.best({"head/kernel": np.full(1_000, number, np.float32)}, SAVED, None)
            saver.epoch(EpochRecord(number, 1.0, 0.5, 0.5, 0.5, 0.5), state, {"epoch": number})

    epoch(1)
    files = sorted(run.folder.rglob("*"))
    fill(size)
    with pytest.raises(RunError, match=FULL):
        epoch(2)
    fill(None)
    assert sorted(run.folder.rglob("*")) == files
    again = open_run(run.folder)
    state = again.read_state()
    assert state and state[0]["tensors/head/kernel"][0] == state[1]["epoch"] == again.epochs_done() == 1
    assert again.read_model()[0]["head/kernel"][0] == (2 if size == 10_000 else 1)
    assert len(again.history()) == (2 if size else 1)
    epoch(2)
    assert (again.epochs_done(), len(again.history())) == (2, 2)


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_run_that_vanishes_is_not_written_again(tmp_path: Path, is_replaced: bool) -> None:
    run = create_run(tmp_path, "screws", CONFIG)
    gone = "screws was deleted, moved or replaced during its training, so nothing more is saved"
    with run.held():
        run.write_state({}, {"epoch": 1})
        run.folder.rename(tmp_path / "moved")
        if is_replaced:
            other = create_run(tmp_path, "screws", CONFIG)
            with other.held(), pytest.raises(RunError, match=gone):
                run.write_state({}, {"epoch": 2})
            run.discard_if_untrained()
            assert other.config == CONFIG and other.epochs_done() == 0
        else:
            with pytest.raises(RunError, match=gone):
                run.write_state({}, {"epoch": 2})
            assert not run.folder.exists()
    assert open_run(tmp_path / "moved").epochs_done() == 1


def test_after_each_misfortune_it_goes_on_to_the_same_bytes(
    shapes: Path, tmp_path: Path, whole: Run, fill: Callable[[int | None], None]
) -> None:
    cache, run = tmp_path / "cache", Run(tmp_path / "runs" / "head")
    computed: list[int] = []

    def vanish() -> None:
        shutil.rmtree(cache)
        open_files.close_all()  # as those of a large cache are

    misfortunes = {2: vanish, 3: lambda: fill(0)}  # by epoch

    def report(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "features":
            computed.append(event.done)
        if isinstance(event, EpochStarted) and event.epoch in misfortunes:
            misfortunes.pop(event.epoch)()

    with pytest.raises(CacheError, match=r"features have disappeared from .*`catdog train --resume RUN`"):
        train(shapes, tmp_path, report=report, **WIDE)
    assert run.epochs_done() == 1
    computed.clear()
    with pytest.raises(RunError, match=FULL):
        train_run(Resume(run.folder), two_workers(cache), report)
    fill(None)
    assert max(computed) == 64
    assert run.epochs_done() == 2
    train_run(Resume(run.folder), two_workers(cache))
    assert run.model_path.read_bytes() == whole.model_path.read_bytes()


def test_a_cache_that_vanishes_and_a_clock_that_jumps_change_nothing(
    shapes: Path, tmp_path: Path, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours, clock, began = random.Random(1), time.time, time.monotonic()
    replacing, written = durable.replacing, list[Path]()
    deleted = list[Event]()

    def jumping() -> float:
        return clock() + hours.uniform(-20, 20) * 3600

    def replaced(path: Path, **rest: int) -> AbstractContextManager[IO[bytes]]:
        written.append(path)
        if len(written) == 4:  # the clock jumps by a week: another process deletes half a shard as old
            with monkeypatch.context() as patch:
                patch.setattr(time, "time", lambda: clock() + 7 * 24 * 3600)
                upkeep._delete_orphans(path.parent.parent)
        return replacing(path, **rest)

    def report(event: Event) -> None:
        of_features = isinstance(event, Progress) and event.stage == "features" and event.done > 32
        # In an epoch: files that are open can still be read.
        if (of_features and not deleted) or (isinstance(event, EpochStarted) and event.epoch == 2):
            deleted.append(event)
            (tmp_path / "cache").rename(tmp_path / f"deleted {len(deleted)}")

    monkeypatch.setattr(time, "time", jumping)
    monkeypatch.setattr(time, "time_ns", lambda: int(jumping() * 1e9))
    monkeypatch.setattr(durable, "replacing", replaced)
    monkeypatch.setattr(writer, "_SHARD_BYTES", 8_000)  # several shards
    run = train(shapes, tmp_path, report=report, **WIDE)
    assert len(written) > 4 and len(deleted) == 2
    assert run.model_path.read_bytes() == whole.model_path.read_bytes()
    assert all(0 <= record.seconds <= time.monotonic() - began for record in run.history())
