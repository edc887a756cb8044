"""`catdog train DATA`: fine-tune on a folder of photos, write runs/<name>/."""

import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from catdog import devices, hosts, interrupt
from catdog.cli import console, processes
from catdog.cli.command import FILE, FOLDER, PATH, Command, Decorator, Heading, flag, option
from catdog.cli.options import Parsed, weights_options, workspace_options
from catdog.cli.translate import LANGUAGES, UsageError
from catdog.config import CLASS_WEIGHTS, HEADS, LOSSES, OUTPUTS, QUALITIES, RESIZES, SCHEDULES
from catdog.errors import RunError
from catdog.inference.models import find_model
from catdog.model.architecture import ALL, CONVOLUTIONS, stages
from catdog.runs import Run
from catdog.text import N_, message, seconds_from_people
from catdog.training.optimizers import OPTIMIZERS
from catdog.training.options import DEFAULT_DROPOUT, DEFAULT_FC_UNITS, DEFAULT_VALID_FRACTION, NewRun, Resume
from catdog.workspace import Workspace

# What --resume may change: where things are, how they are computed, and when to stop.
_RESUMABLE = {
    *"resume data epochs runs_dir workers lang cache_dir cache_limit no_cache rehash".split(),
    *processes.NAMES,
}

EXAMPLES = (
    "catdog train photos",
    "catdog train photos --name screws --optimizer nadam --epochs 10",
    "catdog train photos --unfreeze block5",
    "catdog train --resume runs/screws --epochs 20",
)


def _integers(expected: str) -> Parsed:
    """A positive number, or several: `256` or `512,256`."""

    def parse(text: str) -> tuple[int, ...]:
        try:
            numbers = tuple(map(int, text.split(",")))
        except ValueError:
            numbers = ()
        if not numbers or min(numbers) < 1:
            raise ValueError(message(expected, value=text))
        return numbers

    return Parsed("N[,N...]", parse)


def _batch_size(text: str) -> int | None:
    """`auto` or a number."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(message(N_("expected auto or a number such as 64, found {value!r}"), value=text))
    return int(text)


def _penalty(text: str) -> float | None:
    """`auto` or a number."""
    try:
        return None if text == "auto" else float(text)
    except ValueError:
        expected = N_("expected auto or a number such as 0.001, found {value!r}")
        raise ValueError(message(expected, value=text)) from None


_HEAD = N_(
    "New layers: generalized mean (gem), average and maximum (concat) or average (linear) over positions, "
    "hidden layers (fc), or one layer behind fc1 and fc2 of the weights (imagenet)."
)
_QUALITY = N_("Photos of 224, of 320, or of 448, 320 and 224 pixels.")
_TIME_LIMIT = N_("Best quality that fits into a time such as 10m.")
_SIZE = N_("Pixels a side: 96, 128 ... 768; or several, as 320,224.")
_VIEWS = N_("K more views of each photo; with --unfreeze all new ones each epoch.")
_FOLDS = N_("Cross-validation folds, or 0.")
_UNFREEZE = N_(
    "First stage that is trained: head, block5 ... block1, or all; with --head imagenet also fc2 or fc1."
)
_OPTIMIZER = N_("Optimizer, see `catdog inspect --optimizers`.")
_FIND_LR = N_("Suggest a learning rate, draw the losses (PNG), and stop.")
_PATIENCE = N_("Early stopping: epochs without a lower val_loss.")
_RESUME = N_("Continue a stopped run; with --epochs, extend a finished run.")
_STAGES = click.Choice(["head", "fc2", "fc1", *reversed(stages(CONVOLUTIONS)), ALL])
_UNITS = _integers(N_("expected units of each hidden layer such as 256 or 512,256; found {value!r}"))
_SIZES = _integers(N_("expected pixels such as 320 or 448,320,224; found {value!r}"))
_SEED = click.IntRange(0, 2**32 - 1)
_TIME = Parsed("TIME", seconds_from_people)
_BATCH_SIZE = Parsed("N|auto", _batch_size)
_L2, _WEIGHTS = Parsed("auto|X", _penalty), click.Choice(CLASS_WEIGHTS)
_FRACTION = click.FloatRange(0, 1, min_open=True, max_open=True)
_RATE, _ABOVE_0 = click.FloatRange(0, 1, max_open=True), click.FloatRange(0, min_open=True)
# Defaults in words, where `NewRun` leaves them open.
_DEFAULTS = {
    "valid_fraction": str(DEFAULT_VALID_FRACTION),
    "head": N_("imagenet for weights with fc1 and fc2, else gem"),
    "fc_units": ",".join(map(str, DEFAULT_FC_UNITS)),
    "dropout": str(DEFAULT_DROPOUT),
    "lr": N_("the optimizer's own"),
    "labels": N_("names of folders"),
    "loss": "mse",
    "schedule": N_("by --unfreeze"),
    "epochs": N_("20; 8 with lbfgs; 6 with --unfreeze"),
    "optimizer": N_("lbfgs, adam or adamw"),
    "size": N_("by quality"),
    "l2": "auto",
    "folds": N_("5 for few photos"),
    "name": N_("that of DATA, numbered"),
}


def _new(option_name: str, group: Heading, help: str, type: Any = None, **rest: Any) -> Decorator:
    """An option that is a field of `NewRun`, with its default."""
    field = option_name.removeprefix("--").replace("-", "_")
    words = _DEFAULTS.get(field, "")
    return option(option_name, group, help, type, words, default=getattr(NewRun, field), **rest)


@click.command("train", cls=Command, examples=EXAMPLES)
@click.argument("data", type=PATH, required=False)
@_new("--valid-fraction", "Data", N_("Fraction for validation, if DATA has no valid/."), _FRACTION)
@_new("--folds", "Data", _FOLDS, click.IntRange(0))
@_new("--quality", "Data", _QUALITY, click.Choice(QUALITIES))
@_new("--size", "Data", _SIZE, _SIZES)
@_new("--time-limit", "Data", _TIME_LIMIT, _TIME)
@_new("--resize", "Data", N_("Squash photos, crop the centre, or pad them."), click.Choice(RESIZES))
@_new("--views", "Data", _VIEWS, click.IntRange(0), metavar="K")
@_new("--labels", "Data", N_("CSV of classes, values or labels."), FILE, metavar="FILE.csv")
@flag("--strict", "Data", N_("Stop at an unreadable photo instead of skipping it."))
@_new("--head", "Model", _HEAD, click.Choice(HEADS))
@_new("--fc-units", "Model", N_("Units of each hidden layer of --head fc."), _UNITS)
@_new("--dropout", "Model", N_("Dropout rate of the heads fc and imagenet."), _RATE)
@_new(
    "--output",
    "Model",
    N_("One of the classes; one sigmoid for two; several labels; a value."),
    click.Choice(OUTPUTS),
)
@_new("--loss", "Model", N_("Loss of --output value."), click.Choice(LOSSES))
@_new("--unit", "Model", N_("Unit of --output value, such as cm."), metavar="TEXT")
@_new("--unfreeze", "Model", _UNFREEZE, _STAGES, metavar="STAGE")
@weights_options(NewRun.weights)
@_new("--epochs", "Training", N_("Training epochs."), click.IntRange(1))
@_new("--batch-size", "Training", N_("Batch size; auto is what fits."), _BATCH_SIZE)
@_new("--optimizer", "Training", _OPTIMIZER, click.Choice(list(OPTIMIZERS)), metavar="NAME")
@_new("--lr", "Training", N_("Learning rate."), _ABOVE_0)
@option("--find-lr", "Training", _FIND_LR, PATH, metavar="FILE")
@_new("--schedule", "Training", N_("constant, cosine or one-cycle."), click.Choice(SCHEDULES), metavar="NAME")
@_new("--label-smoothing", "Training", N_("Label smoothing, such as 0.1."), _RATE)
@_new("--mixup", "Training", N_("Mixup of training photos: alpha, such as 0.2."), click.FloatRange(0))
@_new("--patience", "Training", _PATIENCE, click.IntRange(1))
@_new("--l2", "Training", N_("L2 penalty of lbfgs."), _L2)
@_new("--class-weights", "Training", N_("Class weights: none or balanced."), _WEIGHTS, metavar="NAME")
@_new("--seed", "Training", N_("Random seed for initialization, shuffling and dropout."), _SEED)
@option("--resume", "Training", _RESUME, PATH, metavar="RUN")
@_new("--name", "Output", N_("Name of the run folder."), metavar="NAME")
@_new("--runs-dir", "Output", N_("Folder of the runs."), FOLDER)
@workspace_options
@processes.process_options
@option("--lang", "Other", N_("Language of messages."), click.Choice(LANGUAGES), N_("from LANG"))
@click.pass_context
def command(
    ctx: click.Context,
    data: Path | None,
    resume: Path | None,
    find_lr: Path | None,
    workspace: Workspace,
    lang: str | None,
    **chosen: Any,
) -> None:
    """Fine-tune VGG16 on the photos in DATA.

    DATA has one folder for each class (DATA/cats/*.jpg, DATA/dogs/*.jpg), or folders train/ and valid/ with
    such folders, or files named after their class (cat.0.jpg, dog.0.jpg). Photos are only read.
    """
    from catdog.cli.views.training import OtherProcessLog, TrainingLog, suggest_rate
    from catdog.training.find_rate import find_rate
    from catdog.training.train import train

    group = hosts.group()
    if resume:
        defaults = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)  # others: typed, or the environment
        given = {name for name in ctx.params if ctx.get_parameter_source(name) not in defaults}
        if extra := sorted(given - _RESUMABLE):
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in extra)
            raise UsageError("a resumed run keeps its own options: leave out {flags}.", flags=flags)
        found = resume if group.process else find_model(resume, chosen["runs_dir"])
        options = Resume(
            found.folder if isinstance(found, Run) else found,
            data,
            chosen["epochs"] if "epochs" in given else None,
        )
    elif data:
        options = NewRun(data, **chosen)
    else:
        raise UsageError("expected DATA, a folder of photos, or --resume RUN.")
    opened = devices.opened(workspace)
    interrupt.end_on_preemption()
    log = OtherProcessLog() if group.process else TrainingLog()
    try:
        with log:
            if find_lr and isinstance(options, NewRun):
                suggest_rate(find_rate(options, opened, log), find_lr)
            else:
                train(options, opened, log, command=ctx.obj)
    except (KeyboardInterrupt, BrokenPipeError) as error:
        was_preempted = isinstance(error, interrupt.Preempted)
        if isinstance(log, OtherProcessLog):
            pass
        elif log.started:
            run, epochs = log.started
            words = _command_to_resume(ctx, run)
            stopped = _PREEMPTED if was_preempted else _STOPPED
            with suppress(BrokenPipeError):  # stderr goes the same way
                console.tell(message(stopped, done=run.epochs_done(), epochs=epochs, command=words))
        elif was_preempted:
            console.tell(message(_PREEMPTED_EARLY))
        if isinstance(error, BrokenPipeError):
            sys.stdout = None
            raise RunError(
                "nobody reads the output of this training any more, so it was stopped: send it to a file"
            ) from error
        raise


_STOPPED = N_("Stopped. {done} of {epochs} epochs are saved. Continue with:\n  {command}")
_PREEMPTED = N_(
    "Stopped by a signal. Everything so far is saved, with {done} of {epochs} whole epochs. Continue with:\n"
    "  {command}"
)
_PREEMPTED_EARLY = N_(
    "Stopped by a signal before the training began. Features so far are in the cache. Start again with the "
    "same command."
)


def _command_to_resume(ctx: click.Context, run: Run) -> str:
    words = ["catdog", "train", "--resume", str(run.folder)]
    for name in ("cache_dir", "cache_limit", "lang"):
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            words += [f"--{name.replace('_', '-')}", str(ctx.params[name])]
    return shlex.join(words + ["--no-cache"] * ctx.params["no_cache"])
