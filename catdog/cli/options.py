"""Options that several commands share, and what they stand for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeVar

import click

from catdog import devices
from catdog.cli import look
from catdog.cli.language import LANGUAGES
from catdog.config import PREPROCESSINGS
from catdog.errors import CacheError
from catdog.features.progress import Progress
from catdog.model.weights import WeightSource, find_weights
from catdog.places import CACHE_VARIABLE, LIMIT_VARIABLE, Places, default_cache_dir
from catdog.runs import Run, has_runs, newest_run, open_run, shipped_run
from catdog.text import bytes_from_people

_Command = TypeVar("_Command", bound=Callable[..., object])


@contextmanager
def places(cache_dir: Path | None, no_cache: bool, cache_limit: int | None) -> Iterator[Places]:
    """The user's cache folder; with `no_cache` only downloads are written there. JAX is set up to match."""
    where = Places.below(
        cache_dir or default_cache_dir(), keep=not no_cache, limit=cache_limit, warn=cache(look.warn)
    )
    try:
        devices.configure(where.cache)
    except CacheError as error:
        look.warn(str(error))
        devices.configure(None)
        where = replace(where, features=replace(where.features, writable=False))
    yield where


class _Size(click.ParamType):
    """A number of bytes, such as 20GB."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `click.ParamType`."""
        try:
            return value if isinstance(value, int) else bytes_from_people(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def cache_options(command: _Command) -> _Command:
    """--cache-dir, --cache-limit, --no-cache and --workers."""
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
        command = option(command)
    return command


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


def weights_from(name: str, preprocessing: str | None, where: Places) -> WeightSource:
    """The weights that --weights names, downloaded if need be, with progress."""
    with look.FeatureBar() as bar:
        return find_weights(
            name,
            preprocessing=preprocessing,
            folder=where.weights,
            memo_dir=where.checked,
            report=lambda done, total: bar(Progress("download", done, total or 0)),
        )


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
lang_option = click.option("--lang", type=click.Choice(LANGUAGES), help="Speak another language.")


def chosen_run(model: Path | None, runs_dir: Path) -> Run:
    """The run that --model names, or the newest; where there is none, the one in the package."""
    if model:
        return open_run(model)
    if has_runs(runs_dir):
        return newest_run(runs_dir)
    look.note(f"no trained run under {runs_dir}: this is the model in the package, cats against dogs")
    return shipped_run()


def _for_people(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
