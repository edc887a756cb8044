"""`catdog inspect [TARGET]`: look inside an architecture, a run, a data set, a photo, the cache."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from catdog import devices
from catdog.archives import is_folder, is_member
from catdog.cli import console
from catdog.cli.command import FILE, PATH, Command, flag, option
from catdog.cli.options import chosen_model, model_options, report_option, weights_options, workspace_options
from catdog.cli.progress_bars import FeatureBar
from catdog.cli.translate import UsageError, translations
from catdog.cli.views.pages import (
    Page,
    architectures_page,
    cache_page,
    layers_page,
    optimizers_page,
    peaks_page,
    photo_page,
)
from catdog.cli.views.run import exported_page, run_page, runs_page
from catdog.errors import OptionError, PhotoError, RunError, WeightsError
from catdog.export import EXTENSIONS
from catdog.inference.exported import read_exported
from catdog.inference.models import IMAGENET, find_model, is_exported, open_classifier, open_imagenet
from catdog.model.architecture import ALL, CONVOLUTIONS, body, boundary, describe, head, stages, vgg16
from catdog.runs import Run, is_run, runs_below
from catdog.text import N_, Message, message
from catdog.workspace import FeatureCache, Workspace

if TYPE_CHECKING:
    from catdog.inference.classifier import Classifier
    from catdog.inference.prediction import Prediction

EXAMPLES = (
    "catdog inspect sample_data",
    "catdog inspect sample_data --report data.html",
    "catdog inspect sample_data --lessons lessons.html",
    "catdog inspect sample_data/photos/Abyssinian_14.jpg",
    "catdog inspect sample_data/photos/pug_139.jpg --report pug.html",
    "catdog inspect sample_data/photos/pug_139.jpg --layer block5_conv3",
    "catdog inspect --layers --unfreeze block5",
    "catdog inspect --optimizers",
    "catdog inspect --architectures",
    "catdog inspect --cache",
)
_UNFREEZE = N_("With --layers: which layers train from this stage on.")
_LAYER = click.Choice([layer.name for layer in CONVOLUTIONS])
_PEAKS = 10  # units, or places of a unit, that --layer shows


class _Subject(NamedTuple):
    """Something that can be looked at."""

    name: Message  # for people
    options: tuple[str, ...]  # that it accepts, beside those that all accept
    page: Callable[..., Page]  # opens it; the arguments are the TARGET and the options


@click.command("inspect", cls=Command, examples=EXAMPLES)
@click.argument("target", type=PATH, required=False)
@flag("--layers", "Model", N_("The layers of VGG16, or of the model TARGET."))
@option("--unfreeze", "Model", _UNFREEZE, click.Choice([*stages(vgg16()), ALL]), metavar="STAGE")
@flag("--optimizers", "Model", N_("The optimizers of `train`, as a family tree."))
@flag("--architectures", "Model", N_("AlexNet, VGG16, GoogLeNet and ResNet-50, side by side."))
@flag("--cache", "Cache", N_("The cache: its folder, size and contents."))
@flag("--clear", "Cache", N_("With --cache: delete all that is in it."))
@option("--layer", "Model", N_("The strongest units of a layer, as block3_conv2."), _LAYER, metavar="LAYER")
@option("--unit", "Model", N_("With --layer: where this unit is strongest."), click.IntRange(0))
@flag("--show", "Output", N_("With --layer: draw the maps in the terminal."))
@flag("--quick", "Data", N_("Skip the checks that need the network."))
@flag("--synthesize", "Output", N_("With --report: images of what classes look for (minutes)."))
@report_option(N_("A self-contained page: the findings of a data set, or a photo inside the network."))
@option(
    "--lessons",
    "Output",
    N_("A page: the lecture's experiments with the photos of a data set."),
    FILE,
    metavar="FILE.html",
)
@flag("--strict", "Data", N_("Exit with status 1 if a data set has any problem."))
@flag("--json as_json", "Output", N_("Print one JSON value."))
@model_options()
@weights_options()
@workspace_options
@click.pass_context
def command(ctx: click.Context, target: Path | None, strict: bool, as_json: bool, **chosen: Any) -> None:
    """Look inside TARGET: a run, a folder of runs, an exported file, a folder of photos, or a photo. Without
    TARGET: the layers of VGG16.

    A data set is checked for unreadable files, duplicates, label errors and outliers; --lessons makes a
    lecture's experiments with it. A photo is classified by a run and by the original network; --report shows
    its way through all layers.
    """
    asked = [subject for name, subject in _WITHOUT_TARGET.items() if chosen[name]]
    if len(asked) + chosen["layers"] > 1:
        raise UsageError("expected one of --layers, --optimizers, --architectures and --cache.")
    if target and asked:
        raise UsageError("--optimizers, --architectures and --cache take no TARGET.")
    if target is None:
        if chosen["lessons"] and not asked:
            raise UsageError("--lessons needs TARGET, a folder of photos such as sample_data.")
        (subject,) = asked or [_VGG16]
    else:
        subject = _LAYERS if chosen["layers"] else _subject_at(target, chosen["runs_dir"])
        if chosen["lessons"] and subject is _DATA_SET:
            subject = _LESSONS
    if as_json and chosen["show"]:
        raise UsageError("--show is for people: it does not go with --json.")
    _refuse_other_options(ctx, subject)
    page = subject.page(target or Path(), **chosen)
    page.show(as_json=as_json)
    if strict and (
        page.facts["remarks"] or any(split["unreadable"] for split in page.facts["splits"].values())
    ):
        ctx.exit(1)


def _subject_at(target: Path, runs_dir: Path) -> _Subject:
    """The subject at a path; if nothing is there, the run of that name."""
    if is_folder(target) and not is_run(target):
        return _RUNS if os.path.isdir(target) and runs_below(target) else _DATA_SET
    if is_member(target):
        return _PHOTO
    if is_exported(target):
        return _EXPORTED_FILE if target.suffix.lower() in EXTENSIONS.values() else _PHOTO
    nothing = N_("expected a folder of photos, a photo or a model, found nothing at {target}. {runs}")
    find_model(target, runs_dir, nothing=nothing)
    return _RUN


def _refuse_other_options(ctx: click.Context, subject: _Subject) -> None:
    """A usage error for an option of another subject, before anything is opened."""
    for name in ctx.params:
        subjects = tuple(other.name for other in _SUBJECTS if name in other.options)
        typed = ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if typed and subjects and name not in subject.options:
            refused = N_("{option} does not go with {subject}. It is for: {subjects}.")
            spelled = "--" + name.replace("_", "-")
            raise UsageError(refused, option=spelled, subject=subject.name, subjects=subjects)


def _vgg16(_: Path, *, unfreeze: str | None, **__: Any) -> Page:
    layers = describe(vgg16())
    frozen = boundary(vgg16(), unfreeze) if unfreeze else len(layers)
    return layers_page(message("VGG16, as trained on ImageNet"), layers, frozen=frozen, size=224)


def _layers(target: Path, *, runs_dir: Path, **_: Any) -> Page:
    model = chosen_model(target, runs_dir)
    if isinstance(model, Run):
        options, classes, name = model.config.options, model.config.classes, str(model.folder)
    else:
        options, _ = read_exported(model)
        classes, name = options.classes, str(model)
    size, pretrained = options.decoding.size, body(options.head)
    features = describe(pretrained, input_shape=(size, size, 3))[-1].output_shape
    new = head(options.head, len(classes), features=features)
    layers = describe((*pretrained, *new), input_shape=(size, size, 3))
    trained = boundary((*pretrained, *new), options.unfreeze) if isinstance(model, Run) else len(layers)
    return layers_page(name, layers, frozen=trained, size=size)


def _architectures(_: Path, **__: Any) -> Page:
    from catdog.insight.architectures import architectures

    return architectures_page(architectures())


def _cache(_: Path, *, clear: bool, workspace: Workspace, runs_dir: Path, **__: Any) -> Page:
    from catdog.features import belonging, upkeep

    assert workspace.weights
    folder = workspace.weights.parent  # of the cache, also with --no-cache
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
    if clear:
        shutil.rmtree(folder / "digests", ignore_errors=True)
    limit = FeatureCache(root, workspace.features.limit).bytes_allowed()
    known = belonging.data_sets(runs_below(runs_dir) if runs_dir.is_dir() and not clear else ())
    data_sets = [belonging.belonging(entry.folder, known) for entry in entries]
    return cache_page(root, entries, data_sets, limit=limit, programs=programs, cleared=clear)


def _run(target: Path, *, runs_dir: Path, **_: Any) -> Page:
    run = chosen_model(target, runs_dir)
    assert isinstance(run, Run)
    return run_page(run)


def _exported(file: Path, **chosen: Any) -> Page:
    return exported_page(file, read_exported(file)[0], _layers(file, **chosen))


def _photo(
    photo: Path,
    *,
    model: Path | None,
    runs_dir: Path,
    weights: str | None,
    layer: str | None,
    unit: int | None,
    report: Path | None,
    synthesize: bool,
    show: bool,
    workspace: Workspace,
    **chosen: Any,
) -> Page:
    from catdog.data import probe

    if unit is not None and layer is None:
        raise UsageError("--unit needs --layer.")
    if show and layer is None:
        raise UsageError("--show needs --layer.")
    if synthesize and report is None:
        raise UsageError("--synthesize needs --report.")
    opened = devices.opened(workspace)
    classifiers: dict[str, Classifier] = {}
    found: Run | Path | None = None
    missing: list[Message] = []
    try:
        header = probe(photo)
    except PhotoError as error:
        raise PhotoError("{photo}: {reason}", photo=photo, reason=error) from error
    with FeatureBar() as bar:
        if model != Path(IMAGENET):
            try:
                found = chosen_model(model, runs_dir)
                name = str(found.folder if isinstance(found, Run) else found)
                classifiers[name] = open_classifier(found, opened, report=bar)
            except RunError as error:
                if model:
                    raise
                missing.append(error.message)
        try:
            classifiers["ImageNet"] = open_imagenet(weights, chosen["preprocessing"], opened, report=bar)
        except WeightsError as error:
            if weights or not classifiers:
                raise
            missing.append(error.message)
        predictions: dict[str, Prediction] = {}
        for name, classifier in classifiers.items():
            (predictions[name],) = classifier.stream([photo], report=bar)
            if reason := predictions[name].reason:
                raise PhotoError("{photo}: {reason}", photo=photo, reason=reason)
    looked_into = next(iter(classifiers.values()))
    if report:
        from catdog.insight.patches import photos_of
        from catdog.reports.photo_page import write_report

        options = {"workspace": opened, "own": photos_of(found), "translations": translations()}
        with FeatureBar() as bar:
            write_report(
                photo, looked_into, predictions, report, progress=bar if synthesize else None, **options
            )
        console.tell(message("Wrote {file}", file=report))
    if layer:
        from catdog.insight.anatomy import peaks

        found_there = peaks(looked_into, photo, layer, unit=unit, count=_PEAKS)
        return peaks_page(photo, *found_there, show=show)
    return photo_page(photo, header, predictions, missing)


def _data_set(folder: Path, *, quick: bool, report: Path | None, workspace: Workspace, **_: Any) -> Page:
    from catdog.checks import check_dataset
    from catdog.cli.views.dataset import dataset_parts

    with FeatureBar() as bar:
        checked = check_dataset(folder, devices.opened(workspace), quick=quick, report=bar)
    if report:
        from catdog.reports.dataset_page import write_report

        write_report(checked, report, translations=translations())
        console.tell(message("Wrote {file}", file=report))
    return Page(checked.to_json(), *dataset_parts(checked))


def _lessons(folder: Path, *, lessons: Path, workspace: Workspace, **_: Any) -> Page:
    from catdog.insight.lessons.findings import figures, findings
    from catdog.insight.lessons.run import teach
    from catdog.reports.lessons_page import write_lessons

    with FeatureBar() as bar:
        taught = teach(folder, devices.opened(workspace), bar)
    write_lessons(taught, lessons, translations=translations())
    console.tell(message("Wrote {file}", file=lessons))
    return Page(figures(taught), *findings(taught).values())


_VGG16 = _Subject(message("the layers of VGG16"), ("layers", "unfreeze"), _vgg16)
_LAYERS = _Subject(message("the layers of a model"), ("layers", "runs_dir"), _layers)
_OPTIMIZERS = _Subject(message("--optimizers"), ("optimizers",), lambda _, **__: optimizers_page())
_ARCHITECTURES = _Subject(message("--architectures"), ("architectures",), _architectures)
_CACHE = _Subject(message("--cache"), ("cache", "clear", "runs_dir"), _cache)
_RUN = _Subject(message("a run"), ("runs_dir",), _run)
_RUNS = _Subject(message("a folder of runs"), (), lambda folder, **_: runs_page(folder, runs_below(folder)))
_EXPORTED_FILE = _Subject(message("an exported file"), (), _exported)
_PHOTO_OPTIONS = tuple("model runs_dir weights preprocessing report synthesize layer unit show".split())
_PHOTO = _Subject(message("a photo"), _PHOTO_OPTIONS, _photo)
_DATA_SET = _Subject(message("a data set"), ("quick", "report", "strict"), _data_set)
_LESSONS = _Subject(message("a data set with --lessons"), ("lessons",), _lessons)
_WITHOUT_TARGET = {"optimizers": _OPTIMIZERS, "architectures": _ARCHITECTURES, "cache": _CACHE}
_AT_A_TARGET = (_RUN, _RUNS, _EXPORTED_FILE, _PHOTO, _DATA_SET, _LESSONS)
_SUBJECTS = (_VGG16, _LAYERS, *_WITHOUT_TARGET.values(), *_AT_A_TARGET)
