"""`catdog export RUN FILE`: a run as one file that needs nothing else."""

from pathlib import Path
from typing import Any

import click
from rich.filesize import decimal

from catdog import devices
from catdog.cli import console
from catdog.cli.command import FILE, PATH, Command, flag, option
from catdog.cli.options import chosen_model, runs_dir_option, workspace_options
from catdog.cli.progress_bars import FeatureBar
from catdog.errors import OptionError
from catdog.export import EXTENSIONS, export, format_of
from catdog.runs import Run
from catdog.text import N_, message
from catdog.workspace import Workspace

EXAMPLES = (
    "catdog export runs/sample_data cats.safetensors",
    "catdog export sample_data cats.onnx",
    "catdog export sample_data cats.h5 --no-calibrate",
)
_FORMAT = N_("catdog (.safetensors), keras (.h5), onnx (.onnx) or torchvision (.safetensors).")
_BY_NAME = N_("by the extension of FILE")


@click.command("export", cls=Command, examples=EXAMPLES)
@click.argument("run", type=PATH)
@click.argument("file", type=FILE)
@option("--format", "Output", _FORMAT, click.Choice(list(EXTENSIONS)), _BY_NAME, metavar="NAME")
@flag("--no-calibrate", "Model", N_("Leave out the temperature scaling."))
@flag("--force", "Output", N_("Replace FILE if it exists."))
@runs_dir_option
@workspace_options
def command(run: Path, file: Path, runs_dir: Path, workspace: Workspace, **chosen: Any) -> None:
    """Write RUN (a path, or a name under --runs-dir) with all its weights to FILE. Nothing else is needed to
    use the file: it holds the class names and the preprocessing too.
    """
    format, force = chosen["format"] or format_of(file), chosen["force"]
    found = chosen_model(run, runs_dir)
    if not isinstance(found, Run):
        raise OptionError("{file} is an exported file: name the run that it comes from", file=found)
    calibrate, opened = not chosen["no_calibrate"], devices.opened(workspace)
    with FeatureBar() as bar:
        spec = export(
            found, file, format=format, calibrate=calibrate, force=force, workspace=opened, report=bar
        )
    fields = {"format": format, "size": decimal(file.stat().st_size), "classes": ", ".join(spec.classes)}
    console.say(message("Wrote {file}: {format}, {size}, classes: {classes}", file=file, **fields))
