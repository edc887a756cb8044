"""SIGTERM and SIGUSR1 in a training: all is saved within the epoch, and it goes on to the same bits."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from catdog import interrupt
from catdog.progress import Progress
from catdog.runs import Run
from catdog.training import fit, step
from catdog.training.events import Event, Finished, Sums
from catdog.training.options import Resume
from catdog.training.train import train as train_run
from tests.process import command_line_signals
from tests.training.whole import train
from tests.workspaces import two_workers

CHUNKS = {"optimizer": "adam", "batch_size": 10, "epochs": 3}  # 48 photos: five chunks of a batch
LBFGS = {"optimizer": "lbfgs", "lr": None, "epochs": 4, "l2": 0.01}


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those of the command line, for the time of a test; and chunks of one batch."""
    monkeypatch.setattr(step, "_CHUNK_BYTES", 1)
    with command_line_signals(monkeypatch):
        yield


@pytest.fixture(scope="module")
def whole(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], Run]:
    """The run of these options without a stop; each is trained once."""
    runs: dict[str, Run] = {}

    def trained(options: dict[str, Any]) -> Run:
        if str(options) not in runs:
            runs[str(options)] = train(shapes, tmp_path_factory.mktemp("whole"), **options)
        return runs[str(options)]

    return trained


def _stop(
    data: Path, folder: Path, options: dict[str, Any], kind: type, count: int, number: int
) -> tuple[Run, int]:
    """Train until the signal comes at the event `count` of that kind; and how many events followed."""
    seen, after = 0, 0

    def report(event: Event) -> None:
        nonlocal seen, after
        after += seen >= count
        if isinstance(event, kind) and not (isinstance(event, Progress) and event.stage != "features"):
            seen += 1
            if seen == count:
                os.kill(os.getpid(), number)

    with pytest.raises(interrupt.Preempted):
        train(data, folder, report=report, **options)
    interrupt.seen()
    interrupt._preempted = False
    return Run(folder / "runs" / "head"), after


def _assert_same(run: Run, other: Run) -> None:
    (tensors, progress), (others, same) = run.read_state() or ({}, {}), other.read_state() or ({}, {})
    assert progress == same
    assert tensors.keys() == others.keys()
    for name, value in tensors.items():
        assert_array_equal(others[name], value)
    assert run.model_path.read_bytes() == other.model_path.read_bytes()
    assert [(record.epoch, record.loss) for record in run.history()] == [
        (record.epoch, record.loss) for record in other.history()
    ]


@pytest.mark.parametrize(
    ("options", "kind", "count", "photos"),
    [
        (CHUNKS, Sums, 7, 30),  # one more chunk is on its way when the second of an epoch is reported
        (LBFGS, Sums, 2, 48),
    ],
)
def test_a_stopped_training_goes_on_to_the_same_bits(
    shapes: Path,
    tmp_path: Path,
    whole: Callable[[dict[str, Any]], Run],
    options: dict[str, Any],
    kind: type,
    count: int,
    photos: int,
) -> None:
    run, after = _stop(shapes, tmp_path, options, kind, count, signal.SIGTERM)
    assert after <= 2  # the sums of the chunk that was on its way
    state = run.read_state()
    assert (state[1]["photos"] if state else 0) == photos
    assert run.epochs_done() == len(run.history())
    train_run(Resume(run.folder), two_workers(tmp_path / "cache"))
    _assert_same(whole(options), run)


def test_a_signal_in_the_validation_costs_no_batch(
    shapes: Path, tmp_path: Path, whole: Callable[[dict[str, Any]], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    mean = fit.mean_of_views

    def preempted(logits: np.ndarray, photos: int) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGUSR1)
        return mean(logits, photos)

    with monkeypatch.context() as patch, pytest.raises(interrupt.Preempted):
        patch.setattr(fit, "mean_of_views", preempted)
        train(shapes, tmp_path, **CHUNKS)
    interrupt.seen()
    interrupt._preempted = False
    run = Run(tmp_path / "runs" / "head")
    state = run.read_state()
    assert state and (state[1]["epoch"], state[1]["photos"]) == (0, 48)
    train_run(Resume(run.folder), two_workers(tmp_path / "cache"))
    _assert_same(whole(CHUNKS), run)


def test_features_that_are_computed_are_kept(
    shapes: Path, tmp_path: Path, whole: Callable[[dict[str, Any]], Run]
) -> None:
    run, after = _stop(shapes, tmp_path, CHUNKS, Progress, 1, signal.SIGTERM)
    assert (after, run.read_state()) == (0, None)
    steps: list[Progress] = []

    def report(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "features":
            steps.append(event)
        if isinstance(event, Finished):
            os.kill(os.getpid(), signal.SIGTERM)

    train_run(Resume(run.folder), two_workers(tmp_path / "cache"), report)
    assert 0 < steps[-1].total < 64  # and the signal that comes when all is done is ignored
    _assert_same(whole(CHUNKS), run)


def test_other_chunks_after_a_stop_give_the_same_numbers(
    shapes: Path, tmp_path: Path, whole: Callable[[dict[str, Any]], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with another number of devices.
    run, _ = _stop(shapes, tmp_path, CHUNKS, Sums, 6, signal.SIGTERM)
    monkeypatch.setattr(step, "_CHUNK_BYTES", 2**20)
    train_run(Resume(run.folder), two_workers(tmp_path / "cache"))
    tensors, expected = (found.read_model()[0] for found in (run, whole(CHUNKS)))
    for name, value in expected.items():
        assert_allclose(tensors[name], value, rtol=1e-5, atol=1e-7)
