"""`catdog evaluate [RUN...] [DATA]`: how good is a run, and on which photos is it wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from catdog import devices
from catdog.archives import is_folder
from catdog.cli import console
from catdog.cli.command import FILE, FOLDER, PATH, Command, flag, option
from catdog.cli.options import chosen_model, model_options, report_option, tta_option, workspace_options
from catdog.cli.processes import process_options
from catdog.cli.progress_bars import FeatureBar
from catdog.cli.translate import UsageError, translations
from catdog.data import SPLITS
from catdog.escapes import json_text
from catdog.inference.models import find_model
from catdog.runs import Run, is_run
from catdog.text import N_, message, plural, relative
from catdog.workspace import Workspace

EXAMPLES = (
    "catdog evaluate",
    "catdog evaluate nadam --report report.html",
    "catdog evaluate nadam adam --data dogscats",
    "catdog evaluate cats.safetensors dogscats",
)
_DEFAULT_SPLIT = N_("validation; if DATA has none, photos that the run was not trained on")
_LABELS = N_("CSV of classes, values or labels.")
_WORST = N_("Number of photos with the largest loss to list.")


@click.command("evaluate", cls=Command, examples=EXAMPLES)
@click.argument("targets", metavar="[RUN...] [DATA]", nargs=-1, type=PATH)
@option("--data", "Data", N_("The folder of photos, as DATA."), PATH)
@option("--labels", "Data", _LABELS, FILE, N_("the run's"), metavar="FILE.csv")
@option("--split", "Data", N_("Which photos."), click.Choice(SPLITS), _DEFAULT_SPLIT)
@model_options()
@tta_option
@flag("--no-calibrate", "Model", N_("Leave out temperature scaling."))
@option("--worst", "Output", _WORST, click.IntRange(0), default=5)
@report_option(N_("Write a self-contained HTML report with plots, photos and heat maps."))
@option("--plots", "Output", N_("Write the plots as PNG files."), FOLDER)
@flag("--json as_json", "Output", N_("Print one JSON object."))
@workspace_options
@process_options
@click.pass_obj
def command(typed: str, targets: tuple[Path, ...], workspace: Workspace, **chosen: Any) -> None:
    """Evaluate runs on labelled photos: those in the folder DATA, or the run's own validation photos.

    RUN is the path of a run, its name under --runs-dir, or a file that `catdog export` wrote. Several runs
    are compared on the same photos.
    """
    from catdog.cli.views.scores import scores
    from catdog.evaluation.evaluate import evaluate

    models, data = _models_and_data(targets, chosen["data"], chosen["model"], chosen["runs_dir"])
    worst, report, plots = chosen["worst"], chosen["report"], chosen["plots"]
    calibrate = not chosen["no_calibrate"]
    if len(models) > 1 and (report or plots):
        raise UsageError("--report and --plots are about one run. Name only one.")
    if not calibrate and not all(isinstance(found, Run) for found in models):
        raise UsageError("--no-calibrate is for runs. An exported file cannot be changed.")
    opened, split, tta = devices.opened(workspace), chosen["split"], chosen["tta"]
    with FeatureBar() as bar:
        table = chosen["labels"]
        evaluation = evaluate(
            models, data, split, opened, table=table, tta=tta, calibrate=calibrate, report=bar
        )
    if not evaluation.models:  # process 0 has them
        return
    for remark in evaluation.remarks:
        console.note(relative(remark, evaluation.data))
    if chosen["as_json"]:
        click.echo(json_text(evaluation.to_json(worst=worst), indent=2))
    else:
        if skipped := evaluation.skipped:
            first = {"path": evaluation.shown(skipped[0].path), "reason": skipped[0].reason}
            unreadable = plural(
                "{count:,} photo is unreadable and was skipped: {path}: {reason}",
                "{count:,} photos are unreadable and were skipped, the first is {path}: {reason}",
                len(skipped),
                **first,
            )
            console.warn(unreadable)
        console.show(scores(evaluation, worst))
    if plots:
        from catdog.reports.plots import write_plots

        count = write_plots(evaluation.models[0], plots)
        written = plural(
            "Wrote {count} plot into {folder}", "Wrote {count} plots into {folder}", count, folder=plots
        )
        console.tell(written)
    if report:
        from catdog.reports.evaluation_page import write_report

        write_report(evaluation, report, command=typed, translations=translations())
        console.tell(message("Wrote {file}", file=report))


def _models_and_data(
    targets: Sequence[Path], data: Path | None, model: Path | None, runs_dir: Path
) -> tuple[list[Run | Path], Path | None]:
    """The runs and exported files that are meant, and the folder of photos; None is the run's own."""
    models: list[Run | Path] = []
    folders = [data] if data else []
    for target in targets:
        if is_folder(target) and not is_run(target):
            folders.append(target)
            if is_run(runs_dir / target):
                namesake = N_("{target} is a folder of photos here; the run of that name is {run}")
                console.note(message(namesake, target=target, run=runs_dir / target))
            continue
        nothing = N_("expected a folder of photos or a model, found nothing at {target}. {runs}")
        models.append(find_model(target, runs_dir, nothing=nothing))
    if len(folders) > 1:
        several = N_("expected one folder of photos, found {folders}. A run has a config.json in it.")
        raise UsageError(several, folders=", ".join(map(str, folders)))
    if models and model:
        raise UsageError("give runs as RUN, or one with --model, not both.")
    if len({(found.folder if isinstance(found, Run) else found).resolve() for found in models}) < len(models):
        raise UsageError("a run is given twice.")
    return models or [chosen_model(model, runs_dir)], folders[0] if folders else None
