"""`catdog predict PHOTO...`: what is on these photos."""

import glob
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import click

from catdog.cli import look
from catdog.cli.answers import FORMATS, Answer, writer_for
from catdog.cli.language import LANGUAGES
from catdog.cli.models import (
    IMAGENET,
    classifier_of,
    exported,
    file_classifier,
    imagenet_classifier,
    refuse_weights,
)
from catdog.cli.options import (
    cache_options,
    chosen_run,
    model_options,
    places,
    preprocessing_option,
    weights_option,
)
from catdog.data.walk import walk
from catdog.runs import Run

# Photos answered together: enough to keep a device busy, few enough to see answers soon.
_CHUNK = 256


@click.command("predict", short_help="what is on these photos")
@click.argument("photos", nargs=-1, metavar="PHOTO...")
@model_options
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
@click.option("--show", is_flag=True, help="Draw each photo in the terminal, above its answer.")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), help="Answer in another language.")
@cache_options
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
    show: bool,
    lang: str | None,
    cache_dir: Path | None,
    no_cache: bool,
    workers: int,
) -> None:
    """Say what is on each PHOTO: files, folders (with all photos below them) or patterns such as 'a/*.jpg'.

    Exit status 1 if a photo could not be answered; the others are.
    """
    if form != "text" and (show or lang):
        raise click.UsageError("--show and --lang are for people: they go with --format text.")
    if lang and (top_k or 1) > 1:
        raise click.UsageError("--lang says one answer a photo: leave out --top-k.")
    if not photos and random_count is None:
        raise click.UsageError("expected at least one PHOTO (or --random N for photos of the run).")
    is_imagenet = model == Path(IMAGENET)
    file = None if is_imagenet else exported(model)
    if (is_imagenet or file) and random_count is not None:
        raise click.UsageError(f"--random takes photos of a run: it does not go with --model {model}.")
    if not is_imagenet:
        refuse_weights(weights, preprocessing)
    run = None if is_imagenet or file else chosen_run(model, runs_dir)
    top_k = top_k or (5 if is_imagenet and not lang else 1)
    failed = False
    with places(cache_dir, no_cache) as where:
        if run:
            classifier = classifier_of(run, where, workers)
        elif file:
            classifier = file_classifier(file, where, workers)
        else:
            classifier = imagenet_classifier(weights, preprocessing, where, workers)
        if random_count is None:
            inputs: Iterable[_Input] = _expand(photos)
        else:
            assert run  # --random was refused without one
            inputs = _random(run, classifier.classes, photos, random_count, workers)
        columns = min(top_k, len(classifier.classes))
        with (
            writer_for(form, lang, show, columns=columns, truth=random_count is not None) as write,
            look.FeatureBar() as bar,
        ):
            for chunk in _chunks(inputs):
                paths = [one.path for one in chunk if one.error is None]
                answers = classifier.answer(paths, report=bar)
                bar.clear()
                rows = {
                    paths[photo]: row
                    for photo, row in zip(answers.photos, answers.probabilities, strict=True)
                }
                reasons = {one.path: one.reason for one in answers.skipped}
                for one in chunk:
                    if one.error is None and one.path in rows:
                        answer = Answer.of(one.path, rows[one.path], classifier.classes, top_k, one.truth)
                    else:
                        answer = Answer(one.path, (), one.truth, one.error or reasons[one.path])
                        failed = True
                    write(answer)
    ctx.exit(1 if failed else 0)


class _Input(NamedTuple):
    """Something to answer for: a file, or what was given instead of one and why that is no file."""

    path: Path
    truth: str | None = None
    error: str | None = None


def _expand(photos: Sequence[str]) -> Iterator[_Input]:
    """Files as they are; folders as the photos below them; patterns where the shell has not expanded them."""
    for given in photos:
        path = Path(given)
        if path.is_dir():
            below = walk(path).photos
            if not below:
                yield _Input(path, error="a folder without photos")
            yield from map(_Input, below)
        elif not path.exists() and glob.has_magic(given):
            matches = sorted(glob.glob(given, recursive=True))
            if not matches:
                yield _Input(path, error="no file matches this pattern")
            yield from _expand(matches)
        else:
            yield _Input(path)  # a file that is missing gets a row that says so


def _random(
    run: Run, classes: tuple[str, ...], photos: Sequence[str], count: int, workers: int
) -> list[_Input]:
    from catdog.analysis.choose import choose

    if len(photos) > 1:
        raise click.UsageError("--random takes its photos from one data set: expected one PHOTO or none.")
    data = Path(photos[0]) if photos else None
    with look.FeatureBar() as bar:
        found = choose(run, classes, data, None, workers=workers, report=bar)
    for remark in found.remarks:
        look.note(remark)
    if len(found.photos) < count:
        look.note(f"there are only {len(found.photos)} photos to choose from")
    chosen = random.SystemRandom().sample(found.photos, min(count, len(found.photos)))
    return [_Input(photo.path, photo.label) for photo in chosen]


def _chunks(inputs: Iterable[_Input]) -> Iterator[list[_Input]]:
    stream = iter(inputs)
    while chunk := list(islice(stream, _CHUNK)):
        yield chunk
