"""Linear probe, then fine-tuning: from the fitted head, kept only where better, resumed to the same bits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from catdog.errors import OptionError, RunError
from catdog.model.architecture import CONVOLUTIONS
from catdog.runs import EpochRecord, Run
from catdog.training.events import EpochStarted, Event, Finished, HeadFitted, RatesChosen, Remark, Sums
from catdog.training.options import NewRun, Resume
from catdog.training.train import train as train_run
from catdog.weights import source as weights
from tests.training.whole import train
from tests.workspaces import two_workers

FINE: dict[str, Any] = {"optimizer": None, "lr": None}  # the defaults, where `train` of the tests has others


@pytest.mark.parametrize(
    ("changes", "rates"),
    [
        ({"unfreeze": "block5"}, {"block5": 1e-5, "head": 3e-5}),
        ({"unfreeze": "block4", "lr": 0.003}, {"block4": 3e-4, "block5": 1e-3, "head": 0.003}),
        ({"unfreeze": "block5", "optimizer": "momentum", "head": "linear"}, {"block5": 1e-4, "head": 3e-4}),
        ({"unfreeze": "head", "optimizer": "adam"}, {}),
        ({"unfreeze": "block5", "head": "fc"}, {}),
    ],
)
def test_rates_by_stage(changes: dict[str, Any], rates: dict[str, float], tmp_path: Path) -> None:
    options = NewRun(tmp_path, **changes).complete(weights.find_weights("builtin"))
    assert options.stage_rates == pytest.approx(rates)
    assert list(options.stage_rates) == list(rates)
    assert options.schedule == ("cosine" if rates else "constant")
    if rates:
        assert options.learning_rate == options.stage_rates["head"]


def test_all_stages_have_rates_that_fall_towards_the_first(tmp_path: Path) -> None:
    options = NewRun(tmp_path, unfreeze="all").complete(weights.find_weights("builtin"))
    assert list(options.stage_rates) == ["block1", "block2", "block3", "block4", "block5", "head"]
    assert sorted(options.stage_rates.values()) == list(options.stage_rates.values())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"schedule": "cosine"}, "need another optimizer than lbfgs"),
        ({"mixup": 0.2}, "need another optimizer than lbfgs"),
        ({"schedule": "linear"}, "expected schedule to be one of constant, cosine, one-cycle"),
        ({"label_smoothing": 1.0}, "expected 0 <= label_smoothing < 1, found 1.0"),
        ({"patience": 0}, "expected patience >= 1, found 0"),
        ({"unfreeze": "block5", "folds": 5}, "need the optimizer lbfgs, found adamw"),
    ],
)
def test_options_that_do_not_go_together(changes: dict[str, Any], expected: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=expected):
        NewRun(tmp_path, **changes).complete(weights.find_weights("builtin"))


@pytest.mark.slow
def test_fine_tuning_starts_from_the_head_that_train_fits(shapes: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    fine = train(shapes, tmp_path, "block5", report=events.append, l2=0.01, **FINE)
    head = train(shapes, tmp_path, "head", optimizer="lbfgs", lr=None, epochs=8, l2=0.01)
    first = fine.history()[0]
    assert first.epoch == 0
    # Features of the head are rounded to float16 behind block5, those of block5 before it.
    assert first.val_loss == pytest.approx(head.history()[-1].val_loss, rel=0.01)
    assert first.val_acc == head.history()[-1].val_acc
    kinds = RatesChosen, HeadFitted, EpochStarted, EpochRecord, Finished
    seen = [type(event) for event in events if isinstance(event, kinds)]
    epochs = [EpochStarted, EpochRecord] * 2
    assert seen == [RatesChosen, HeadFitted, *epochs, Finished]
    assert [event for event in events if isinstance(event, HeadFitted)] == [HeadFitted(first)]


@pytest.mark.slow
def test_the_head_is_kept_where_fine_tuning_is_no_better(shapes: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    run = train(shapes, tmp_path, "block5", report=events.append, lr=0.05, optimizer="adam", patience=1)
    assert run.cross_validation() is not None  # that of the head
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.best == run.history()[0] == run.best_epoch()
    assert all(record.val_loss >= finished.best.val_loss for record in run.history()[1:])
    tensors, spec = run.read_model()
    assert spec.epoch == 0
    pretrained = weights.read_tensors(weights.find_weights("builtin"), CONVOLUTIONS[14:])
    for name, value in pretrained.items():  # those of the head alone: as they were
        assert_array_equal(tensors[name], value.astype(np.float32))
    # One epoch without a lower loss ends the training, two were asked for.
    assert [record.epoch for record in run.history()] == [0, 1]
    assert [str(event.sentence) for event in events if isinstance(event, Remark)][-1] == (
        "early stopping: 1 epoch without a lower validation loss"
    )
    workspace = two_workers(tmp_path / "cache")
    with pytest.raises(RunError, match="has finished: 1 epochs are done"):
        train_run(Resume(run.folder), workspace)
    longer = train_run(Resume(run.folder, epochs=2), workspace)
    assert longer.epochs_done() == 2


MIXED = FINE | {"mixup": 0.4, "label_smoothing": 0.1, "epochs": 3, "lr": 0.003}


@pytest.fixture(scope="module")
def whole(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training that is not stopped. Not to be changed."""
    return train(shapes, tmp_path_factory.mktemp("whole"), "block5", **MIXED)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [HeadFitted, Sums, 2])
def test_a_training_that_is_stopped_anywhere_ends_with_the_same_bits(
    shapes: Path, whole: Run, tmp_path: Path, stop: type | int
) -> None:
    """After the head, within the first epoch, or at the start of the second one."""

    def report(event: Event) -> None:
        if (isinstance(event, stop)) if isinstance(stop, type) else event == EpochStarted(stop, 3, 48):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(shapes, tmp_path, "block5", report=report, **MIXED)
    again = train_run(Resume(tmp_path / "runs" / "block5"), two_workers(tmp_path / "cache"))
    assert [(record.epoch, record.val_loss) for record in again.history()] == [
        (record.epoch, record.val_loss) for record in whole.history()
    ]
    state, progress = whole.read_state() or ({}, {})
    resumed, same_progress = again.read_state() or ({}, {})
    assert progress == same_progress
    assert state.keys() == resumed.keys()
    for name, value in state.items():
        assert_array_equal(resumed[name], value)
    assert again.model_path.read_bytes() == whole.model_path.read_bytes()
    before = whole.read_model()[0]["rescale/scale"]
    assert_array_equal(state["tensors/rescale/scale"], before)
