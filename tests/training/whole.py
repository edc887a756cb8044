"""A whole training below the command line, small: what tests of training have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from catdog.config import Decoding, Head, TrainOptions
from catdog.features.forward import make_suffix
from catdog.progress import Progress
from catdog.runs import EpochRecord, Run, create_run
from catdog.training.fit import fit
from catdog.training.photos import find_photos
from catdog.training.prepare import prepare, run_config
from tests.prefixes import builtin_prefix
from tests.workspaces import two_workers


def train(
    data: Path,
    folder: Path,
    unfreeze: str = "head",
    *,
    report: Callable[[Progress | EpochRecord], None] = lambda _: None,
    **changes: Any,
) -> Run:
    """Train on `data`, two epochs if nothing else is said, with run and cache below `folder`.

    Args:
        report: called with each progress of the extraction and with each epoch.
        changes: options of the training.
    """
    values: dict[str, Any] = {
        "data": str(data),
        "epochs": 2,
        "batch_size": 16,
        "optimizer": "sgd",
        "learning_rate": 1e-3,
        "head": Head(),
        "unfreeze": unfreeze,
        "weights": "builtin",
        "valid_fraction": 0.2,
        "seed": 0,
        "decoding": Decoding(size=32),
        "strict": False,
    }
    options = TrainOptions(**(values | changes))
    prefix = builtin_prefix(unfreeze)
    photos = find_photos(options, workers=2)
    run = create_run(folder / "runs", unfreeze, run_config(options, photos, prefix))
    suffix = make_suffix(prefix, options.head, 2, size=options.decoding.size)
    job = prepare(
        options,
        photos,
        prefix,
        suffix,
        workspace=two_workers(folder / "cache"),
        report=report,
    )
    records = fit(run, job, epochs=options.epochs)
    for record in records:
        report(record)
    return run
