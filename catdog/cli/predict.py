"""`catdog predict PHOTO...`: what is on these photos."""

import glob
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import click

from catdog.cli import look
from catdog.cli.answers import FORMATS, Answer, writer_for
from catdog.cli.language import LANGUAGES
from catdog.cli.options import cache_options, chosen_run, model_options, places
from catdog.data.walk import walk
from catdog.errors import DataError
from catdog.runs import Run

# Photos answered together: enough to keep a device busy, few enough to see answers soon.
_CHUNK = 256


@click.command("predict", short_help="what is on these photos")
@click.argument("photos", nargs=-1, metavar="PHOTO...")
@model_options
@click.option(
    "--top-k",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Answers a photo, the most probable first.",
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
    top_k: int,
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
    from catdog.analysis.classify import Classifier

    if form != "text" and (show or lang):
        raise click.UsageError("--show and --lang are for people: they go with --format text.")
    if not photos and random_count is None:
        raise click.UsageError("expected at least one PHOTO (or --random N for photos of the run).")
    run = chosen_run(model, runs_dir)
    failed = False
    with places(cache_dir, no_cache) as where:
        classifier = Classifier(run, cache_root=where.features, memo_dir=where.checked, workers=workers)
        if random_count is None:
            inputs: Iterable[tuple[Path, str | None]] = _expand(photos)
        else:
            inputs = _random(run, classifier.classes, photos, random_count, workers)
        with writer_for(form, lang, show) as write, look.FeatureBar() as bar:
            for chunk in _chunks(inputs):
                answers = classifier.answer([path for path, _ in chunk], report=bar)
                bar.clear()
                rows = dict(zip(answers.photos.tolist(), answers.probabilities, strict=True))
                reasons = {one.path: one.reason for one in answers.skipped}
                for number, (path, truth) in enumerate(chunk):
                    if number in rows:
                        answer = Answer.of(path, rows[number], classifier.classes, top_k, truth)
                    else:
                        answer = Answer(path, (), truth, reasons[path])
                        failed = True
                    write(answer)
    ctx.exit(1 if failed else 0)


def _expand(photos: Sequence[str]) -> Iterator[tuple[Path, str | None]]:
    """Files as they are; folders as the photos below them; patterns where the shell has not expanded them."""
    for given in photos:
        path = Path(given)
        if path.is_dir():
            below = walk(path).photos
            if not below:
                raise DataError(f"expected photos below the folder {path}, found none")
            yield from ((photo, None) for photo in below)
        elif not path.exists() and glob.has_magic(given):
            matches = sorted(glob.glob(given, recursive=True))
            if not matches:
                raise DataError(f"no photo matches the pattern {given!r}")
            yield from _expand(matches)
        else:
            yield path, None  # a file that is missing gets a row that says so


def _random(
    run: Run, classes: tuple[str, ...], photos: Sequence[str], count: int, workers: int
) -> list[tuple[Path, str | None]]:
    from catdog.analysis.choose import choose

    if len(photos) > 1:
        raise click.UsageError("--random takes its photos from one data set: expected one PHOTO or none.")
    data = Path(photos[0]) if photos else None
    pool = choose(run, classes, data, None, workers=workers).photos
    chosen = random.SystemRandom().sample(pool, min(count, len(pool)))
    return [(photo.path, photo.label) for photo in chosen]


def _chunks(
    inputs: Iterable[tuple[Path, str | None]],
) -> Iterator[list[tuple[Path, str | None]]]:
    stream = iter(inputs)
    while chunk := list(islice(stream, _CHUNK)):
        yield chunk
