"""The options of `catdog train` that decide what it computes, by subject: data, model, training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from catdog.cli.options import preprocessing_option, weights_option
from catdog.cli.translate import translated
from catdog.config import HEADS, OUTPUTS, RESIZES
from catdog.model.architecture import ALL, CONVOLUTIONS, stages
from catdog.text import message
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
    for option in reversed((*_DATA, *_MODEL, *_TRAINING)):
        command = option(command)
    return command


_DATA = (
    click.option(
        "--valid-fraction",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        metavar="FRACTION",
        help="Fraction of photos for validation, if DATA has no valid/.  "
        f"[default: {DEFAULT_VALID_FRACTION}]",
    ),
    click.option(
        "--resize",
        type=click.Choice(RESIZES),
        default=NewRun.resize,
        show_default=True,
        help="Squash photos to a square, crop the centre, or pad with black.",
    ),
    click.option("--strict", is_flag=True, help="Stop at an unreadable photo instead of skipping it."),
)

_MODEL = (
    click.option(
        "--head",
        type=click.Choice(HEADS),
        help="New layers: concat (average and maximum over positions), linear (average over positions), fc "
        "(hidden layers with dropout), or imagenet (behind the weights' own fc1 and fc2); each ends in a "
        "Dense layer.  [default: imagenet for weights with fc1 and fc2, else concat]",
    ),
    click.option(
        "--fc-units",
        type=_Units(),
        help=f"Units of each hidden layer of --head fc.  [default: {','.join(map(str, DEFAULT_FC_UNITS))}]",
    ),
    click.option(
        "--dropout",
        type=click.FloatRange(0, 1, max_open=True),
        metavar="RATE",
        help=f"Dropout rate of the heads fc and imagenet.  [default: {DEFAULT_DROPOUT}]",
    ),
    click.option(
        "--output",
        type=click.Choice(OUTPUTS),
        default=NewRun.output,
        show_default=True,
        help="Softmax over the classes, or one sigmoid for two.",
    ),
    click.option(
        "--unfreeze",
        type=click.Choice(["head", "fc2", "fc1", *reversed(stages(CONVOLUTIONS)), ALL]),
        default=NewRun.unfreeze,
        show_default=True,
        metavar="STAGE",
        help="First stage that is trained: head, block5 ... block1, all; with --head imagenet also fc2, fc1.",
    ),
    weights_option(default=NewRun.weights),
    preprocessing_option,
)

_TRAINING = (
    click.option(
        "--epochs",
        type=click.IntRange(1),
        default=NewRun.epochs,
        show_default=True,
        metavar="N",
        help="Training epochs.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        default=NewRun.batch_size,
        show_default=True,
        metavar="N",
        help="Batch size.",
    ),
    click.option(
        "--optimizer",
        type=click.Choice(list(OPTIMIZERS)),
        default=NewRun.optimizer,
        show_default=True,
        metavar="NAME",
        help="Optimizer, see `catdog inspect --optimizers`.",
    ),
    click.option(
        "--lr",
        type=click.FloatRange(0, min_open=True),
        metavar="RATE",
        help="Learning rate.  [default: the optimizer's own]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=NewRun.seed,
        show_default=True,
        metavar="N",
        help="Random seed for initialization, shuffling and dropout.",
    ),
    click.option(
        "--resume",
        type=click.Path(path_type=Path),
        metavar="RUN",
        help="Continue a stopped run; with --epochs, extend a finished run.",
    ),
)
