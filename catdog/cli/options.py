"""Options that several commands share, and what they stand for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, wraps
from pathlib import Path
from typing import Any

import click

from catdog import devices
from catdog.cli import console, progress_bars
from catdog.cli.command import CACHE, MODEL, OTHER, option
from catdog.cli.translate import LANGUAGES, translated
from catdog.config import PREPROCESSINGS
from catdog.errors import CacheError
from catdog.runs import Run, has_runs, open_run
from catdog.text import N_, bytes_from_people, message
from catdog.weights.source import WeightSource, find_weights
from catdog.workspace import CACHE_VARIABLE, LIMIT_VARIABLE, Workspace, default_cache_dir


@dataclass(frozen=True)
class WorkspaceOptions:
    """What --cache-dir, --cache-limit, --no-cache and --workers say."""

    cache_dir: Path
    cache_limit: int | None
    no_cache: bool
    workers: int

    def open(self) -> Workspace:
        """The user's cache folder; with --no-cache only downloads are written there. Configures JAX too."""
        workspace = Workspace.below(
            self.cache_dir,
            keep=not self.no_cache,
            limit=self.cache_limit,
            warn=cache(console.warn),
            workers=self.workers,
        )
        try:
            devices.configure(workspace.cache)
        except CacheError as error:
            console.warn(error.message)
            devices.configure(None)
            return replace(workspace, features=replace(workspace.features, writable=False))
        return workspace


class _Size(click.ParamType):
    """A number of bytes, such as 20GB."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `click.ParamType`."""
        try:
            return value if isinstance(value, int) else bytes_from_people(str(value))
        except ValueError:
            sentence = message("expected a size such as 20GB or 500MB, found {value!r}", value=value)
            self.fail(translated(sentence), param, ctx)


def workspace_options(command: Callable[..., object]) -> Callable[..., object]:
    """--cache-dir, --cache-limit, --no-cache and --workers, as one argument `workspace`."""

    @wraps(command)
    def made(
        *args: object,
        cache_dir: Path | None,
        cache_limit: int | None,
        no_cache: bool,
        workers: int,
        **rest: object,
    ) -> object:
        chosen = WorkspaceOptions(cache_dir or default_cache_dir(), cache_limit, no_cache, workers)
        return command(*args, workspace=chosen, **rest)

    decorated: Callable[..., object] = made
    for decorate in (
        option(
            "--workers",
            group=OTHER,
            type=click.IntRange(1, 256),
            default=devices.usable_cores,
            help=N_("Number of worker threads."),
            otherwise=N_("number of cores"),
        ),
        option(
            "--no-cache",
            group=CACHE,
            is_flag=True,
            help=N_("Compute features again; write nothing into the cache."),
        ),
        option(
            "--cache-limit",
            group=CACHE,
            type=_Size(),
            metavar="SIZE",
            envvar=LIMIT_VARIABLE,
            help=N_("Disk space for cached features, such as 20GB."),
            otherwise=N_("$CATDOG_CACHE_LIMIT or a tenth of the disk"),
        ),
        option(
            "--cache-dir",
            group=CACHE,
            type=click.Path(file_okay=False, path_type=Path),
            envvar=CACHE_VARIABLE,
            help=N_("Cache folder."),
            otherwise=N_("$CATDOG_CACHE_DIR or your cache folder"),
        ),
    ):
        decorated = decorate(decorated)
    return decorated


def weights_option(*, default: str | None) -> Callable[[Any], Any]:
    """--weights."""
    return option(
        "--weights",
        group=MODEL,
        default=default,
        metavar="NAME|FILE",
        help=N_("Pretrained weights: builtin, keras, timm, or a file (.h5, .safetensors, .pth)."),
    )


preprocessing_option = option(
    "--preprocessing",
    group=MODEL,
    type=click.Choice(PREPROCESSINGS),
    help=N_("Preprocessing for --weights FILE, if the file does not name one."),
)


def weights_from(name: str, preprocessing: str | None, workspace: Workspace) -> WeightSource:
    """The weights that --weights names, downloaded if need be, with progress."""
    with progress_bars.FeatureBar() as bar:
        return find_weights(name, preprocessing=preprocessing, workspace=workspace, report=bar)


def model_options(*, imagenet: bool = False) -> Callable[[Any], Any]:
    """--model and --runs-dir.

    Args:
        imagenet: the command can use the original network too, under the name `imagenet`.
    """
    meaning = N_("Run (a path, or a name under --runs-dir) or exported file.")
    if imagenet:
        meaning = N_("Run (a path, or a name under --runs-dir), exported file, or imagenet.")
    model_option = option(
        "--model",
        group=MODEL,
        type=click.Path(path_type=Path),
        metavar="RUN",
        help=meaning,
        otherwise=N_("the newest run; without runs, the model in the package"),
    )
    return lambda command: model_option(runs_dir_option(command))


runs_dir_option = option(
    "--runs-dir",
    group=MODEL,
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    help=N_("Folder of the runs."),
)


def chosen_model(model: Path | None, runs_dir: Path) -> Run | Path:
    """The run or the exported file that --model names, or the newest run; see `find_model`."""
    from catdog.inference.models import find_model

    if model is None and not has_runs(runs_dir):
        console.note(
            message(
                "no trained run under {runs_dir}: using the model in the package, cats and dogs",
                runs_dir=runs_dir,
            )
        )
    return find_model(model, runs_dir)


def chosen_run(model: Path | None, runs_dir: Path) -> Run:
    """The same for a command that takes runs only."""
    found = chosen_model(model, runs_dir)
    return found if isinstance(found, Run) else open_run(found)


# For a command that looks at the language itself; every `Command` has --lang anyway.
lang_option = option("--lang", type=click.Choice(LANGUAGES), help=N_("Language of messages."))
