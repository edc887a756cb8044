"""`catdog inspect [TARGET]`: look inside an architecture, a run, a data set, a photo, the cache."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from catdog import devices
from catdog.cli import console, progress_bars
from catdog.cli.command import CACHE, DATA, MODEL, OUTPUT, Command, option
from catdog.cli.options import (
    WorkspaceOptions,
    chosen_model,
    model_options,
    preprocessing_option,
    weights_option,
    workspace_options,
)
from catdog.cli.translate import UsageError, translations
from catdog.cli.views.cache import cache_page
from catdog.cli.views.layers import layers_page
from catdog.cli.views.optimizers import optimizers_page
from catdog.cli.views.pages import Page, show
from catdog.cli.views.photo import photo_page
from catdog.cli.views.run import exported_page, run_page, runs_page
from catdog.config import Head
from catdog.errors import DataError, OptionError, PhotoError, RunError, WeightsError
from catdog.export import EXTENSIONS
from catdog.model.architecture import ALL, LayerFacts, body, boundary, describe, head, stages, vgg16
from catdog.runs import Run, is_run, runs_below
from catdog.text import N_, Message, message
from catdog.training.optimizers import OPTIMIZERS
from catdog.workspace import FeatureCache

if TYPE_CHECKING:
    from catdog.inference.classifier import Classifier

EXAMPLES = (
    "catdog inspect sample_data",
    "catdog inspect sample_data --report data.html",
    "catdog inspect sample_data/photos/Abyssinian_14.jpg",
    "catdog inspect --layers --unfreeze block5",
    "catdog inspect --optimizers",
    "catdog inspect --cache",
)

_TOP = 5  # classes of each model that are shown for a photo


@dataclass(frozen=True)
class _Request:
    """The command line.

    Attributes:
        path: the TARGET; of the subjects that have none, the current folder.
    """

    path: Path
    unfreeze: str | None
    clear: bool
    quick: bool
    report: Path | None
    model: Path | None
    runs_dir: Path
    weights: str | None
    preprocessing: str | None
    workspace: WorkspaceOptions


@dataclass(frozen=True)
class _Subject:
    """Something that can be looked at.

    Attributes:
        name: for people.
        options: that it accepts, beside those that all accept.
        page: opens it.
    """

    name: Message
    options: tuple[str, ...]
    page: Callable[[_Request], Page]


@click.command("inspect", cls=Command, examples=EXAMPLES)
@click.argument("target", type=click.Path(path_type=Path), required=False)
@option("--layers", group=MODEL, is_flag=True, help=N_("The layers of VGG16, or of the model TARGET."))
@option(
    "--unfreeze",
    group=MODEL,
    type=click.Choice([*stages(vgg16()), ALL]),
    metavar="STAGE",
    help=N_("With --layers: which layers train from this stage on."),
)
@option("--optimizers", group=MODEL, is_flag=True, help=N_("The optimizers of `train`, as a family tree."))
@option("--cache", group=CACHE, is_flag=True, help=N_("The cache: its folder, size and contents."))
@option("--clear", group=CACHE, is_flag=True, help=N_("With --cache: delete all that is in it."))
@option("--quick", group=DATA, is_flag=True, help=N_("Skip the checks that need the network."))
@option(
    "--report",
    group=OUTPUT,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help=N_("Write all findings of a data set as a self-contained HTML report."),
)
@option("--strict", group=DATA, is_flag=True, help=N_("Exit with status 1 if a data set has any problem."))
@option("--json", "as_json", group=OUTPUT, is_flag=True, help=N_("Print one JSON value."))
@model_options()
@weights_option(default=None)
@preprocessing_option
@workspace_options
@click.pass_context
def command(
    ctx: click.Context,
    target: Path | None,
    layers: bool,
    optimizers: bool,
    cache: bool,
    strict: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Look inside TARGET: a run, a folder of runs, an exported file, a folder of photos, or a photo. Without
    TARGET: the layers of VGG16.

    A data set is checked for unreadable files, duplicates, label errors and outliers. A photo is classified
    by a run and by the original network.
    """
    flags = {"layers": layers, "optimizers": optimizers, "cache": cache}
    if sum(flags.values()) > 1:
        raise UsageError("expected one of --layers, --optimizers and --cache.")
    if target and (optimizers or cache):
        raise UsageError("--optimizers and --cache take no TARGET.")
    request = _Request(target or Path(), **chosen)
    if target is None:
        subject = _VGG16 if layers or not any(flags.values()) else _OPTIMIZERS if optimizers else _CACHE
    else:
        subject = _LAYERS if layers else _subject_at(target, request.runs_dir)
    _refuse_other_options(ctx, subject)
    page = subject.page(request)
    show(page, as_json=as_json)
    if strict and (
        page.facts["remarks"] or any(split["unreadable"] for split in page.facts["splits"].values())
    ):
        ctx.exit(1)


def _subject_at(target: Path, runs_dir: Path) -> _Subject:
    """The subject at a path; if nothing is there, the run of that name."""
    if is_run(target):
        return _RUN
    if os.path.isdir(target):
        return _RUNS if runs_below(target) else _DATA_SET
    if os.path.isfile(target):
        return _EXPORTED_FILE if target.suffix.lower() in EXTENSIONS.values() else _PHOTO
    chosen_model(target, runs_dir)  # or an error
    return _RUN


def _refuse_other_options(ctx: click.Context, subject: _Subject) -> None:
    """A usage error for an option of another subject, before anything is opened."""
    for name in ctx.params:
        subjects = tuple(other.name for other in _SUBJECTS if name in other.options)
        typed = ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if typed and subjects and name not in subject.options:
            raise UsageError(
                "{option} does not go with {subject}. It is for: {subjects}.",
                option=f"--{name.replace('_', '-')}",
                subject=subject.name,
                subjects=subjects,
            )


def _vgg16(request: _Request) -> Page:
    layers = describe(vgg16())
    frozen = boundary(vgg16(), request.unfreeze) if request.unfreeze else len(layers)
    return layers_page(message("VGG16, as trained on ImageNet"), layers, frozen=frozen, size=224)


def _layers(request: _Request) -> Page:
    from catdog.inference.exported import read_exported

    model = chosen_model(request.path, request.runs_dir)
    if isinstance(model, Run):
        options = model.config.options
        size, unfreeze = options.decoding.size, options.unfreeze
        layers = _layers_of(options.head, len(model.config.classes), size)
        frozen = boundary([facts.layer for facts in layers], unfreeze)
        return layers_page(str(model.folder), layers, frozen=frozen, size=size)
    spec, _ = read_exported(model)
    layers = _layers_of(spec.head, len(spec.classes), spec.decoding.size)
    return layers_page(str(model), layers, frozen=len(layers), size=spec.decoding.size)


def _layers_of(config: Head, classes: int, size: int) -> list[LayerFacts]:
    pretrained, shape = body(config), (size, size, 3)
    features = describe(pretrained, input_shape=shape)[-1].output_shape
    return describe((*pretrained, *head(config, classes, features=features)), input_shape=shape)


def _cache(request: _Request) -> Page:
    from catdog.features import upkeep

    folder, clear = request.workspace.cache_dir, request.clear
    root, compiled = folder / "features", devices.compiled_folder(folder)
    entries = upkeep.cache_entries(root)
    programs = devices.trim_compiled(compiled, 0 if clear else sys.maxsize)
    if clear and (left := upkeep.clear(root)):
        raise OptionError(
            "{path} is in use or protected, so the cache {root} is not empty. Try again when no other catdog "
            "is running.",
            path=left[0],
            root=root,
        )
    limit = FeatureCache(root, request.workspace.cache_limit).bytes_allowed()
    return cache_page(root, entries, limit=limit, programs=programs, cleared=clear)


def _run(request: _Request) -> Page:
    run = chosen_model(request.path, request.runs_dir)
    assert isinstance(run, Run)
    return run_page(run)


def _exported(request: _Request) -> Page:
    from catdog.inference.exported import read_exported

    return exported_page(request.path, read_exported(request.path)[0], _layers(request))


def _photo(request: _Request) -> Page:
    from catdog.data import probe
    from catdog.inference.models import IMAGENET, open_classifier, open_imagenet

    photo, workspace = request.path, request.workspace.open()
    classifiers: dict[str, Classifier] = {}
    missing: list[Message] = []
    try:
        header = probe(photo)
    except PhotoError as error:
        raise PhotoError("{photo}: {reason}", photo=photo, reason=error) from error
    with progress_bars.FeatureBar() as bar:
        if request.model != Path(IMAGENET):
            try:
                model = chosen_model(request.model, request.runs_dir)
                name = str(model.folder if isinstance(model, Run) else model)
                classifiers[name] = open_classifier(model, workspace, report=bar)
            except RunError as error:
                if request.model:
                    raise
                missing.append(error.message)
        try:
            classifiers["ImageNet"] = open_imagenet(
                request.weights, request.preprocessing, workspace, report=bar
            )
        except WeightsError as error:
            if request.weights or not classifiers:
                raise
            missing.append(error.message)
        predictions = {name: _most_probable(model, photo, bar) for name, model in classifiers.items()}
    return photo_page(photo, header, predictions, missing)


def _most_probable(
    model: "Classifier", photo: Path, bar: progress_bars.FeatureBar
) -> list[tuple[str, float]]:
    found = model.predict([photo], report=bar)
    if found.skipped:
        raise PhotoError("{photo}: {reason}", photo=photo, reason=found.skipped[0].reason)
    pairs = zip(model.classes, found.probabilities[0].tolist(), strict=True)
    return sorted(pairs, key=lambda pair: -pair[1])[:_TOP]


def _data_set(request: _Request) -> Page:
    from catdog.checks import check_dataset
    from catdog.cli.views.dataset import data_page

    if not request.path.exists():
        raise DataError(
            "expected a run or a folder of photos, found nothing at {target}. Check the path.",
            target=request.path,
        )
    with progress_bars.FeatureBar() as bar:
        checked = check_dataset(request.path, request.workspace.open(), quick=request.quick, report=bar)
    if request.report:
        from catdog.reports.dataset_page import write_report

        write_report(checked, request.report, translations=translations())
        console.tell(message("Wrote {file}", file=request.report))
    return data_page(checked)


_VGG16 = _Subject(message("the layers of VGG16"), ("layers", "unfreeze"), _vgg16)
_LAYERS = _Subject(message("the layers of a model"), ("layers", "runs_dir"), _layers)
_OPTIMIZERS = _Subject(
    message("--optimizers"), ("optimizers",), lambda _: optimizers_page([*OPTIMIZERS.values()])
)
_CACHE = _Subject(message("--cache"), ("cache", "clear"), _cache)
_RUN = _Subject(message("a run"), ("runs_dir",), _run)
_RUNS = _Subject(
    message("a folder of runs"), (), lambda request: runs_page(request.path, runs_below(request.path))
)
_EXPORTED_FILE = _Subject(message("an exported file"), (), _exported)
_PHOTO = _Subject(message("a photo"), ("model", "runs_dir", "weights", "preprocessing"), _photo)
_DATA_SET = _Subject(message("a data set"), ("quick", "report", "strict"), _data_set)
_SUBJECTS = (_VGG16, _LAYERS, _OPTIMIZERS, _CACHE, _RUN, _RUNS, _EXPORTED_FILE, _PHOTO, _DATA_SET)
