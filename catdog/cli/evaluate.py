"""`catdog evaluate [DATA]`: how good is a run, and on which photos is it wrong."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from catdog import durable
from catdog.cli import console, progress_bars
from catdog.cli.escapes import json_text
from catdog.cli.models import classifier_of
from catdog.cli.options import WorkspaceOptions, chosen_run, model_options, workspace_options
from catdog.cli.translate import UsageError
from catdog.cli.views import scores
from catdog.data import SPLITS
from catdog.errors import DataError, OptionError
from catdog.runs import Run, is_run, open_run
from catdog.text import Message, message, plural

if TYPE_CHECKING:
    from catdog.evaluation.choose import Chosen
    from catdog.evaluation.compare import Comparison
    from catdog.evaluation.judge import Judged
    from catdog.workspace import Workspace


@click.command("evaluate", short_help="how good is a run, and on which photos is it wrong")
@click.argument("targets", metavar="[RUN...] [DATA]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="The folder of photos, as DATA.")
@model_options()
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    help="Which photos.  [default: validation; where DATA has none, what the run was not trained on]",
)
@click.option(
    "--worst",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="How many of the photos with the largest loss to list.",
)
@click.option("--tta", is_flag=True, help="Average each photo with its mirror image; say what that gained.")
@click.option(
    "--no-calibrate",
    is_flag=True,
    help="Leave the probabilities as they were trained, without temperature scaling.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Write everything, with plots, photos and heat maps, as one page.",
)
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the plots as PNG files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@workspace_options
def command(
    targets: tuple[Path, ...],
    data: Path | None,
    model: Path | None,
    runs_dir: Path,
    split: str | None,
    worst: int,
    tta: bool,
    no_calibrate: bool,
    report: Path | None,
    plots: Path | None,
    as_json: bool,
    workspace: WorkspaceOptions,
) -> None:
    """Measure a run on labelled photos: those in DATA, or the run's own validation photos.

    Several runs are measured on the same photos and compared.
    """
    from catdog.evaluation.compare import mcnemar

    runs, data = _sorted_out(targets, data, model, runs_dir)
    if len(runs) > 1 and (report or plots):
        raise UsageError("--report and --plots are about one run: name one.")
    judged, remarks = _judge(runs, data, split, tta, not no_calibrate, workspace.open())
    for remark in remarks:
        console.note(remark)
    compared = [
        mcnemar(str(runs[one].folder), str(runs[other].folder), judged[one].right, judged[other].right)
        for one in range(len(runs))
        for other in range(one + 1, len(runs))
    ]
    _print(runs, judged, compared, worst, as_json=as_json)
    if report or plots:
        _write(judged[0], runs[0], data, remarks, report, plots)


def _print(
    runs: Sequence[Run],
    judged: "Sequence[Judged]",
    compared: "Sequence[Comparison]",
    worst: int,
    *,
    as_json: bool,
) -> None:
    if as_json:
        facts = [_facts(run, one, worst) for run, one in zip(runs, judged, strict=True)]
        comparison = {"runs": facts, "comparisons": [one.to_json() for one in compared]}
        click.echo(json_text(comparison if compared else facts[0], indent=2))
        return
    if skipped := {bad.path: bad.reason for one in judged for bad in one.skipped}:
        path, reason = next(iter(skipped.items()))
        console.warn(
            message(
                "{count} could not be read, the first {path}: {reason}",
                count=plural("{count:,} photo", "{count:,} photos", len(skipped)),
                path=path,
                reason=reason,
            )
        )
    if compared:
        scores.show_comparison(runs, judged, compared)
    else:
        scores.show(runs[0], judged[0], _worst(judged[0], worst))


def _sorted_out(
    targets: Sequence[Path], data: Path | None, model: Path | None, runs_dir: Path
) -> tuple[list[Run], Path | None]:
    """The runs that are meant, and the folder of photos; None is the runs' own."""
    folders = [target for target in targets if not is_run(target)]
    if len(folders) + (data is not None) > 1:
        raise UsageError(
            "expected one folder of photos, found {map}; a run has a config.json in it.",
            map=", ".join(map(str, [*folders, *([data] if data else [])])),
        )
    if gone := [target for target in targets if not target.exists()]:
        raise DataError(
            "expected a run or a folder of photos, found nothing at {gone}. Check the path.", gone=gone[0]
        )
    runs = [open_run(target) for target in targets if is_run(target)]
    if runs and model:
        raise UsageError("give runs as RUN..., or one with --model, not both.")
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise UsageError("a run is given twice.")
    return runs or [chosen_run(model, runs_dir)], data or (folders[0] if folders else None)


def _judge(
    runs: Sequence[Run],
    data: Path | None,
    split: str | None,
    tta: bool,
    calibrate: bool,
    workspace: "Workspace",
) -> tuple[list["Judged"], list[Message]]:
    """Each run's answers, for the same photos, and what is to be said about those."""
    from catdog.evaluation.choose import choose, choose_for_all
    from catdog.evaluation.judge import judge

    with progress_bars.FeatureBar() as bar:
        models = [classifier_of(run, workspace, calibrate=calibrate) for run in runs]
        pairs = list(zip(runs, models, strict=True))
        if len({frozenset(one.classes) for one in models}) > 1:
            lists = "; ".join(f"{run.folder}: {', '.join(one.classes)}" for run, one in pairs)
            raise OptionError("expected runs that tell the same classes apart, found {lists}", lists=lists)
        # Without DATA the photos are those of the first run: one folder for all.
        classes, options = models[0].classes, runs[0].config.options
        if len(runs) > 1:
            folder = data or Path(options.data)
            chosen = choose_for_all(runs, classes, folder, split, workers=workspace.workers, report=bar)
        else:
            chosen = [choose(runs[0], classes, data, split, workers=workspace.workers, report=bar)]
        remarks = list(dict.fromkeys(remark for one in chosen for remark in one.remarks))
        common, left_out = _in_common(chosen)
        if left_out:
            remarks.append(
                message(
                    "{count:,} photos are left out: not every run may be asked about them", count=left_out
                )
            )
        judged = [
            judge(one, photos, fitted_on=run.split()["valid"], average_mirrored=tta, report=bar)
            for (run, one), photos in zip(pairs, common, strict=True)
        ]
    return _same_photos(judged), remarks


def _same_photos(judged: "list[Judged]") -> "list[Judged]":
    """Without the photos that only some of the runs could read: a file may go or change in between."""
    photos = [list(zip(one.paths, one.digests, strict=True)) for one in judged]
    common = set.intersection(*map(set, photos))
    return [
        one.select(np.array([row for row, photo in enumerate(own) if photo in common], np.int64))
        if len(own) > len(common)
        else one
        for one, own in zip(judged, photos, strict=True)
    ]


def _in_common(chosen: "Sequence[Chosen]") -> tuple[list["Chosen"], int]:
    """The same with the photos that are in all of them, and how many others there are."""
    everything = {photo.path for one in chosen for photo in one.photos}
    shared = set.intersection(*({photo.path for photo in one.photos} for one in chosen))
    if not shared:
        raise OptionError("the runs have no photos in common: name a folder that none was trained on, --data")
    kept = [
        replace(one, photos=tuple(photo for photo in one.photos if photo.path in shared)) for one in chosen
    ]
    return kept, len(everything) - len(shared)


def _write(
    judged: "Judged",
    run: Run,
    data: Path | None,
    remarks: Sequence[Message],
    report: Path | None,
    folder: Path | None,
) -> None:
    from catdog.reports.evaluation_page import report_page
    from catdog.reports.plots import plots_of

    plots = plots_of(judged, run.history(), best_epoch=run.read_model()[1].epoch)
    try:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            for plot in plots:
                durable.write_bytes(folder / f"{plot.name}.png", plot.png())
            console.tell(message("Wrote {count} plots into {folder}", count=len(plots), folder=folder))
        if report:
            command = click.get_current_context().obj
            root = data or Path(run.config.options.data)
            page = report_page(judged, run, data=root, remarks=remarks, plots=plots, command=command)
            report.parent.mkdir(parents=True, exist_ok=True)
            durable.write_bytes(report, page.encode("utf-8", "replace"))
            console.tell(message("Wrote {report}", report=report))
    except OSError as error:
        raise OptionError(
            "expected to write {filename}: {reason}. Name another place.",
            filename=error.filename or report or folder,
            reason=error.strerror or error,
        ) from error


def _facts(run: Run, judged: "Judged", worst: int) -> dict[str, Any]:
    return judged.evaluation.to_json() | {
        "model": str(run.folder),
        "calibration": judged.calibration.to_json(),
        "tta": judged.gain.to_json() if judged.gain else None,
        "worst": _worst(judged, worst),
        "skipped": [{"path": str(one.path), "reason": str(one.reason)} for one in judged.skipped],
    }


def _worst(judged: "Judged", count: int) -> list[dict[str, Any]]:
    """The photos with the largest loss, largest first."""
    return [
        {
            "path": str(judged.paths[row]),
            "true": judged.classes[judged.labels[row]],
            "label": judged.classes[judged.answers[row]],
            "probability": float(judged.probabilities[row].max()),
            "loss": float(judged.surprises[row]),
        }
        for row in judged.worst(count)
    ]
