"""Nothing is compiled after the first batch of an extraction, and nothing after the first epoch."""

from pathlib import Path

import pytest

from catdog.progress import Progress
from catdog.runs import EpochRecord
from catdog.training.events import Event
from tests.training.whole import train


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "unfreeze", "options"),
    [
        (40, "head", {}),
        (48, "head", {"optimizer": "adam", "head": "fc", "fc_units": (16,), "batch_size": 7}),
        (56, "block5", {"optimizer": "momentum"}),
    ],
)
def test_a_training_compiles_first_and_then_no_more(
    shapes: Path, tmp_path: Path, size: int, unfreeze: str, options: dict[str, object], compiled: list[str]
) -> None:
    counts: dict[str, list[int]] = {"features": [], "epoch": []}

    def report(event: Event) -> None:
        if isinstance(event, EpochRecord):
            counts["epoch"].append(len(compiled))
        elif isinstance(event, Progress) and event.stage == "features":
            counts["features"].append(len(compiled))

    before = len(compiled)
    # Sizes that no other test has, so that the programs are new; 64 photos are 16 batches.
    train(shapes, tmp_path, unfreeze, report=report, size=size, epochs=4, **options)
    assert len(counts["features"]) == 16
    assert len(counts["epoch"]) == 4
    assert before < counts["features"][0] < counts["epoch"][0]  # they do compile, and are counted
    assert len(set(counts["features"])) == 1
    assert len(set(counts["epoch"])) == 1
