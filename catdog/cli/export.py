"""`catdog export RUN FILE`: one file that stands alone."""

import os
from pathlib import Path

import click

from catdog.cli import console, progress_bars
from catdog.cli.options import WorkspaceOptions, workspace_options
from catdog.errors import OptionError
from catdog.runs import open_run
from catdog.text import bytes_for_people, message

# Format → what its files are called.
_SUFFIXES = {"catdog": ".safetensors", "keras": ".h5", "onnx": ".onnx", "torchvision": ".safetensors"}


@click.command("export", short_help="write a run as one file that stands alone")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_SUFFIXES)),
    help="catdog (.safetensors), keras (.h5, weights of Keras' VGG16), onnx (.onnx), or torchvision "
    "(.safetensors with its names).  [default: by the name of FILE; catdog for .safetensors]",
)
@click.option(
    "--no-calibrate",
    is_flag=True,
    help="Leave the last layer as it was trained, without the run's temperature.",
)
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@workspace_options
def command(
    run: Path,
    file: Path,
    form: str | None,
    no_calibrate: bool,
    force: bool,
    workspace: WorkspaceOptions,
) -> None:
    """Write the run RUN with all its weights to FILE: nothing else is needed to use it.

    The names of the classes and what photos must look like travel in the file.
    """
    from catdog.export.whole import whole_network

    form = form or _form_of(file)
    if file.name.lower().endswith(".weights.h5"):
        raise OptionError(
            "Keras 3 expects another layout in a file called {name!r} than in other .h5 files: name it "
            "{name_2}.h5",
            name=file.name,
            name_2=file.name[: -len(".weights.h5")],
        )
    if file.absolute().parent == run.absolute():
        raise OptionError("{file} lies in the run's own folder: name a FILE elsewhere", file=file)
    if os.path.exists(file) and not force:
        raise OptionError("{file} exists already: give another name, or --force to replace it", file=file)
    with progress_bars.FeatureBar() as bar:
        network = whole_network(
            open_run(run), workspace=workspace.open(), calibrate=not no_calibrate, report=bar
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _writer(form)(file, network)
        size = file.stat().st_size
    except OSError as error:
        raise OptionError(
            "expected to write {file}: {reason}. Name another.", file=file, reason=error.strerror or error
        ) from error
    classes = ", ".join(network.spec.classes)
    console.say(
        message(
            "Wrote {file}: {form}, {bytes_for_people}, tells apart {classes}",
            file=file,
            form=form,
            bytes_for_people=bytes_for_people(size),
            classes=classes,
        )
    )


def _form_of(file: Path) -> str:
    for form, suffix in _SUFFIXES.items():
        if file.suffix.lower() == suffix:
            return form
    known = ", ".join(dict.fromkeys(_SUFFIXES.values()))
    raise OptionError(
        "expected a FILE that ends in {known}, found {name!r}; or say which --format",
        known=known,
        name=file.name,
    )


def _writer(form: str):
    from catdog.export import files as export
    from catdog.export import onnx_graph

    return {
        "catdog": export.write_catdog,
        "keras": export.write_keras,
        "onnx": onnx_graph.write_onnx,
        "torchvision": export.write_torchvision,
    }[form]
