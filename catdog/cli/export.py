"""`catdog export RUN FILE`: a run as one file that needs nothing else."""

from pathlib import Path

import click
from rich.filesize import decimal

from catdog.cli import console, progress_bars
from catdog.cli.command import MODEL, OUTPUT, Command, option
from catdog.cli.options import WorkspaceOptions, chosen_model, runs_dir_option, workspace_options
from catdog.errors import OptionError
from catdog.export import EXTENSIONS, export, format_of
from catdog.runs import Run
from catdog.text import N_, message

EXAMPLES = (
    "catdog export runs/sample_data cats.safetensors",
    "catdog export sample_data cats.onnx",
    "catdog export sample_data cats.h5 --no-calibrate",
)


@click.command("export", cls=Command, examples=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@option(
    "--format",
    group=OUTPUT,
    type=click.Choice(list(EXTENSIONS)),
    metavar="NAME",
    help=N_("catdog (.safetensors), keras (.h5), onnx (.onnx) or torchvision (.safetensors)."),
    otherwise=N_("by the extension of FILE"),
)
@option("--no-calibrate", group=MODEL, is_flag=True, help=N_("Leave out the temperature scaling."))
@option("--force", group=OUTPUT, is_flag=True, help=N_("Replace FILE if it exists."))
@runs_dir_option
@workspace_options
def command(
    run: Path,
    file: Path,
    format: str | None,
    no_calibrate: bool,
    force: bool,
    runs_dir: Path,
    workspace: WorkspaceOptions,
) -> None:
    """Write RUN (a path, or a name under --runs-dir) with all its weights to FILE. Nothing else is needed to
    use the file: it holds the class names and the preprocessing too.
    """
    format = format or format_of(file)
    found = chosen_model(run, runs_dir)
    if not isinstance(found, Run):
        raise OptionError("{file} is an exported file: name the run that it comes from", file=found)
    with progress_bars.FeatureBar() as bar:
        spec = export(
            found,
            file,
            format=format,
            calibrate=not no_calibrate,
            force=force,
            workspace=workspace.open(),
            report=bar,
        )
    console.say(
        message(
            "Wrote {file}: {format}, {size}, classes: {classes}",
            file=file,
            format=format,
            size=decimal(file.stat().st_size),
            classes=", ".join(spec.classes),
        )
    )
