"""Which model a name stands for, in one place: a run by its path or its name, or an exported file."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from catdog.errors import RunError
from catdog.progress import Progress
from catdog.runs import Run, has_runs, newest_run, open_run, runs_below, shipped_run
from catdog.workspace import Workspace

if TYPE_CHECKING:
    from catdog.inference.classifier import Classifier

_SHOWN = 10  # runs that an error lists


def find_model(name: str | os.PathLike[str] | None, runs_dir: Path) -> Run | Path:
    """The run, or the exported file, that `name` stands for. A path wins over a name below `runs_dir`.

    Args:
        name: of a run below `runs_dir`, or the path of a run or of a file that `catdog export` wrote. None is the
            newest run below `runs_dir`, and where there is none, the run in the package.

    Raises:
        RunError: there is no such model; the message lists the runs that there are.
    """
    if name is None:
        return newest_run(runs_dir) if has_runs(runs_dir) else shipped_run()
    path = Path(name)
    if is_exported(path):
        return path
    if os.path.exists(path):
        return open_run(path)
    if len(path.parts) == 1 and (runs_dir / path).is_dir():
        return open_run(runs_dir / path)
    there = [run.folder.name for run in runs_below(runs_dir)] if runs_dir.is_dir() else []
    if not there:
        raise RunError(
            "expected a run or an exported file, found nothing at {path} and no run under {runs_dir}. "
            "`catdog train DATA` makes a run.",
            path=path,
            runs_dir=runs_dir,
        )
    raise RunError(
        "expected a run or an exported file, found nothing at {path}. The runs under {runs_dir} are: {names}",
        path=path,
        runs_dir=runs_dir,
        names=", ".join(there[:_SHOWN]) + (", ..." if len(there) > _SHOWN else ""),
    )


def is_exported(path: Path) -> bool:
    """Whether it is a file that is not one of a run folder's own."""
    if not os.path.isfile(path):
        return False
    is_of_run = path.name in ("model.safetensors", "config.json") and (path.parent / "config.json").is_file()
    return not is_of_run


def open_classifier(
    model: Run | Path,
    workspace: Workspace,
    *,
    calibrate: bool = True,
    report: Callable[[Progress], None] = lambda _: None,
) -> "Classifier":
    """The classifier of what `find_model` found.

    Args:
        calibrate: use a run's temperature. An exported file is as it was exported.
        report: called while weights are downloaded.

    Raises:
        RunError, WeightsError: it cannot be read, or its weights cannot.
    """
    from catdog.inference.classifier import Classifier  # imports jax, which finding a model does not need

    if isinstance(model, Run):
        return Classifier.of_run(model, workspace=workspace, calibrate=calibrate, report=report)
    return Classifier.of_file(model, workspace=workspace)
