"""Options that several commands share, and what they stand for."""

from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any

import click

from catdog import devices
from catdog.cli import console
from catdog.cli.command import FILE, FOLDER, PATH, Decorator, flag, option
from catdog.cli.translate import translated
from catdog.config import PREPROCESSINGS
from catdog.inference.models import find_model
from catdog.runs import Run, has_runs
from catdog.text import N_, bytes_from_people, message
from catdog.workspace import CACHE_VARIABLE, LIMIT_VARIABLE, Workspace, default_cache_dir


class Parsed(click.ParamType):
    """What a function makes of a text; the message of its ValueError is a usage error.

    Args:
        name: the metavar.
    """

    def __init__(self, name: str, parse: Callable[[str], Any]):
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(translated(error.args[0]), param, ctx)


_USUAL_FOLDER = N_("$CATDOG_CACHE_DIR or your cache folder")
_LIMIT, _SIZE = N_("Disk space for cached features, such as 20GB."), Parsed("size", bytes_from_people)
_USUAL_LIMIT = N_("$CATDOG_CACHE_LIMIT or a tenth of the disk")
_WORKERS, _THREADS = N_("Number of worker threads."), click.IntRange(1, 256)


def workspace_options(command: Callable[..., object]) -> Callable[..., object]:
    """--cache-dir, --cache-limit, --no-cache, --rehash and --workers, as one argument `workspace`.

    With --no-cache only downloads are written into the cache folder. JAX is not configured yet: see
    `devices.opened`.
    """

    @option("--cache-dir", "Cache", N_("Cache folder."), FOLDER, _USUAL_FOLDER, envvar=CACHE_VARIABLE)
    @option("--cache-limit", "Cache", _LIMIT, _SIZE, _USUAL_LIMIT, envvar=LIMIT_VARIABLE)
    @flag("--no-cache", "Cache", N_("Compute features again; write nothing into the cache."))
    @flag("--rehash", "Cache", N_("Read photos again that have not changed since they were read."))
    @option("--workers", "Other", _WORKERS, _THREADS, N_("number of cores"), default=devices.usable_cores)
    @wraps(command)
    def made(
        *args: Any, cache_dir: Path | None, cache_limit: int | None, no_cache: bool, **rest: Any
    ) -> object:
        folder, warn = cache_dir or default_cache_dir(), cache(console.warn)
        threads = {name: rest.pop(name) for name in ("workers", "rehash")}
        workspace = Workspace.below(folder, keep=not no_cache, limit=cache_limit, warn=warn, **threads)
        return command(*args, workspace=workspace, **rest)

    return made


def weights_options(default: str | None = None) -> Decorator:
    """--weights and --preprocessing."""
    name = N_("Pretrained weights: builtin, keras, timm, or a file (.h5, .safetensors, .pth).")
    photos = N_("Preprocessing for --weights FILE, if the file does not name one.")
    weights = option("--weights", "Model", name, default=default, metavar="NAME|FILE")
    preprocessing = option("--preprocessing", "Model", photos, click.Choice(PREPROCESSINGS))
    return lambda command: weights(preprocessing(command))


_TTA = N_("Test-time augmentation: mean over views of a photo, as many times slower.")
_IF_TRAINED = N_("if trained with --views")
tta_option = flag("--tta/--no-tta", "Model", _TTA, otherwise=_IF_TRAINED, default=None)
runs_dir_option = option("--runs-dir", "Model", N_("Folder of the runs."), FOLDER, default=Path("runs"))


def model_options(
    meaning: str = N_("Run (a path, or a name under --runs-dir) or exported file."),
) -> Decorator:
    """--model and --runs-dir."""
    newest = N_("the newest run; without runs, the model in the package")
    model = option("--model", "Model", meaning, PATH, newest, metavar="RUN")
    return lambda command: model(runs_dir_option(command))


def report_option(meaning: str) -> Decorator:
    """--report, a page of HTML."""
    return option("--report", "Output", meaning, FILE, metavar="FILE.html")


def chosen_model(model: Path | None, runs_dir: Path) -> Run | Path:
    """The run or the exported file that --model names, or the newest run; see `find_model`."""
    if model is None and not has_runs(runs_dir):
        sentence = N_("no trained run under {runs_dir}: using the model in the package, cats and dogs")
        console.note(message(sentence, runs_dir=runs_dir))
    return find_model(model, runs_dir)
