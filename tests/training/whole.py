"""A whole training below the command line, small: what tests of training have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from catdog.runs import Run
from catdog.training import options
from catdog.training.events import Report, ignore
from catdog.training.options import NewRun
from catdog.training.train import train as train_run
from tests.workspaces import two_workers


def train(
    data: Path, folder: Path, unfreeze: str = "head", *, report: Report = ignore, **changes: Any
) -> Run:
    """Two epochs on photos of 32 × 32 pixels, unless `changes` differ; run and cache below `folder`."""
    values: dict[str, Any] = {"epochs": 2, "batch_size": 16, "optimizer": "sgd", "lr": 1e-3, "size": 32}
    values |= {"name": unfreeze}
    with tiny_photos():
        chosen = NewRun(data, runs_dir=folder / "runs", unfreeze=unfreeze, **(values | changes))
        return train_run(chosen, two_workers(folder / "cache"), report)


@contextmanager
def tiny_photos() -> Iterator[None]:
    """Within the block, any head may be trained on photos of 32 pixels, smaller than a person may ask for."""
    sizes = range(32, 769, 8)
    with patch.object(options, "SIZES", sizes), patch.object(options, "SIZES_OF_FC", sizes):
        yield
