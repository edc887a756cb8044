"""A whole training below the command line, small: what tests of training have in common."""

from pathlib import Path
from typing import Any

from catdog.runs import Run
from catdog.training.events import Report, ignore
from catdog.training.options import NewRun
from catdog.training.train import train as train_run
from tests.workspaces import two_workers


def train(
    data: Path, folder: Path, unfreeze: str = "head", *, report: Report = ignore, **changes: Any
) -> Run:
    """Two epochs on photos of 32 × 32 pixels, unless `changes` differ; run and cache below `folder`."""
    values: dict[str, Any] = {"epochs": 2, "batch_size": 16, "optimizer": "sgd", "lr": 1e-3, "size": 32}
    options = NewRun(data, name=unfreeze, runs_dir=folder / "runs", unfreeze=unfreeze, **(values | changes))
    return train_run(options, two_workers(folder / "cache"), report)
