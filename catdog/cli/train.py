"""`catdog train DATA`: fine-tune on a folder of photos, write runs/<name>/."""

import shlex
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from catdog.cli import console, progress_bars
from catdog.cli.options import WorkspaceOptions, lang_option, runs_dir_option, weights_from, workspace_options
from catdog.cli.train_options import options_from, training_options
from catdog.cli.translate import UsageError
from catdog.config import TrainOptions
from catdog.data import Skipped
from catdog.errors import CatdogError, RunError
from catdog.runs import EpochRecord, Run, SkippedRecord, create_run, open_run
from catdog.text import message, plural
from catdog.workspace import Workspace

if TYPE_CHECKING:
    from catdog.features.prefix import Prefix
    from catdog.model.suffix import Suffix
    from catdog.training.photos import Photos

# What --resume may change: where things are, how they are computed, and when to stop.
_RESUMABLE = {"resume", "data", "epochs", "runs_dir", "workers", "lang"}
_RESUMABLE |= {"cache_dir", "cache_limit", "no_cache"}


@click.command("train", short_help="fine-tune on a folder of photos, write runs/<name>/")
@click.argument("data", type=click.Path(path_type=Path), required=False)
@training_options
@click.option("--name", help="Name of the run folder.  [default: that of DATA, numbered]")
@runs_dir_option
@workspace_options
@click.option("--strict", is_flag=True, help="Stop at a photo that cannot be read, instead of skipping it.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with a run that was stopped; with --epochs, extend a finished one.",
)
@lang_option
@click.pass_context
def command(
    ctx: click.Context,
    data: Path | None,
    resume: Path | None,
    workspace: WorkspaceOptions,
    runs_dir: Path,
    name: str | None,
    lang: str | None,
    **chosen: Any,
) -> None:
    """Fine-tune VGG16 on the photos in DATA.

    DATA is one folder a class (DATA/cats/*.jpg, DATA/dogs/*.jpg), or train/ and valid/ folders of such, or
    files named after their class (cat.0.jpg, dog.0.jpg). Photos are only read.
    """
    from catdog.features.forward import make_suffix
    from catdog.features.prefix import Prefix
    from catdog.training.photos import find_photos

    if not (resume or data):
        raise UsageError("expected DATA, a folder of photos, or --resume RUN.")
    with ExitStack() as stack:
        opened = workspace.open()
        if resume:
            _refuse_other_options(ctx)
            run = open_run(resume)
            stack.enter_context(run.held())  # before anything is read that another training may change
            options = _options_of_run(ctx, run, data, chosen["epochs"])
            source = weights_from(options.weights, run.config.preprocessing, opened)
        else:
            assert data
            run = None
            source = weights_from(chosen["weights"], chosen["preprocessing"], opened)
            options = options_from(data, source, **chosen)
        prefix = Prefix(source, options.head, unfreeze=options.unfreeze, workspace=opened)
        with progress_bars.FeatureBar() as bar:
            photos = find_photos(options, workers=opened.workers, report=bar)
        for side in (photos.train, photos.valid):
            console.say(
                message(
                    "Found {count} images belonging to {count_2} classes.",
                    count=len(side),
                    count_2=len(photos.classes),
                )
            )
        for remark in photos.remarks:
            console.note(remark)
        if ctx.get_parameter_source("valid_fraction") == ParameterSource.COMMANDLINE and photos.has_own_split:
            console.note(message("--valid-fraction is not used: there are validation photos of their own"))
        # Before anything is made: options that do not fit these classes are refused here.
        suffix = make_suffix(prefix, options.head, len(photos.classes), size=options.decoding.size)
        is_new = run is None
        run = _begin(run, runs_dir, name, options, photos, prefix)
        if is_new:
            stack.enter_context(run.held())
        run.write_split(photos.sides())
        try:
            _train(run, options, photos, prefix, suffix, opened)
        except CatdogError:
            if is_new:
                run.discard_if_untrained()
            raise
        except KeyboardInterrupt:
            done = run.epochs_done()
            console.tell(
                message(
                    "Stopped; {done} of {epochs} epochs are kept. Go on with:\n  {command_that_goes_on}",
                    done=done,
                    epochs=options.epochs,
                    command_that_goes_on=_command_that_goes_on(ctx, run),
                )
            )
            raise


def _command_that_goes_on(ctx: click.Context, run: Run) -> str:
    words = ["catdog", "train", "--resume", str(run.folder)]
    if ctx.get_parameter_source("cache_dir") == ParameterSource.COMMANDLINE:
        words += ["--cache-dir", str(ctx.params["cache_dir"])]
    if ctx.get_parameter_source("cache_limit") == ParameterSource.COMMANDLINE:
        words += ["--cache-limit", str(ctx.params["cache_limit"])]
    if ctx.params["lang"]:
        words += ["--lang", ctx.params["lang"]]
    return shlex.join(words + ["--no-cache"] * ctx.params["no_cache"])


def _given(ctx: click.Context) -> set[str]:
    """The parameters that are on the command line or in the environment."""
    return {
        name
        for name in ctx.params
        if ctx.get_parameter_source(name) not in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    }


def _refuse_other_options(ctx: click.Context) -> None:
    if extra := sorted(_given(ctx) - _RESUMABLE):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in extra)
        raise UsageError("a resumed run keeps its own options: leave out {flags}.", flags=flags)


def _options_of_run(ctx: click.Context, run: Run, data: Path | None, epochs: int) -> TrainOptions:
    """A run's own options; only the photos' folder and the number of epochs may be new."""
    options = run.config.options
    if data:
        options = replace(options, data=str(data.absolute()))
    if "epochs" in _given(ctx):
        options = replace(options, epochs=epochs)
    done = run.epochs_done()
    if done >= options.epochs:
        raise RunError(
            "{folder} has finished its {done} epochs. Extend it with: catdog train --resume {folder} "
            "--epochs {done_2}",
            folder=run.folder,
            done=done,
            done_2=2 * done,
        )
    return options


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

    config = run_config(options, photos, prefix, command=click.get_current_context().obj)
    if run is None:
        run = create_run(runs_dir, name, config)
    else:
        old = run.config
        if (old.data_digest, old.classes) != (config.data_digest, config.classes):
            raise RunError(
                "the photos in {data} are not those that {folder} was trained on{difference}. Bring them "
                "back, or start a new run.",
                data=options.data,
                folder=run.folder,
                difference=_difference(run, photos),
            )
        if old.prefix_digest != config.prefix_digest:
            raise RunError(
                "the weights {weights!r} are not those that {folder} was trained on ({prefix_digest} instead "
                "of {prefix_digest_2}). Start a new run.",
                weights=options.weights,
                folder=run.folder,
                prefix_digest=config.prefix_digest[:12],
                prefix_digest_2=old.prefix_digest[:12],
            )
        typed = "\n".join(filter(None, (old.command, config.command)))
        run.write_config(replace(old, options=options, command=typed))
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
    workspace: Workspace,
) -> None:
    from catdog.training.fit import fit
    from catdog.training.prepare import prepare
    from catdog.training.step import Sums

    with progress_bars.FeatureBar() as bar:
        job = prepare(options, photos, prefix, suffix, workspace=workspace, report=bar)
    _tell_skipped(run, job.skipped)
    for remark in job.remarks:
        console.note(remark)
    if job.damaged_shards:
        console.warn(
            message(
                "{damaged_shards} damaged files of the feature cache were replaced",
                damaged_shards=job.damaged_shards,
            )
        )

    count = len(job.train)
    with progress_bars.EpochBar(count) as line:

        def show(epoch: int, sums: Sums) -> None:
            if sums.photos:
                line.show(sums.photos, sums.loss / sums.photos, sums.right / sums.photos)
            else:
                line.begin(f"Epoch {epoch}/{options.epochs}")

        epochs = fit(run, job, epochs=options.epochs, report=show)
        for record in epochs:
            line.print(progress_bars.epoch_line(record, count))
    _tell_result(run)


def _tell_skipped(run: Run, skipped: tuple[Skipped, ...]) -> None:
    run.write_skipped([SkippedRecord(str(one.path), str(one.reason)) for one in skipped])
    if skipped:
        first = skipped[0]
        console.warn(
            message(
                "{count} could not be read and skipped, the first {path}: {reason}. All are in {folder}",
                count=plural("{count:,} photo", "{count:,} photos", len(skipped)),
                path=first.path,
                reason=first.reason,
                folder=run.folder / "skipped.jsonl",
            )
        )


def _tell_result(run: Run) -> None:
    best: EpochRecord = min(run.history(), key=lambda record: record.val_loss)
    console.say(
        message(
            "Best epoch: {epoch}, val_loss: {val_loss:.4f}, val_acc: {val_acc:.4f}. Kept in {model_path}",
            epoch=best.epoch,
            val_loss=best.val_loss,
            val_acc=best.val_acc,
            model_path=run.model_path,
        )
    )
