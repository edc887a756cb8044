"""`catdog predict PHOTO...`: what is on these photos."""

import random
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import click
import numpy as np

from catdog.cli import console, progress_bars
from catdog.cli.models import (
    IMAGENET,
    classifier_of,
    exported,
    file_classifier,
    imagenet_classifier,
    refuse_weights,
)
from catdog.cli.options import (
    WorkspaceOptions,
    chosen_run,
    lang_option,
    model_options,
    preprocessing_option,
    weights_option,
    workspace_options,
)
from catdog.cli.saving import saver
from catdog.cli.translate import UsageError
from catdog.cli.views.predictions import FORMATS, UNSURE, Answer, writer_for
from catdog.config import Decoding
from catdog.data import decode_for_people
from catdog.data.overlay import lay_over
from catdog.errors import PhotoError
from catdog.inference.arrivals import chunks
from catdog.inference.free_names import Numbering
from catdog.inference.inputs import STDIN, Input, LeftOut, expand, photo_from
from catdog.inference.sorting import sorter
from catdog.runs import Run, has_runs
from catdog.text import message, plural

if TYPE_CHECKING:
    from catdog.inference.classifier import Classifier, Outcome

_HEAT_MAPS = 16  # photos whose heat maps are made together


@click.command("predict", short_help="what is on these photos")
@click.argument("photos", nargs=-1, metavar="PHOTO...")
@model_options(imagenet=True)
@weights_option(default=None)
@preprocessing_option
@click.option(
    "--top-k",
    type=click.IntRange(1),
    help="Answers a photo, the most probable first.  [default: 1; with --model imagenet 5]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How answers are printed.",
)
@click.option(
    "--random",
    "random_count",
    type=click.IntRange(1),
    metavar="N",
    help="Take N random validation photos of the data set PHOTO (or of the run's own) "
    "and show the true class too.",
)
@click.option(
    "--no-calibrate",
    is_flag=True,
    help="Leave the probabilities as they were trained, without temperature scaling.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help=f"Answer {UNSURE!r} where the most probable class has less than P.",
)
@click.option(
    "--sort-into",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Copy each photo into DIR/<answer>/. Nothing is overwritten, no original is touched, and it "
    "can be repeated.",
)
@click.option("--link", is_flag=True, help="With --sort-into: make symbolic links, not copies.")
@click.option("--stdin-image", is_flag=True, help="One photo, whose bytes are on stdin.")
@click.option(
    "--allow-private-urls",
    is_flag=True,
    help="Read http(s) addresses in private networks too, this machine's among them.",
)
@click.option("-r", "--recursive", is_flag=True, help="Accepted; folders are always searched to the bottom.")
@click.option("--show", is_flag=True, help="Draw each photo in the terminal, above its answer.")
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write each photo into DIR, at most 1,024 pixels a side, its answer below it. Nothing is "
    "overwritten.",
)
@click.option("--why", is_flag=True, help="With --show or --save: lay over it where the answer is seen.")
@lang_option
@workspace_options
@click.pass_context
def command(
    ctx: click.Context,
    photos: tuple[str, ...],
    model: Path | None,
    runs_dir: Path,
    weights: str | None,
    preprocessing: str | None,
    top_k: int | None,
    form: str,
    random_count: int | None,
    no_calibrate: bool,
    threshold: float | None,
    sort_into: Path | None,
    link: bool,
    stdin_image: bool,
    allow_private_urls: bool,
    recursive: bool,
    show: bool,
    save: Path | None,
    why: bool,
    lang: str | None,
    workspace: WorkspaceOptions,
) -> None:
    """Say what is on each PHOTO: files, folders (with all photos below them), patterns such as 'a/*.jpg',
    http(s) addresses.

    The PHOTO - stands for paths on stdin, one a line or NULs between them. Answers come in the order of the
    photos, as soon as they are known. Exit status 1 if a photo could not be answered; the others are.
    """
    if form != "text" and (show or lang):
        raise UsageError("--show and --lang are for people: they go with --format text.")
    if lang and (top_k or 1) > 1:
        raise UsageError("--lang says one answer a photo: leave out --top-k.")
    if no_calibrate and (model == Path(IMAGENET) or exported(model)):
        raise UsageError("--no-calibrate is about a run: an exported file is as it was exported.")
    if why and not (show or save):
        raise UsageError("--why goes with --show or --save.")
    if link and not sort_into:
        raise UsageError("--link goes with --sort-into.")
    if stdin_image and (photos or random_count is not None):
        raise UsageError("--stdin-image is one photo: leave out PHOTO and --random.")
    if stdin_image and sort_into:
        raise UsageError("--sort-into needs photos that are files: it does not go with --stdin-image.")
    if not photos and random_count is None and not stdin_image:
        raise UsageError(
            "expected at least one PHOTO ({stdin} for paths on stdin), or --random N.", stdin=STDIN
        )
    if "" in photos:
        raise UsageError("expected a PHOTO, found an empty one (''): is a variable of the shell empty?")
    is_imagenet = model == Path(IMAGENET)
    file = None if is_imagenet else exported(model)
    if (is_imagenet or file) and random_count is not None:
        raise UsageError("--random takes photos of a run: it does not go with --model {model}.", model=model)
    if not is_imagenet:
        refuse_weights(weights, preprocessing)
    run = None if is_imagenet or file else chosen_run(model, runs_dir)
    if run and not model and has_runs(runs_dir):
        console.note(
            message(
                "{folder} answers, the newest run; --model names another", folder=console.short(run.folder)
            )
        )
    top_k = top_k or (5 if is_imagenet and not lang else 1)
    failed, left_out = False, LeftOut()
    stdin = cast(BufferedReader, sys.stdin.buffer if sys.stdin else BytesIO())
    with ExitStack() as stack:
        opened = workspace.open()
        if run:
            classifier = classifier_of(run, opened, calibrate=not no_calibrate)
        elif file:
            classifier = file_classifier(file, opened)
        else:
            classifier = imagenet_classifier(weights, preprocessing, opened)
        if stdin_image:
            inputs: Iterable[Input] = [stack.enter_context(photo_from(stdin))]
        elif random_count is None:
            inputs = expand(photos, stdin, left_out)
        else:
            assert run  # --random was refused without one
            inputs = _random(run, classifier.classes, photos, random_count, opened.workers)
        keep, numbering = saver(save, lang) if save else None, Numbering()
        write = stack.enter_context(
            writer_for(
                form,
                lang,
                show,
                classes=classifier.classes,
                top_k=top_k,
                truth=random_count is not None,
                calibrated=classifier.calibrated,
            )
        )
        bar = stack.enter_context(progress_bars.FeatureBar(in_parts=True))
        arriving = chunks(inputs, allow_private=allow_private_urls)
        answers = _answers(classifier, arriving, bar, threshold, why)
        written: dict[Path, list[bool]] = {folder: [] for folder in (sort_into, save) if folder}
        for one, answer in stack.enter_context(closing(answers)):
            try:
                if sort_into and answer.error is None:
                    put = sorter(sort_into, numbering, link=link and not one.is_address)
                    written[sort_into].append(put(answer.path, answer.label or "", _file_name(one)))
                if keep and save and answer.photo:
                    written[save].append(keep(answer))
            except PhotoError as error:  # it has gone since it was answered, or its name does not fit there
                answer = answer.failed(error.message)
            bar.make_room()
            write(answer)
            failed = failed or answer.error is not None
            if one.is_address and one.error is None:
                one.path.unlink()
    if sentence := left_out.sentence():
        console.note(sentence)
    for folder, news in written.items():
        there = f", {len(news) - sum(news)} were there already" if not all(news) else ""
        console.note(
            message(
                "{count} written into {folder}{there}",
                count=plural("{count:,} photo", "{count:,} photos", sum(news)),
                folder=console.short(folder),
                there=there,
            )
        )
    ctx.exit(1 if failed else 0)


def _answers(
    classifier: "Classifier",
    chunks: Generator[Sequence[Input], None, None],
    bar: progress_bars.FeatureBar,
    threshold: float | None,
    why: bool,
) -> Generator[tuple[Input, Answer], None, None]:
    """One answer an input, in order, as soon as it is known; with a heat map over the photo if `why`."""
    with closing(chunks), classifier.writer() as writer:
        for chunk in chunks:
            paths = [one.path for one in chunk if one.error is None]
            with closing(classifier.stream(paths, report=bar, writer=writer)) as outcomes:
                for group in _groups(chunk, _HEAT_MAPS if why else 1):
                    known = [(one, None if one.error else next(outcomes)) for one in group]
                    if why:
                        writer.close()  # heat maps may stand on the same features
                    heat = _heat(classifier, known) if why else {}
                    for one, outcome in known:
                        yield one, _answer(classifier, one, outcome, threshold, heat.get(one.path))
            bar.clear()  # the next inputs may be a long time coming


def _file_name(one: Input) -> str:
    """What a copy of it is called."""
    return (Path(urlsplit(one.name or "").path).name if one.is_address else one.path.name) or "photo"


def _groups(chunk: Sequence[Input], size: int) -> Iterator[Sequence[Input]]:
    return (chunk[start : start + size] for start in range(0, len(chunk), size))


def _answer(
    classifier: "Classifier",
    one: Input,
    outcome: "Outcome | None",
    threshold: float | None,
    heat: np.ndarray | None,
) -> Answer:
    if outcome is None or outcome.reason:
        return Answer.of(one, None, classifier.classes, threshold, outcome.reason if outcome else one.error)
    answer = Answer.of(one, outcome.probabilities, classifier.classes, threshold, None)
    return replace(answer, photo=partial(_photo, one.path, heat, classifier.decoding))


def _heat(
    classifier: "Classifier", known: Sequence[tuple[Input, "Outcome | None"]]
) -> dict[Path, np.ndarray]:
    """A heat map of each photo's answer; none of those that have gone since they were answered."""
    seen = {one.path: int(found.probabilities.argmax()) for one, found in known if found and not found.reason}
    try:
        return dict(zip(seen, classifier.heat_maps(list(seen), list(seen.values())), strict=True))
    except PhotoError:
        if len(known) == 1:
            return {}
        one_by_one = (_heat(classifier, [each]) for each in known)
        return {path: heat for found in one_by_one for path, heat in found.items()}


def _photo(path: Path, heat: np.ndarray | None, decoding: Decoding, side: int) -> np.ndarray:
    pixels = decode_for_people(path, side=side)
    return pixels if heat is None else lay_over(pixels, heat, decoding)


def _random(
    run: Run, classes: tuple[str, ...], photos: Sequence[str], count: int, workers: int
) -> list[Input]:
    from catdog.evaluation.choose import choose

    if len(photos) > 1:
        raise UsageError("--random takes its photos from one data set: expected one PHOTO or none.")
    data = Path(photos[0]) if photos else None
    with progress_bars.FeatureBar() as bar:
        found = choose(run, classes, data, None, workers=workers, report=bar)
    for remark in found.remarks:
        console.note(remark)
    if len(found.photos) < count:
        console.note(message("there are only {count} photos to choose from", count=len(found.photos)))
    chosen = random.SystemRandom().sample(found.photos, min(count, len(found.photos)))
    return [Input(photo.path, photo.label) for photo in chosen]
