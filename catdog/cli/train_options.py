"""The options of `catdog train` that decide what it computes, and what they add up to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from catdog.cli.options import preprocessing_option, weights_option
from catdog.config import HEADS, OUTPUTS, RESIZES, Decoding, Head, TrainOptions
from catdog.errors import OptionError
from catdog.model.architecture import ALL, CONVOLUTIONS, stages
from catdog.training.optimizers import OPTIMIZERS, find_optimizer
from catdog.weights.source import BUILTIN, NAMES, WeightSource

_Command = TypeVar("_Command", bound=Callable[..., object])

# Chosen on 1,600 + 400 photos of dogs and cats with several seeds: the table is in the README.
_DEFAULT_EPOCHS = 20
_DEFAULT_FC_UNITS = (64,)
_DEFAULT_DROPOUT = 0.5


class _Units(click.ParamType):
    """`256` or `512,256`."""

    name = "N[,N...]"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """The units of each layer; a usage error names what is wrong."""
        if isinstance(value, tuple):
            return value
        try:
            units = tuple(int(part) for part in value.split(","))
        except ValueError:
            units = ()
        if not units or min(units) < 1:
            self.fail(f"expected units of each hidden layer such as 256 or 512,256; found {value!r}")
        return units


def _optimizer_help() -> str:
    names = "; ".join(f"{one.name} ({one.learning_rate:g})" for one in OPTIMIZERS.values())
    return f"How the weights move, each with its default rate: {names}. See `catdog inspect --optimizers`."


def training_options(command: _Command) -> _Command:
    """Everything that makes a training repeatable."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--epochs",
        type=click.IntRange(1),
        default=_DEFAULT_EPOCHS,
        show_default=True,
        help="Times each photo is shown.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        default=64,
        show_default=True,
        help="Photos an optimizer step.",
    ),
    click.option(
        "--optimizer",
        type=click.Choice(list(OPTIMIZERS)),
        default="adam",
        show_default=True,
        metavar="NAME",
        help=_optimizer_help(),
    ),
    click.option(
        "--lr",
        type=click.FloatRange(0, min_open=True),
        help="Learning rate.  [default: the optimizer's own]",
    ),
    click.option(
        "--head",
        type=click.Choice(HEADS),
        help="New layers: concat (average beside maximum over positions, softmax), linear (average, "
        "softmax), fc (flatten, Dense, ReLU, dropout, softmax), or imagenet (softmax on the weights' own fc1 "
        "and fc2).  [default: imagenet for weights that have those, else concat]",
    ),
    click.option(
        "--fc-units",
        type=_Units(),
        help=f"Units of each hidden layer of --head fc.  [default: {','.join(map(str, _DEFAULT_FC_UNITS))}]",
    ),
    click.option(
        "--dropout",
        type=click.FloatRange(0, 1, max_open=True),
        help="Share of hidden units of the heads fc and imagenet dropped in training.  "
        f"[default: {_DEFAULT_DROPOUT}]",
    ),
    click.option(
        "--output",
        type=click.Choice(OUTPUTS),
        default="category",
        show_default=True,
        help="Ask for one of several classes (softmax), or yes or no (one sigmoid, two classes).",
    ),
    click.option(
        "--unfreeze",
        type=click.Choice(["head", "fc2", "fc1", *reversed(stages(CONVOLUTIONS)), ALL]),
        default="head",
        show_default=True,
        help="First stage that trains; everything before it stays frozen. fc1 and fc2 go with --head "
        "imagenet.",
    ),
    weights_option(default=BUILTIN),
    preprocessing_option,
    click.option(
        "--resize",
        type=click.Choice(RESIZES),
        default="squash",
        show_default=True,
        help="How a photo becomes a square: the whole of it squashed, its centre cropped, or padded with "
        "black.",
    ),
    click.option(
        "--valid-fraction",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.2,
        show_default=True,
        help="Share of validation photos where DATA has no valid/ folder.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        show_default=True,
        help="Of the new layers, the order of the photos, and dropout.",
    ),
)


def options_from(
    data: Path,
    source: WeightSource,
    *,
    lr: float | None,
    head: Any,
    fc_units: Any,
    dropout: float | None,
    output: Any,
    resize: Any,
    weights: str,
    **rest: Any,
) -> TrainOptions:
    """What the command line asks for.

    Raises:
        OptionError: options do not go together.
    """
    head = head or ("imagenet" if source.has_fc else "concat")
    if fc_units and head != "fc":
        raise OptionError(
            "--fc-units belongs to --head fc; the {head} head has no hidden layers of its own", head=head
        )
    if dropout is not None and head not in ("fc", "imagenet"):
        raise OptionError(
            "--dropout belongs to --head fc or imagenet; the {head} head has no hidden layers", head=head
        )
    units = (fc_units or _DEFAULT_FC_UNITS) if head == "fc" else ()
    rate = _DEFAULT_DROPOUT if dropout is None else dropout
    return TrainOptions(
        data=str(data.absolute()),
        learning_rate=lr or find_optimizer(rest["optimizer"]).learning_rate,
        head=Head(head, units, rate, output),
        weights=weights if weights in NAMES else str(source.path.absolute()),
        decoding=Decoding(resize=resize),
        **rest,
    )
