"""`catdog train DATA`: fine-tune on a folder of photos, write runs/<name>/."""

import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from catdog.cli import console
from catdog.cli.command import OUTPUT, Command, option
from catdog.cli.options import WorkspaceOptions, lang_option, workspace_options
from catdog.cli.train_options import training_options
from catdog.cli.translate import UsageError
from catdog.runs import Run
from catdog.text import N_, message
from catdog.training.options import NewRun, Resume

# What --resume may change: where things are, how they are computed, and when to stop.
_RESUMABLE = {"resume", "data", "epochs", "runs_dir", "workers", "lang"}
_RESUMABLE |= {"cache_dir", "cache_limit", "no_cache"}


EXAMPLES = (
    "catdog train photos",
    "catdog train photos --name screws --optimizer nadam --epochs 10",
    "catdog train photos --unfreeze block5 --lr 0.0001",
    "catdog train --resume runs/screws --epochs 20",
)


@click.command("train", cls=Command, examples=EXAMPLES)
@click.argument("data", type=click.Path(path_type=Path), required=False)
@training_options
@option(
    "--name",
    group=OUTPUT,
    metavar="NAME",
    help=N_("Name of the run folder."),
    otherwise=N_("that of DATA, numbered"),
)
@option(
    "--runs-dir",
    group=OUTPUT,
    type=click.Path(file_okay=False, path_type=Path),
    default=NewRun.runs_dir,
    help=N_("Folder of the runs."),
)
@workspace_options
@lang_option
@click.pass_context
def command(
    ctx: click.Context,
    data: Path | None,
    resume: Path | None,
    workspace: WorkspaceOptions,
    lang: str | None,
    **chosen: Any,
) -> None:
    """Fine-tune VGG16 on the photos in DATA.

    DATA has one folder for each class (DATA/cats/*.jpg, DATA/dogs/*.jpg), or folders train/ and valid/ with
    such folders, or files named after their class (cat.0.jpg, dog.0.jpg). Photos are only read.
    """
    from catdog.cli.views.training import TrainingLog
    from catdog.training.train import train

    if resume:
        given = _given(ctx)
        _refuse_other_options(given)
        options = Resume(resume, data, chosen["epochs"] if "epochs" in given else None)
    elif data:
        options = NewRun(data, **chosen)
    else:
        raise UsageError("expected DATA, a folder of photos, or --resume RUN.")
    opened = workspace.open()
    log = TrainingLog()
    try:
        with log:
            train(options, opened, log, command=ctx.obj)
    except KeyboardInterrupt:
        if log.started:
            run = log.started.run
            console.tell(
                message(
                    "Stopped. {done} of {epochs} epochs are saved. Continue with:\n  {command}",
                    done=run.epochs_done(),
                    epochs=log.started.epochs,
                    command=_command_to_resume(ctx, run),
                )
            )
        raise


def _command_to_resume(ctx: click.Context, run: Run) -> str:
    words = ["catdog", "train", "--resume", str(run.folder)]
    for name in ("cache_dir", "cache_limit"):
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            words += [f"--{name.replace('_', '-')}", str(ctx.params[name])]
    if ctx.params["lang"]:
        words += ["--lang", ctx.params["lang"]]
    return shlex.join(words + ["--no-cache"] * ctx.params["no_cache"])


def _given(ctx: click.Context) -> set[str]:
    """The parameters that are on the command line or in the environment."""
    defaults = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    return {name for name in ctx.params if ctx.get_parameter_source(name) not in defaults}


def _refuse_other_options(given: set[str]) -> None:
    if extra := sorted(given - _RESUMABLE):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in extra)
        raise UsageError("a resumed run keeps its own options: leave out {flags}.", flags=flags)
