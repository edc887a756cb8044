"""The options of `catdog train` that decide what it computes, by subject: data, model, training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from catdog.cli.command import DATA, MODEL, TRAINING, option
from catdog.cli.options import preprocessing_option, weights_option
from catdog.cli.translate import translated
from catdog.config import HEADS, OUTPUTS, RESIZES
from catdog.model.architecture import ALL, CONVOLUTIONS, stages
from catdog.text import N_, message
from catdog.training.optimizers import OPTIMIZERS
from catdog.training.options import DEFAULT_DROPOUT, DEFAULT_FC_UNITS, DEFAULT_VALID_FRACTION, NewRun

_Command = TypeVar("_Command", bound=Callable[..., object])


class _Units(click.ParamType):
    """`256` or `512,256`."""

    name = "N[,N...]"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """The units of each layer; a usage error says what is wrong."""
        if isinstance(value, tuple):
            return value
        try:
            units = tuple(int(part) for part in value.split(","))
        except ValueError:
            units = ()
        if not units or min(units) < 1:
            self.fail(
                translated(
                    message(
                        "expected units of each hidden layer such as 256 or 512,256; found {value!r}",
                        value=value,
                    )
                )
            )
        return units


def training_options(command: _Command) -> _Command:
    """Everything that makes a training repeatable, and --resume."""
    for decorate in reversed((*_DATA, *_MODEL, *_TRAINING)):
        command = decorate(command)
    return command


_DATA = (
    option(
        "--valid-fraction",
        group=DATA,
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help=N_("Fraction for validation, if DATA has no valid/."),
        otherwise=str(DEFAULT_VALID_FRACTION),
    ),
    option(
        "--resize",
        group=DATA,
        type=click.Choice(RESIZES),
        default=NewRun.resize,
        help=N_("Squash photos, crop the centre, or pad them."),
    ),
    option(
        "--strict", group=DATA, is_flag=True, help=N_("Stop at an unreadable photo instead of skipping it.")
    ),
)

_MODEL = (
    option(
        "--head",
        group=MODEL,
        type=click.Choice(HEADS),
        help=N_(
            "New layers: average and maximum over positions (concat), average (linear), hidden layers (fc), "
            "or one layer behind fc1 and fc2 of the weights (imagenet)."
        ),
        otherwise=N_("imagenet for weights with fc1 and fc2, else concat"),
    ),
    option(
        "--fc-units",
        group=MODEL,
        type=_Units(),
        help=N_("Units of each hidden layer of --head fc."),
        otherwise=",".join(map(str, DEFAULT_FC_UNITS)),
    ),
    option(
        "--dropout",
        group=MODEL,
        type=click.FloatRange(0, 1, max_open=True),
        help=N_("Dropout rate of the heads fc and imagenet."),
        otherwise=str(DEFAULT_DROPOUT),
    ),
    option(
        "--output",
        group=MODEL,
        type=click.Choice(OUTPUTS),
        default=NewRun.output,
        help=N_("Softmax, or one sigmoid for two classes."),
    ),
    option(
        "--unfreeze",
        group=MODEL,
        type=click.Choice(["head", "fc2", "fc1", *reversed(stages(CONVOLUTIONS)), ALL]),
        default=NewRun.unfreeze,
        metavar="STAGE",
        help=N_(
            "First stage that is trained: head, block5 ... block1, or all; with --head imagenet also fc2 "
            "or fc1."
        ),
    ),
    weights_option(default=NewRun.weights),
    preprocessing_option,
)

_TRAINING = (
    option(
        "--epochs", group=TRAINING, type=click.IntRange(1), default=NewRun.epochs, help=N_("Training epochs.")
    ),
    option(
        "--batch-size",
        group=TRAINING,
        type=click.IntRange(1),
        default=NewRun.batch_size,
        help=N_("Batch size."),
    ),
    option(
        "--optimizer",
        group=TRAINING,
        type=click.Choice(list(OPTIMIZERS)),
        default=NewRun.optimizer,
        metavar="NAME",
        help=N_("Optimizer, see `catdog inspect --optimizers`."),
    ),
    option(
        "--lr",
        group=TRAINING,
        type=click.FloatRange(0, min_open=True),
        help=N_("Learning rate."),
        otherwise=N_("the optimizer's own"),
    ),
    option(
        "--seed",
        group=TRAINING,
        type=click.IntRange(0, 2**32 - 1),
        default=NewRun.seed,
        help=N_("Random seed for initialization, shuffling and dropout."),
    ),
    option(
        "--resume",
        group=TRAINING,
        type=click.Path(path_type=Path),
        metavar="RUN",
        help=N_("Continue a stopped run; with --epochs, extend a finished run."),
    ),
)
