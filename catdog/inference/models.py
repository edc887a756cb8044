"""Which model a name stands for, in one place: a run by its path or its name, an exported file, ImageNet."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from catdog.config import Decoding, Head, ModelSpec
from catdog.errors import OptionError, RunError, WeightsError
from catdog.inference.exported import read_exported
from catdog.model.architecture import IMAGENET_TOP
from catdog.progress import OnProgress, unreported
from catdog.runs import Run, is_run, newest_run, open_run, runs_below, shipped_run
from catdog.text import message
from catdog.weights.download import DOWNLOADS
from catdog.weights.source import class_names, find_weights, read_tensors
from catdog.workspace import Workspace

if TYPE_CHECKING:
    from catdog.inference.classifier import Classifier

IMAGENET = "imagenet"  # names the original network, where a command can use it

_SHOWN = 10  # runs that an error lists


def find_model(
    name: str | os.PathLike[str] | None, runs_dir: Path, *, nothing: str | None = None
) -> Run | Path:
    """The run, or the exported file, that `name` stands for.

    A path wins over a name, unless there is no model at the path: `sample_data` may be a folder of photos and
    the name of a run.

    Args:
        name: the path of a run or of a file that `catdog export` wrote, or the name of a run below
            `runs_dir`; None is the newest run there, and where there is none, the run in the package.
        nothing: the template of the error where nothing is at the path, with the fields `target` and `runs`.

    Raises:
        RunError: there is no such model; the message lists the runs that are there. Or the run is damaged.
    """
    if name is None:
        return newest_run(runs_dir) or shipped_run()
    path = Path(name)
    if is_exported(path):
        return path
    named = [runs_dir / path] if len(path.parts) == 1 else []
    for folder in (path, *named):
        if os.path.exists(folder) and is_run(folder):
            return open_run(folder)
    try:
        there = [run.folder.name for run in runs_below(runs_dir)]
    except OSError:
        there = []
    if there:
        names = ", ".join(there[:_SHOWN]) + (", ..." if len(there) > _SHOWN else "")
        runs = message("The runs under {runs_dir} are: {names}", runs_dir=runs_dir, names=names)
    else:
        runs = message("There is no run under {runs_dir}; `catdog train DATA` makes one.", runs_dir=runs_dir)
    if nothing and not os.path.lexists(path):
        raise RunError(nothing, target=path, runs=runs)
    raise RunError("expected a run or an exported file, found none at {path}. {runs}", path=path, runs=runs)


def is_exported(path: Path) -> bool:
    """Whether it is a file, and not one of the two that make a run folder.

    Other programs write a `config.json` beside a `model.safetensors` too: only a run's names its prefix.
    """
    if not os.path.isfile(path):
        return False
    if path.name not in ("model.safetensors", "config.json"):
        return True
    try:
        config = json.loads((path.parent / "config.json").read_bytes())
    except OSError:
        return True
    except ValueError:  # perhaps a run's, damaged: opening it reports that
        return False
    return not (isinstance(config, dict) and "prefix_digest" in config)


def open_classifier(
    model: Run | Path,
    workspace: Workspace,
    *,
    calibrate: bool = True,
    tta: bool | None = None,
    report: OnProgress = unreported,
) -> "Classifier":
    """The classifier of what `find_model` found; `calibrate` uses a run's temperature, where it has one.

    Args:
        tta: whether to average over views of a photo; None is as in training.

    Raises:
        OptionError: an exported file without its calibration, which cannot be taken out of it.
        RunError: the run has no model, its weights are not those it was trained on, or tensors do not fit.
        WeightsError: the exported file, or the pretrained weights, cannot be read.
    """
    from catdog.features.prefix import Prefix  # imports jax, which finding a model does not need
    from catdog.inference.classifier import Classifier, foundation
    from catdog.model.thresholds import without_temperature

    if isinstance(model, Run):
        tensors, spec = model.read_model()
        source, prefix = foundation(model, spec, workspace=workspace, report=report)
        spec = spec if calibrate else without_temperature(spec)
    elif calibrate:
        spec, tensors = read_exported(model)
        source = find_weights(str(model.absolute()), preprocessing=spec.preprocessing)
        prefix = Prefix(source, spec.head, unfreeze="head")
    else:
        raise OptionError(
            "{file} is an exported file, whose calibration is part of its weights. Export the run again with "
            "--no-calibrate, or use the run.",
            file=model,
        )
    return Classifier(source, prefix, tensors, spec, workspace=workspace, tta=tta)


def open_imagenet(
    weights: str | None,
    preprocessing: str | None,
    workspace: Workspace,
    *,
    tta: bool | None = None,
    report: OnProgress = unreported,
) -> "Classifier":
    """The original network, with all its layers and its 1000 classes.

    Args:
        weights, preprocessing: as for `find_weights`; without weights, those that were downloaded before.
        tta: as for `open_classifier`.

    Raises:
        WeightsError: there are no weights, they lack a layer, or they cannot be read.
    """
    from catdog.features.prefix import Prefix
    from catdog.inference.classifier import Classifier

    folder = workspace.weights
    there = (name for name, file in DOWNLOADS.items() if folder and (folder / file.file_name).is_file())
    name = weights or next(there, None)
    if name is None:
        raise WeightsError(
            "the 1000 classes of ImageNet need weights with fc1, fc2 and predictions, and none have been "
            "downloaded yet: give --weights keras or --weights timm (550 MB, downloaded once), or --weights "
            "FILE"
        )
    source = find_weights(name, preprocessing=preprocessing, workspace=workspace, report=report)
    if not source.has_top:
        raise WeightsError(
            "the 1000 classes of ImageNet need fc1, fc2 and predictions, which the weights {name!r} lack. "
            "Give others, such as --weights keras or --weights timm.",
            name=name,
        )
    spec = ModelSpec(class_names(), source.preprocessing, Head("imagenet", dropout=0), Decoding())
    prefix = Prefix(source, spec.head, unfreeze="head", workspace=workspace)
    top = read_tensors(source, IMAGENET_TOP[-1:], memo_dir=workspace.checked)
    return Classifier(source, prefix, top, spec, workspace=workspace, tta=tta)
