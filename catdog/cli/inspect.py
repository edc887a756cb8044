"""`catdog inspect [TARGET]`: look inside an architecture, a run, a data set, the cache."""

import sys
from pathlib import Path

import click
from rich.text import Text

from catdog import devices
from catdog.cli import console, progress_bars
from catdog.cli.escapes import json_text
from catdog.cli.options import (
    WorkspaceOptions,
    model_options,
    preprocessing_option,
    weights_option,
    workspace_options,
)
from catdog.cli.translate import UsageError
from catdog.cli.views import pages
from catdog.errors import DataError, OptionError
from catdog.model.architecture import ALL, body, boundary, describe, head, stages, vgg16
from catdog.runs import Run, is_run, open_run, runs_below
from catdog.training.optimizers import OPTIMIZERS
from catdog.workspace import FeatureCache, Workspace


@click.command("inspect", short_help="look inside: the architecture, a run, a data set, a photo, the cache")
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option(
    "--layers",
    is_flag=True,
    help="The architecture, of VGG16 or of the run TARGET, layer by layer.",
)
@click.option(
    "--unfreeze",
    type=click.Choice([*stages(vgg16()), ALL]),
    help="With --layers: show what would train from this stage on.",
)
@click.option("--optimizers", is_flag=True, help="The family tree of the optimizers that `train` knows.")
@click.option("--cache", is_flag=True, help="The cache of features and compiled programs: where, how big.")
@click.option("--clear", is_flag=True, help="With --cache: empty it.")
@click.option(
    "--quick",
    is_flag=True,
    help="Of a data set: leave out what needs the network, that is near copies, outliers and wrong labels.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Of a data set: write all that was found, with the photos, as one page.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Of a data set: exit status 1 if something is found, such as files that cannot be read, copies, or "
    "a label that is likely wrong.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
@model_options
@weights_option(default=None)
@preprocessing_option
@workspace_options
@click.pass_context
def command(
    ctx: click.Context,
    target: Path | None,
    layers: bool,
    unfreeze: str | None,
    optimizers: bool,
    cache: bool,
    clear: bool,
    quick: bool,
    report: Path | None,
    strict: bool,
    as_json: bool,
    model: Path | None,
    runs_dir: Path,
    weights: str | None,
    preprocessing: str | None,
    workspace: WorkspaceOptions,
) -> None:
    """Show what is inside TARGET: a run, a folder of runs or of photos, a photo; without one, VGG16's layers.

    Of a photo it shows the answers of a run beside ImageNet's own.
    """
    if clear and not cache:
        raise UsageError("--clear goes with --cache.")
    if sum((layers, optimizers, cache)) > 1:
        raise UsageError("expected one of --layers, --optimizers and --cache.")
    if target and (optimizers or cache):
        raise UsageError("--optimizers and --cache take no TARGET.")
    if unfreeze and (target or optimizers or cache):
        raise UsageError("--unfreeze goes with --layers of VGG16; a run has its own.")
    is_photo = target is not None and target.is_file() and not layers and not is_run(target)
    if (model or weights or preprocessing) and not is_photo:
        raise UsageError("--model, --weights and --preprocessing go with a photo as TARGET.")
    is_data = False
    if optimizers:
        page = pages.optimizers_page(tuple(OPTIMIZERS.values()))
    elif cache:
        page = _cache(workspace.cache_dir, workspace.cache_limit, clear=clear)
    elif target is None:
        page = _vgg16_layers(unfreeze)
    elif layers or is_run(target):
        run = open_run(target)
        page = _run_layers(run) if layers else pages.run_page(run)
    elif target.is_dir() and (runs := runs_below(target)):
        page = pages.runs_page(target, runs)
    elif is_photo:
        from catdog.cli.views.photo import photo_page

        page = photo_page(
            target,
            model=model,
            runs_dir=runs_dir,
            weights=weights,
            preprocessing=preprocessing,
            workspace=workspace.open(),
        )
    else:
        is_data = True
        page = _data(target, workspace.open(), quick=quick, report=report)
    if (strict or quick or report) and not is_data:
        raise UsageError("--strict, --quick and --report go with a data set as TARGET.")
    if as_json:
        click.echo(json_text(page.facts, indent=2))
    else:
        for part in page.parts:
            console.say(part) if isinstance(part, str | Text) else console.out.print(part)
    if strict and (
        page.facts["remarks"] or any(split["unreadable"] for split in page.facts["splits"].values())
    ):
        ctx.exit(1)


def _vgg16_layers(unfreeze: str | None) -> "pages.Page":
    table = vgg16()
    frozen = boundary(table, unfreeze) if unfreeze else len(table)
    return pages.layers_page("VGG16, as trained on ImageNet", table, frozen=frozen, size=224)


def _run_layers(run: Run) -> "pages.Page":
    options = run.config.options
    size = options.decoding.size
    pretrained = body(options.head)
    features = describe(pretrained, input_shape=(size, size, 3))[-1].output_shape
    table = (*pretrained, *head(options.head, len(run.config.classes), features=features))
    frozen = boundary(table, options.unfreeze)
    return pages.layers_page(str(run.folder), table, frozen=frozen, size=size)


def _cache(folder: Path, limit: int | None, *, clear: bool) -> "pages.Page":
    from catdog.features import upkeep
    from catdog.features.entries import cache_entries

    root, compiled = folder / "features", devices.compiled_folder(folder)
    entries = cache_entries(root)
    programs = devices.trim_compiled(compiled, 0 if clear else sys.maxsize)
    if clear:
        if left := upkeep.clear(root):
            raise OptionError(
                "expected to empty {root}, found {left} in use or protected. Try again when no other catdog "
                "is at work.",
                root=root,
                left=left[0],
            )
    allowed = FeatureCache(root, limit).bytes_allowed()
    return pages.cache_page(root, entries, limit=allowed, programs=programs, cleared=clear)


def _data(target: Path, workspace: Workspace, *, quick: bool, report: Path | None) -> "pages.Page":
    from catdog.checks import check_dataset
    from catdog.cli.views.dataset import data_page, write_report

    if not target.exists():
        raise DataError(
            "expected a run folder or a folder of photos, found nothing at {target}. Check the path.",
            target=target,
        )
    with progress_bars.FeatureBar() as bar:
        checked = check_dataset(target, workspace, quick=quick, report=bar)
    if report:
        write_report(report, checked)
    return data_page(checked)
