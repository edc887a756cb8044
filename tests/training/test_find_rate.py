"""The learning rate range test: rising rates until the loss explodes, a rate that trains, and no run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog.errors import OptionError
from catdog.training.find_rate import STEPS, RateCurve, find_rate
from catdog.training.options import NewRun
from tests.training.whole import tiny_photos, train
from tests.workspaces import two_workers


def curve(data: Path, folder: Path, **changes: Any) -> RateCurve:
    values: dict[str, Any] = {"optimizer": "adam", "size": 32, "batch_size": 16, "runs_dir": folder / "runs"}
    with tiny_photos():
        return find_rate(NewRun(data, **(values | changes)), two_workers(folder / "cache"))


def test_the_suggested_rate_trains(shapes: Path, tmp_path: Path) -> None:
    found = curve(shapes, tmp_path)
    assert 10 < len(found.rates) == len(found.losses) <= STEPS
    assert found.rates[0] == pytest.approx(1e-7)
    ratios = np.divide(found.rates[1:], found.rates[:-1])
    assert ratios == pytest.approx(np.full(len(ratios), 1e7 ** (1 / 99)))
    bearable = [
        rate for rate, loss in zip(found.rates, found.losses, strict=True) if loss <= 1.25 * min(found.losses)
    ]
    assert found.suggested == pytest.approx(max(bearable) / 10, rel=0.3)  # one digit
    assert found == curve(shapes, tmp_path)
    assert not list(tmp_path.glob("runs/*"))
    losses = {}
    for factor in (1, 1e-3):
        rate = factor * found.suggested
        losses[factor] = train(shapes, tmp_path / str(factor), optimizer="adam", lr=rate).history()[-1].loss
    assert losses[1] < losses[1e-3]


@pytest.mark.slow
def test_in_fine_tuning_it_is_the_rate_of_the_head(shapes: Path, tmp_path: Path) -> None:
    found = curve(shapes, tmp_path, unfreeze="block5", optimizer=None)
    assert found.rates[0] == pytest.approx(1e-7)
    assert found.losses[-1] > 1.25 * min(found.losses)
    assert found.rates[0] < found.suggested < found.rates[-1]


@pytest.mark.parametrize("optimizer", [None, "gd"])
def test_an_optimizer_with_one_step_an_epoch_is_refused(
    optimizer: str | None, shapes: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="needs an optimizer with a step for each batch"):
        curve(shapes, tmp_path, optimizer=optimizer)
