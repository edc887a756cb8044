"""Options that several commands share, and what they stand for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, wraps
from pathlib import Path
from typing import TypeVar

import click

from catdog import devices
from catdog.cli import console, progress_bars
from catdog.cli.translate import LANGUAGES
from catdog.config import PREPROCESSINGS
from catdog.errors import CacheError
from catdog.runs import Run, has_runs, newest_run, open_run, shipped_run
from catdog.text import bytes_from_people, message
from catdog.weights.source import WeightSource, find_weights
from catdog.workspace import CACHE_VARIABLE, LIMIT_VARIABLE, Workspace, default_cache_dir

_Command = TypeVar("_Command", bound=Callable[..., object])


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
        except ValueError as error:
            self.fail(str(error), param, ctx)


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
    for option in (
        click.option(
            "--workers",
            type=click.IntRange(1, 256),
            default=devices.usable_cores,
            show_default="the cores there are",
            help="Threads that decode photos, and on a CPU that compute features.",
        ),
        click.option(
            "--no-cache",
            is_flag=True,
            help="Write nothing into the cache: compute features each time, and keep them in memory.",
        ),
        click.option(
            "--cache-limit",
            type=_Size(),
            metavar="SIZE",
            envvar=LIMIT_VARIABLE,
            show_envvar=True,
            show_default="a tenth of the disk",
            help="What features may take on disk, such as 20GB. Those that were not used for longest are "
            "deleted first, and none that a command is using.",
        ),
        click.option(
            "--cache-dir",
            type=click.Path(file_okay=False, path_type=Path),
            envvar=CACHE_VARIABLE,
            show_envvar=True,
            help=f"Where features are kept.  [default: {_for_people(default_cache_dir())}]",
        ),
    ):
        decorated = option(decorated)
    return decorated


def weights_option(*, default: str | None) -> Callable[[_Command], _Command]:
    """--weights."""
    return click.option(
        "--weights",
        default=default,
        show_default=default is not None,
        metavar="NAME|FILE",
        help="Pretrained weights: builtin (convolutions, inside the package), keras or timm (downloaded "
        "once, 550 MB), or a file: Keras' .h5, .safetensors, PyTorch's .pth.",
    )


preprocessing_option = click.option(
    "--preprocessing",
    type=click.Choice(PREPROCESSINGS),
    help="What photos must look like for --weights FILE, where the file does not say.",
)


def weights_from(name: str, preprocessing: str | None, workspace: Workspace) -> WeightSource:
    """The weights that --weights names, downloaded if need be, with progress."""
    with progress_bars.FeatureBar() as bar:
        return find_weights(name, preprocessing=preprocessing, workspace=workspace, report=bar)


def model_options(command: _Command) -> _Command:
    """--model and --runs-dir."""
    for option in (
        runs_dir_option,
        click.option(
            "--model",
            type=click.Path(path_type=Path),
            metavar="RUN",
            help="The run folder to use; for predict also a file that `catdog export` wrote, and `imagenet`, "
            "the original network with its 1000 answers.  [default: the newest under "
            "--runs-dir; where there is none, the model in the package]",
        ),
    ):
        command = option(command)
    return command


runs_dir_option = click.option(
    "--runs-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where runs are kept.",
)


# What it asks for is known before click reads the command line, see `catdog.cli.run`.
lang_option = click.option("--lang", type=click.Choice(LANGUAGES), help="Language of messages.")


def chosen_run(model: Path | None, runs_dir: Path) -> Run:
    """The run that --model names, or the newest; where there is none, the one in the package."""
    if model:
        return open_run(model)
    if has_runs(runs_dir):
        return newest_run(runs_dir)
    console.note(
        message(
            "no trained run under {runs_dir}: this is the model in the package, cats against dogs",
            runs_dir=runs_dir,
        )
    )
    return shipped_run()


def _for_people(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
