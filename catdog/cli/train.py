"""`catdog train DATA`: fine-tune on a folder of photos, write runs/<name>/."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from catdog.cli import look
from catdog.cli.options import Places, cache_options, places, runs_dir_option
from catdog.config import HEADS, OUTPUTS, RESIZES, Decoding, Head, TrainOptions
from catdog.data import Skipped
from catdog.errors import CatdogError, OptionError, RunError
from catdog.model.architecture import ALL, CONVOLUTIONS, stages
from catdog.model.weights import BUILTIN
from catdog.runs import EpochRecord, Run, SkippedRecord, create_run, open_run
from catdog.training.optimizers import OPTIMIZERS, find_optimizer

if TYPE_CHECKING:
    from catdog.features.prefix import Prefix
    from catdog.model.suffix import Suffix
    from catdog.training.photos import Photos

# Chosen on 1,600 + 400 photos of dogs and cats with several seeds: the table is in the README.
_DEFAULT_EPOCHS = 20
_DEFAULT_FC_UNITS = (64,)
_DEFAULT_DROPOUT = 0.5

# What --resume may change: where things are, how they are computed, and when to stop.
_RESUMABLE = {"resume", "data", "epochs", "runs_dir", "cache_dir", "no_cache", "workers"}


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


@click.command("train", short_help="fine-tune on a folder of photos, write runs/<name>/")
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=_DEFAULT_EPOCHS,
    show_default=True,
    help="Times each photo is shown.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Photos an optimizer step.",
)
@click.option(
    "--optimizer",
    type=click.Choice(list(OPTIMIZERS)),
    default="adam",
    show_default=True,
    metavar="NAME",
    help=_optimizer_help(),
)
@click.option(
    "--lr",
    type=click.FloatRange(0, min_open=True),
    help="Learning rate.  [default: the optimizer's own]",
)
@click.option(
    "--head",
    type=click.Choice(HEADS),
    default="concat",
    show_default=True,
    help="New layers: concat (average beside maximum over positions, softmax), linear (average, softmax) "
    "or fc (flatten, Dense, ReLU, dropout, softmax).",
)
@click.option(
    "--fc-units",
    type=_Units(),
    help=f"Units of each hidden layer of --head fc.  [default: {','.join(map(str, _DEFAULT_FC_UNITS))}]",
)
@click.option(
    "--dropout",
    type=click.FloatRange(0, 1, max_open=True),
    help=f"Share of hidden units of --head fc dropped in training.  [default: {_DEFAULT_DROPOUT}]",
)
@click.option(
    "--output",
    type=click.Choice(OUTPUTS),
    default="category",
    show_default=True,
    help="Ask for one of several classes (softmax), or yes or no (one sigmoid, two classes).",
)
@click.option(
    "--unfreeze",
    type=click.Choice(["head", *reversed(stages(CONVOLUTIONS)), ALL]),
    default="head",
    show_default=True,
    help="First stage that trains; everything before it stays frozen.",
)
@click.option(
    "--weights",
    default="builtin",
    show_default=True,
    metavar="NAME|FILE",
    help="Pretrained convolutions: builtin, or a .safetensors file with the same names.",
)
@click.option(
    "--resize",
    type=click.Choice(RESIZES),
    default="squash",
    show_default=True,
    help="How a photo becomes a square: the whole of it squashed, its centre cropped, or padded with black.",
)
@click.option(
    "--valid-fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of validation photos where DATA has no valid/ folder.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of the new layers, the order of the photos, and dropout.",
)
@click.option("--name", help="Name of the run folder.  [default: that of DATA, numbered]")
@runs_dir_option
@cache_options
@click.option("--strict", is_flag=True, help="Stop at a photo that cannot be read, instead of skipping it.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with a run that was stopped; with --epochs, extend a finished one.",
)
@click.pass_context
def command(
    ctx: click.Context,
    data: Path | None,
    resume: Path | None,
    cache_dir: Path | None,
    no_cache: bool,
    workers: int,
    runs_dir: Path,
    name: str | None,
    **chosen: Any,
) -> None:
    """Fine-tune VGG16 on the photos in DATA.

    DATA is one folder a class (DATA/cats/*.jpg, DATA/dogs/*.jpg), or train/ and valid/ folders of such, or
    files named after their class (cat.0.jpg, dog.0.jpg). Photos are only read.
    """
    from catdog.features.answer import make_suffix
    from catdog.features.prefix import Prefix
    from catdog.training.photos import find_photos

    if resume:
        run, options = _options_of_run(ctx, resume, data, chosen["epochs"])
    elif data:
        run, options = None, _options(data, **chosen)
    else:
        raise click.UsageError("expected DATA, a folder of photos, or --resume RUN.")
    with places(cache_dir, no_cache) as where:
        prefix = Prefix(options.weights, unfreeze=options.unfreeze, memo_dir=where.checked)
        with look.FeatureBar() as bar:
            photos = find_photos(options, workers=workers, report=bar)
        for side in (photos.train, photos.valid):
            look.say(f"Found {len(side)} images belonging to {len(photos.classes)} classes.")
        for remark in photos.remarks:
            look.note(remark)
        if ctx.get_parameter_source("valid_fraction") == ParameterSource.COMMANDLINE and photos.has_own_split:
            look.note("--valid-fraction is not used: there are validation photos of their own")
        # Before anything is made: options that do not fit these classes are refused here.
        suffix = make_suffix(prefix, options.head, len(photos.classes), size=options.decoding.size)
        is_new = run is None
        run = _begin(run, runs_dir, name, options, photos, prefix)
        try:
            _train(run, options, photos, prefix, suffix, where, workers)
        except CatdogError:
            if is_new:
                run.discard_if_untrained()
            raise
        except KeyboardInterrupt:
            done = run.epochs_done()
            look.tell(
                f"Stopped; {done} of {options.epochs} epochs are kept. Go on with:\n"
                f"  {_command_that_goes_on(ctx, run)}"
            )
            raise


def _command_that_goes_on(ctx: click.Context, run: Run) -> str:
    words = ["catdog", "train", "--resume", str(run.folder)]
    if ctx.get_parameter_source("cache_dir") == ParameterSource.COMMANDLINE:
        words += ["--cache-dir", str(ctx.params["cache_dir"])]
    return shlex.join(words + ["--no-cache"] * ctx.params["no_cache"])


def _options(
    data: Path,
    *,
    lr: float | None,
    head: Any,
    fc_units: Any,
    dropout: float | None,
    output: Any,
    resize: Any,
    **rest: Any,
) -> TrainOptions:
    """What the command line asks for.

    Raises:
        OptionError: options do not go together.
    """
    if head != "fc" and (fc_units or dropout is not None):
        flag = "--fc-units" if fc_units else "--dropout"
        raise OptionError(f"{flag} belongs to --head fc; the {head} head has no hidden layers")
    if head == "fc":
        rate = _DEFAULT_DROPOUT if dropout is None else dropout
        new = Head("fc", fc_units or _DEFAULT_FC_UNITS, rate, output)
    else:
        new = Head(head, output=output)
    optimizer = find_optimizer(rest["optimizer"])
    if rest["weights"] != BUILTIN:
        rest["weights"] = str(Path(rest["weights"]).expanduser().absolute())
    return TrainOptions(
        data=str(data.absolute()),
        learning_rate=lr or optimizer.learning_rate,
        head=new,
        decoding=Decoding(resize=resize),
        **rest,
    )


def _options_of_run(
    ctx: click.Context, resume: Path, data: Path | None, epochs: int
) -> tuple[Run, TrainOptions]:
    """A run's own options; only the photos' folder and the number of epochs may be new."""
    given = {
        name
        for name in ctx.params
        if ctx.get_parameter_source(name) not in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    }
    if extra := sorted(given - _RESUMABLE):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in extra)
        raise click.UsageError(f"a resumed run keeps its own options: leave out {flags}.")
    run = open_run(resume)
    options = run.config.options
    if data:
        options = replace(options, data=str(data.absolute()))
    if "epochs" in given:
        options = replace(options, epochs=epochs)
    done = run.epochs_done()
    if done >= options.epochs:
        raise RunError(
            f"{run.folder} has finished its {done} epochs. Extend it with: "
            f"catdog train --resume {run.folder} --epochs {2 * done}"
        )
    return run, options


def _begin(
    run: Run | None,
    runs_dir: Path,
    name: str | None,
    options: TrainOptions,
    photos: "Photos",
    prefix: "Prefix",
) -> Run:
    """A new run folder, or the old one if photos and weights are still the same."""
    from catdog.training.prepare import run_config

    config = run_config(options, photos, prefix)
    if run is None:
        run = create_run(runs_dir, name, config)
    else:
        old = run.config
        if (old.data_digest, old.classes) != (config.data_digest, config.classes):
            raise RunError(
                f"the photos in {options.data} are not those that {run.folder} was trained on"
                f"{_difference(run, photos)}. Bring them back, or start a new run."
            )
        if old.prefix_digest != config.prefix_digest:
            raise RunError(
                f"the weights {options.weights!r} are not those that {run.folder} was trained on "
                f"({config.prefix_digest[:12]} instead of {old.prefix_digest[:12]}). Start a new run."
            )
        run.write_config(replace(old, options=options))
    run.write_split(photos.sides())
    return run


def _difference(run: Run, photos: "Photos") -> str:
    try:
        before = set().union(*run.split().values())
    except RunError:  # killed before it was written
        return ""
    now = {*photos.train.digests, *photos.valid.digests}
    return f" ({len(now - before)} new, {len(before - now)} missing, others moved to another side or class)"


def _train(
    run: Run,
    options: TrainOptions,
    photos: "Photos",
    prefix: "Prefix",
    suffix: "Suffix",
    where: Places,
    workers: int,
) -> None:
    from catdog.training.fit import fit
    from catdog.training.prepare import prepare
    from catdog.training.step import Sums

    with look.FeatureBar() as bar:
        job = prepare(options, photos, prefix, suffix, cache_root=where.features, workers=workers, report=bar)
    _tell_skipped(run, job.skipped)
    if job.damaged_shards:
        look.warn(f"{job.damaged_shards} damaged files of the feature cache were replaced")

    count = len(job.train)
    with look.EpochBar(count) as line:

        def show(epoch: int, sums: Sums) -> None:
            if sums.photos:
                line.show(sums.photos, sums.loss / sums.photos, sums.right / sums.photos)
            else:
                line.begin(f"Epoch {epoch}/{options.epochs}")

        epochs = fit(
            run,
            job.trainer,
            suffix,
            job.train,
            job.valid,
            start=job.start,
            saved=job.saved,
            epochs=options.epochs,
            report=show,
        )
        for record in epochs:
            line.print(look.epoch_line(record, count))
    _tell_result(run)


def _tell_skipped(run: Run, skipped: tuple[Skipped, ...]) -> None:
    run.write_skipped([SkippedRecord(str(one.path), one.reason) for one in skipped])
    if skipped:
        first = skipped[0]
        look.warn(
            f"{len(skipped)} photos could not be read and were skipped, the first {first.path}: "
            f"{first.reason}. All are in {run.folder / 'skipped.jsonl'}"
        )


def _tell_result(run: Run) -> None:
    best: EpochRecord = min(run.history(), key=lambda record: record.val_loss)
    look.say(
        f"Best epoch: {best.epoch}, val_loss: {best.val_loss:.4f}, val_acc: {best.val_acc:.4f}. "
        f"Kept in {run.model_path}"
    )
