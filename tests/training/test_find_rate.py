"""The learning rate range test: rising rates until the loss explodes, a rate that trains, and no run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from catdog.config import Head
from catdog.errors import OptionError
from catdog.training.find_rate import STEPS, RateCurve, _loss_of_guessing, find_rate
from catdog.training.options import NewRun
from tests.training.whole import tiny_photos, train
from tests.workspaces import two_workers


def curve(data: Path, folder: Path, **changes: Any) -> RateCurve:
    values: dict[str, Any] = {"optimizer": "adam", "size": 32, "batch_size": 16, "runs_dir": folder / "runs"}
    with tiny_photos():
        return find_rate(NewRun(data, **(values | changes)), two_workers(folder / "cache"))


@pytest.mark.slow
def test_the_suggested_rate_trains(shapes: Path, tmp_path: Path) -> None:
    found = curve(shapes, tmp_path)
    assert 10 < len(found.rates) == len(found.losses) <= STEPS
    assert found.rates[0] == pytest.approx(1e-7)
    ratios = np.divide(found.rates[1:], found.rates[:-1])
    assert ratios == pytest.approx(np.full(len(ratios), 1e7 ** (1 / 99)))
    losses = np.array(found.losses)
    steepest = found.rates[int(np.argmin(losses[20:] - losses[:-20])) + 10]
    assert found.suggested == pytest.approx(steepest, rel=0.5)  # one digit
    assert found == curve(shapes, tmp_path)
    assert not list(tmp_path.glob("runs/*"))
    good, low = (
        train(shapes, tmp_path / str(rate), optimizer="adam", lr=rate).history()[-1].loss
        for rate in (found.suggested, found.suggested / 1000)
    )
    assert good < low


@pytest.mark.parametrize(
    ("head", "classes", "loss"),
    [
        (Head(), ("a", "b", "c"), np.log(3)),
        (Head(output="binary"), ("a", "b"), np.log(2)),
        (Head(output="labels"), ("a",), np.log(2)),
        (Head(output="value", loss="mse"), (), 1.0),
        (Head(output="value", loss="huber"), (), 0.5),
    ],
)
def test_the_loss_of_guessing(head: Head, classes: tuple[str, ...], loss: float) -> None:
    job: Any = SimpleNamespace(spec=SimpleNamespace(head=head, classes=classes))
    assert _loss_of_guessing(job) == pytest.approx(loss)


def test_values_have_a_rate_too(shapes: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    rows = [f"{path},{3 + (path.parent.name == 'circles')}" for path in sorted(shapes.rglob("*.png"))]
    table.write_text("\n".join(["path,value", *rows]))
    found = curve(shapes, tmp_path, output="value", labels=table)
    assert found.losses[0] == pytest.approx(1, rel=0.5)
    assert found.losses[-1] > min(found.losses) + 1  # it has exploded


@pytest.mark.slow
def test_in_fine_tuning_it_is_the_rate_of_the_head(shapes: Path, tmp_path: Path) -> None:
    found = curve(shapes, tmp_path, unfreeze="block5", optimizer=None)
    assert found.rates[0] == pytest.approx(1e-7)
    risen = [loss > min(found.losses) + 0.05 * np.log(2) for loss in found.losses]
    assert risen[-1]
    assert not risen[0]  # the head is fitted already: there is nothing to fall
    last = max(np.flatnonzero(~np.array(risen)))
    assert found.suggested == pytest.approx(found.rates[last] / 10, rel=0.5)  # one digit


@pytest.mark.parametrize("optimizer", [None, "gd"])
def test_an_optimizer_with_one_step_an_epoch_is_refused(
    optimizer: str | None, shapes: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="needs an optimizer with a step for each batch"):
        curve(shapes, tmp_path, optimizer=optimizer)
