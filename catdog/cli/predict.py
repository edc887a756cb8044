"""`catdog predict PHOTO...`: what is on these photos."""

import random
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from catdog.cli import console, progress_bars
from catdog.cli.command import DATA, MODEL, OUTPUT, Command, option
from catdog.cli.options import (
    WorkspaceOptions,
    lang_option,
    model_options,
    preprocessing_option,
    weights_option,
    workspace_options,
)
from catdog.cli.translate import UsageError
from catdog.cli.views.predictions import FORMATS, captions, writer_for
from catdog.errors import PhotoError
from catdog.inference.inputs import Input, expand, photo_from
from catdog.inference.models import IMAGENET, find_model, open_classifier, open_imagenet
from catdog.inference.saving import Saver, Sorter
from catdog.runs import Run, has_runs
from catdog.text import N_, kinds, message, plural
from catdog.workspace import Workspace

if TYPE_CHECKING:
    from catdog.inference.classifier import Classifier

EXAMPLES = (
    "catdog predict photo.jpg",
    "catdog predict holiday --sort-into sorted --threshold 0.9",
    "catdog predict 'photos/*.jpg' --format csv > predictions.csv",
    "find photos -name '*.jpg' -print0 | catdog predict - --format jsonl",
)


@dataclass(frozen=True)
class _Asked:
    """What the command line asks for."""

    photos: tuple[str, ...]
    model: Path | None
    runs_dir: Path
    weights: str | None
    preprocessing: str | None
    top_k: int | None
    form: str
    random_count: int | None
    no_calibrate: bool
    threshold: float | None
    sort_into: Path | None
    link: bool
    stdin_image: bool
    allow_private_urls: bool
    recursive: bool
    show: bool
    save: Path | None
    why: bool
    lang: str | None = None


@click.command("predict", cls=Command, examples=EXAMPLES)
@click.argument("photos", nargs=-1, metavar="PHOTO...")
@option(
    "--random",
    "random_count",
    type=click.IntRange(1),
    metavar="N",
    help=N_("N random validation photos of DATA or the run, with true classes."),
    group=DATA,
)
@option("--stdin-image", is_flag=True, help=N_("Read one photo, as bytes, from stdin."), group=DATA)
@option(
    "--allow-private-urls",
    is_flag=True,
    help=N_("Allow http(s) addresses in private networks and on this machine."),
    group=DATA,
)
@option(
    "-r",
    "--recursive",
    is_flag=True,
    help=N_("No effect: folders are always searched recursively."),
    group=DATA,
)
@model_options(imagenet=True)
@weights_option(default=None)
@preprocessing_option
@option(
    "--no-calibrate",
    is_flag=True,
    help=N_("Do not apply the run's temperature to the probabilities."),
    group=MODEL,
)
@option(
    "--top-k",
    type=click.IntRange(1),
    help=N_("Classes per photo, the most probable first."),
    otherwise=N_("1; with --model imagenet 5"),
    group=OUTPUT,
)
@option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help=N_("Predict 'unsure' where the largest probability is below P."),
    group=OUTPUT,
)
@option("--format", "form", type=click.Choice(FORMATS), default="text", help=N_("Format."), group=OUTPUT)
@option(
    "--show", is_flag=True, help=N_("Draw each photo in the terminal, above its prediction."), group=OUTPUT
)
@option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=N_("Write each photo, with its prediction below it, into DIR."),
    group=OUTPUT,
)
@option("--why", is_flag=True, help=N_("With --show or --save: add a Grad-CAM heat map."), group=OUTPUT)
@option(
    "--sort-into",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=N_("Copy each photo into DIR/<predicted class>/."),
    group=OUTPUT,
)
@option(
    "--link", is_flag=True, help=N_("With --sort-into: make symbolic links instead of copies."), group=OUTPUT
)
@lang_option
@workspace_options
def command(workspace: WorkspaceOptions, **given: Any) -> int:
    """Print what is on each PHOTO: its class and the probability.

    PHOTO is a file, a folder (with all photos below it), a pattern such as 'a/*.jpg', an http(s) address, or
    - for paths on stdin, one per line or separated by NULs. Predictions are printed in the order of the
    photos, each as soon as it is known. Exit status 1 if a photo cannot be read; the others are predicted.
    """
    asked = _Asked(**given)
    _validate(asked)
    model = _model(asked)
    others: Counter[str] = Counter()  # files that are no photos, by their extensions
    sinks = _sinks(asked)
    failed = False
    with ExitStack() as stack:
        from catdog.inference.stream import predictions  # imports jax, which a usage error does not need

        classifier = _open(asked, model, workspace.open())
        stdin = cast(BufferedReader, sys.stdin.buffer if sys.stdin else BytesIO())
        if isinstance(model, Run) and asked.random_count:
            inputs = _random(asked, model, classifier.classes, workspace.workers)
        elif asked.stdin_image:
            inputs = [stack.enter_context(photo_from(stdin))]
        else:
            inputs = expand(asked.photos, stdin, others)
        write = stack.enter_context(
            writer_for(
                asked.form,
                asked.show,
                classes=classifier.classes,
                top_k=asked.top_k or (1 if model else 5),
                truth=asked.random_count is not None,
                calibrated=classifier.calibrated,
            )
        )
        bar = stack.enter_context(progress_bars.FeatureBar(in_parts=True))
        stream = predictions(
            classifier,
            inputs,
            threshold=asked.threshold or 0.0,
            heat_maps=asked.why,
            allow_private=asked.allow_private_urls,
            report=bar,
            idle=bar.clear,
        )
        for prediction in stack.enter_context(closing(stream)):
            try:
                for sink in sinks if prediction.reason is None else ():
                    sink(prediction)
            except PhotoError as error:  # the photo is no longer there, or cannot be written
                prediction = prediction.failed(error.message)
            bar.make_room()
            write(prediction)
            failed = failed or prediction.reason is not None
    _note(others, sinks)
    return int(failed)


def _validate(asked: _Asked) -> None:
    """Refuse options that do not go together, before anything is opened."""
    is_random = asked.random_count is not None
    if asked.show and asked.form != "text":
        raise UsageError("--show is for people: it goes with --format text.")
    if asked.why and not (asked.show or asked.save):
        raise UsageError("--why goes with --show or --save.")
    if asked.link and not asked.sort_into:
        raise UsageError("--link goes with --sort-into.")
    if asked.stdin_image and (asked.photos or is_random):
        raise UsageError("--stdin-image is one photo: leave out PHOTO and --random.")
    if asked.stdin_image and asked.sort_into:
        raise UsageError("--sort-into needs photos that are files: it does not go with --stdin-image.")
    if not (asked.photos or is_random or asked.stdin_image):
        raise UsageError("expected at least one PHOTO (- for paths on stdin), or --random N.")
    if "" in asked.photos:
        raise UsageError("expected a PHOTO, found an empty one (''): is a variable of the shell empty?")
    if is_random and len(asked.photos) > 1:
        raise UsageError("--random takes its photos from one data set: expected one PHOTO or none.")
    if (asked.weights or asked.preprocessing) and asked.model != Path(IMAGENET):
        option = "--weights" if asked.weights else "--preprocessing"
        raise UsageError("{option} goes with --model imagenet: a run has its own weights.", option=option)


def _model(asked: _Asked) -> Run | Path | None:
    """The run or the exported file to use; None is the original network."""
    model = None if asked.model == Path(IMAGENET) else find_model(asked.model, asked.runs_dir)
    if not isinstance(model, Run):
        if asked.random_count:
            raise UsageError(
                "--random takes photos of a run: it does not go with --model {model}.", model=asked.model
            )
        if asked.no_calibrate:
            raise UsageError(
                "--no-calibrate is about a run: it does not go with --model {model}.", model=asked.model
            )
    elif not asked.model and has_runs(asked.runs_dir):
        run = console.short(model.folder)
        console.note(message("using the newest run, {run}; --model chooses another", run=run))
    elif not asked.model:
        console.note(
            message(
                "no trained run under {runs_dir}: using the model in the package, cats and dogs",
                runs_dir=asked.runs_dir,
            )
        )
    return model


def _open(asked: _Asked, model: Run | Path | None, workspace: Workspace) -> "Classifier":
    with progress_bars.FeatureBar() as bar:
        if model is None:
            return open_imagenet(asked.weights, asked.preprocessing, workspace, report=bar)
        return open_classifier(model, workspace, calibrate=not asked.no_calibrate, report=bar)


def _random(asked: _Asked, run: Run, classes: tuple[str, ...], workers: int) -> list[Input]:
    from catdog.evaluation.choose import choose

    data = Path(asked.photos[0]) if asked.photos else None
    with progress_bars.FeatureBar() as bar:
        found = choose(run, classes, data, None, workers=workers, report=bar)
    for remark in found.remarks:
        console.note(remark)
    wanted, available = asked.random_count or 0, len(found.photos)
    if available < wanted:
        console.note(message("photos to choose from: only {available:,}", available=available))
    chosen = random.SystemRandom().sample(found.photos, min(wanted, available))
    return [Input(photo.path, photo.label) for photo in chosen]


def _sinks(asked: _Asked) -> list[Sorter | Saver]:
    sinks: list[Sorter | Saver] = []
    if asked.sort_into:
        sinks.append(Sorter(asked.sort_into, link=asked.link))
    if asked.save:
        sinks.append(Saver(asked.save, captions))
    return sinks


def _note(others: Counter[str], sinks: Sequence[Sorter | Saver]) -> None:
    if others:
        console.note(
            plural(
                "ignored {count:,} file: not a photo by name or content ({kinds})",
                "ignored {count:,} files: not photos by name or content ({kinds})",
                others.total(),
                kinds=kinds(others),
            )
        )
    for sink in sinks:
        sentence = plural(
            "{count:,} photo written into {folder}",
            "{count:,} photos written into {folder}",
            sink.written,
            folder=sink.folder,
        )
        if sink.present:
            sentence = message(
                "{sentence}; already there: {present:,}", sentence=sentence, present=sink.present
            )
        console.note(sentence)
