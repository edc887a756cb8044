"""Epochs that take no time are not all written; the last one always is."""

from pathlib import Path

import pytest

from catdog.runs import Run
from catdog.training import saver
from catdog.training.events import EpochStarted, Event
from catdog.training.options import Resume
from catdog.training.train import train as train_run
from tests.training.whole import train
from tests.workspaces import two_workers


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs whose state is written, in trainings that take much less than an hour."""
    epochs: list[int] = []
    write = Run.write_state

    def noted(run: Run, tensors: saver.Arrays, progress: dict[str, int]) -> None:
        write(run, tensors, progress)
        epochs.append(progress["epoch"])

    monkeypatch.setattr(Run, "write_state", noted)
    monkeypatch.setattr(saver, "_EVERY", 3600)
    return epochs


def test_the_first_and_the_last_epoch_are_written(shapes: Path, tmp_path: Path, written: list[int]) -> None:
    run = train(shapes, tmp_path, epochs=5, optimizer="adam")
    assert written == [1, 5]
    assert [record.epoch for record in run.history()] == [1, 2, 3, 4, 5]
    best = run.best_epoch()
    assert best
    assert best.val_loss == min(record.val_loss for record in run.history())


def test_what_was_not_written_is_written_when_it_is_stopped(
    shapes: Path, tmp_path: Path, written: list[int]
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochStarted) and event.epoch == 4:
            raise KeyboardInterrupt

    whole = train(shapes, tmp_path / "whole", epochs=5, optimizer="adam")
    with pytest.raises(KeyboardInterrupt):
        train(shapes, tmp_path / "stopped", epochs=5, optimizer="adam", report=stop)
    assert written == [1, 5, 1, 3]
    folder = tmp_path / "stopped" / whole.folder.relative_to(tmp_path / "whole")
    again = train_run(Resume(folder), two_workers(tmp_path / "stopped" / "cache"))
    assert again.model_path.read_bytes() == whole.model_path.read_bytes()
