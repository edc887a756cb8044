"""`catdog predict PHOTO...`: what is on these photos."""

import random
import sys
from collections import Counter
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from catdog import devices, hosts
from catdog.cli import console
from catdog.cli.command import FILE, FOLDER, Command, flag, option
from catdog.cli.options import chosen_model, model_options, tta_option, weights_options, workspace_options
from catdog.cli.processes import process_options
from catdog.cli.progress_bars import FeatureBar
from catdog.cli.translate import LANGUAGES, UsageError
from catdog.cli.views.predictions import FORMATS, Columns, captions, into, writer_for
from catdog.config import has_classes
from catdog.errors import OptionError, PhotoError
from catdog.inference.divided import part_of_file
from catdog.inference.inputs import STDIN, Input, expand, photo_from
from catdog.inference.models import IMAGENET, open_classifier, open_imagenet
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
_RANDOM = N_("N random validation photos of DATA or the run, with true classes.")
_TOP_K = N_("Classes per photo, the most probable first.")
_THRESHOLD = N_("Predict 'unsure' where the largest probability is below P.")


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
    tta: bool | None
    threshold: float | None
    sort_into: Path | None
    link: bool
    stdin_image: bool
    allow_private_urls: bool
    show: bool
    save: Path | None
    why: bool
    unordered: bool
    out: Path | None


@click.command("predict", cls=Command, examples=EXAMPLES)
@click.argument("photos", nargs=-1, metavar="PHOTO...")
@option("--random random_count", "Data", _RANDOM, click.IntRange(1))
@flag("--stdin-image", "Data", N_("Read one photo, as bytes, from stdin."))
@flag("--allow-private-urls", "Data", N_("Allow http(s) addresses in private networks and on this machine."))
@flag("-r --recursive", "Data", N_("No effect: folders are always searched recursively."), expose_value=False)
@model_options(N_("Run (a path, or a name under --runs-dir), exported file, or imagenet."))
@weights_options()
@tta_option
@flag("--no-calibrate", "Model", N_("Do not apply the run's temperature to the probabilities."))
@option("--top-k", "Output", _TOP_K, click.IntRange(1), N_("1; with --model imagenet 5"))
@option("--threshold", "Output", _THRESHOLD, click.FloatRange(0, 1), metavar="P")
@option("--format form", "Output", N_("Format."), click.Choice(FORMATS), default="text")
@flag("--unordered", "Output", N_("Print predictions as they come, not in order."))
@option("--out", "Output", N_("Write the predictions into FILE."), FILE, metavar="FILE")
@flag("--show", "Output", N_("Draw each photo in the terminal, above its prediction."))
@option("--save", "Output", N_("Write each photo, with its prediction below it, into DIR."), FOLDER)
@flag("--why", "Output", N_("With --show or --save: add a Grad-CAM heat map."))
@option("--sort-into", "Output", N_("Copy each photo into DIR/<predicted class>/."), FOLDER)
@flag("--link", "Output", N_("With --sort-into: make symbolic links instead of copies."))
@option("--lang", "Other", N_("Language of messages."), click.Choice(LANGUAGES), expose_value=False)
@workspace_options
@process_options
def command(workspace: Workspace, **given: Any) -> int:
    """Print what is on each PHOTO: its class and the probability, its labels, or its value.

    PHOTO is a file, a folder (with all photos below it), a pattern such as 'a/*.jpg', an http(s) address, or
    - for paths on stdin, one per line or separated by NULs. Predictions are printed in the order of the
    photos, each as soon as it is known. Exit status 1 if a photo cannot be read; the others are predicted.
    """
    asked = _Asked(**given)
    group = hosts.group()
    _validate(asked, group)
    model = _model(asked)
    sinks: list[Sorter | Saver] = [Sorter(asked.sort_into, link=asked.link)] if asked.sort_into else []
    if asked.save:
        sinks.append(Saver(asked.save, captions))
    others: Counter[str] = Counter()  # files that are no photos, by their extensions
    failed = False
    with ExitStack() as stack:
        from catdog.inference.stream import predictions  # imports jax, which a usage error does not need

        opened = devices.opened(workspace)
        with FeatureBar() as bar:
            if model is None:
                chosen = asked.weights, asked.preprocessing
                classifier = open_imagenet(*chosen, opened, tta=asked.tta, report=bar)
            else:
                calibrate = not asked.no_calibrate
                classifier = open_classifier(model, opened, calibrate=calibrate, tta=asked.tta, report=bar)
        classes, output = classifier.classes, classifier.output
        if not has_classes(output) and (asked.threshold is not None or asked.top_k or asked.sort_into):
            of_classes = N_(
                "--top-k, --threshold and --sort-into are about classes, which this model does not predict"
            )
            raise OptionError(of_classes)
        stdin = cast(BufferedReader, sys.stdin.buffer if sys.stdin else BytesIO())
        if isinstance(model, Run) and asked.random_count:
            inputs = _random(asked, asked.random_count, model, classifier, workspace)
        elif asked.stdin_image:
            inputs = [stack.enter_context(photo_from(stdin))]
        else:
            inputs = expand(asked.photos, stdin, others)
        top_k, truth = asked.top_k or (1 if model else 5), asked.random_count is not None
        columns = Columns(output, classes, min(top_k, len(classes)), truth, classifier.calibrated)
        prints = asked.unordered or group.process == 0
        if asked.out and prints:
            stack.enter_context(into(part_of_file(asked.out, group) if asked.unordered else asked.out))
        writer = writer_for(asked.form, asked.show, columns) if prints else nullcontext(lambda _: None)
        write = stack.enter_context(writer)
        bar = stack.enter_context(FeatureBar(in_parts=True))
        stream = predictions(
            classifier,
            inputs,
            ordered=not asked.unordered,
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
    if others:
        ignored = plural(
            "ignored {count:,} file: not a photo by name or content ({kinds})",
            "ignored {count:,} files: not photos by name or content ({kinds})",
            others.total(),
            kinds=kinds(others),
        )
        console.note(ignored)
    for sink in sinks:
        written = plural(
            "{count:,} photo written into {folder}",
            "{count:,} photos written into {folder}",
            sink.written,
            folder=sink.folder,
        )
        both = message("{sentence}; already there: {present:,}", sentence=written, present=sink.present)
        console.note(both if sink.present else written)
    return int(group.any(failed))


def _validate(asked: _Asked, group: hosts.Group) -> None:
    """Refuse options that do not go together, before anything is opened."""
    is_random = asked.random_count is not None
    alone = {
        "-": STDIN in asked.photos,
        "--random": is_random,
        "--stdin-image": asked.stdin_image,
        "--show": asked.show,
        "--save": asked.save,
        "--sort-into": asked.sort_into,
    }
    if group.processes > 1 and (given := [name for name, is_given in alone.items() if is_given]):
        of_one = N_("leave out {options} in several processes. One process can do that afterwards.")
        raise UsageError(of_one, options=", ".join(given))
    if group.processes > 1 and asked.unordered and not asked.out:
        raise UsageError("--unordered in several processes writes one file for each: give --out FILE.")
    if asked.out and asked.form == "text":
        raise UsageError("--out is for programs: it goes with --format json, jsonl or csv.")
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
    model = None if asked.model == Path(IMAGENET) else chosen_model(asked.model, asked.runs_dir)
    if not isinstance(model, Run):
        if asked.random_count:
            of_runs = N_("--random takes photos of a run: it does not go with --model {model}.")
            raise UsageError(of_runs, model=asked.model)
        if asked.no_calibrate:
            of_runs = N_("--no-calibrate is about a run: it does not go with --model {model}.")
            raise UsageError(of_runs, model=asked.model)
    elif not asked.model and has_runs(asked.runs_dir):
        run = console.short(model.folder)
        console.note(message("using the newest run, {run}; --model chooses another", run=run))
    return model


def _random(asked: _Asked, wanted: int, run: Run, model: "Classifier", workspace: Workspace) -> list[Input]:
    from catdog.evaluation.choose import choose

    data = Path(asked.photos[0]) if asked.photos else None
    with FeatureBar() as bar:
        (found,) = choose(
            [run], model.classes, data, None, output=model.output, workspace=workspace, report=bar
        )
    for remark in found.remarks:
        console.note(remark)
    available = len(found.photos)
    if available < wanted:
        console.note(message("photos to choose from: only {available:,}", available=available))
    chosen = random.SystemRandom().sample(found.photos, min(wanted, available))
    return [Input(photo.path, photo.label) for photo in chosen]
