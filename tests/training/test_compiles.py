"""Nothing is compiled after the first batch of an extraction, and nothing after the first epoch."""

from pathlib import Path

import jax.monitoring
import pytest

from catdog.config import Decoding, Head
from catdog.features.progress import Progress
from catdog.runs import EpochRecord
from tests.training.whole import train

_compiled: list[str] = []  # a listener cannot be taken away again, so there is one


def _count(event: str, duration_secs: float, **_: str | int) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _compiled.append(event)


jax.monitoring.register_event_duration_secs_listener(_count)


@pytest.mark.parametrize(
    ("size", "unfreeze", "options"),
    [
        (40, "head", {}),
        (48, "head", {"optimizer": "adam", "head": Head("fc", (16,), dropout=0.5), "batch_size": 7}),
        (56, "block5", {"optimizer": "momentum"}),
    ],
)
def test_a_training_compiles_first_and_then_no_more(
    shapes: Path, tmp_path: Path, size: int, unfreeze: str, options: dict[str, object]
) -> None:
    counts: dict[str, list[int]] = {"features": [], "epoch": []}

    def report(what: Progress | EpochRecord) -> None:
        if isinstance(what, EpochRecord):
            counts["epoch"].append(len(_compiled))
        elif what.stage == "features":
            counts["features"].append(len(_compiled))

    before = len(_compiled)
    # Sizes that no other test has, so that the programs are new; 64 photos are 16 batches.
    train(shapes, tmp_path, unfreeze, report=report, decoding=Decoding(size=size), epochs=4, **options)
    assert len(counts["features"]) == 16
    assert len(counts["epoch"]) == 4
    assert before < counts["features"][0] < counts["epoch"][0]  # they do compile, and are counted
    assert len(set(counts["features"])) == 1
    assert len(set(counts["epoch"])) == 1
