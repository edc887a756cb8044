"""A run as one file that needs nothing else: catdog's own, ONNX, Keras' or torchvision's."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from catdog.errors import OptionError
from catdog.progress import OnProgress, unreported
from catdog.runs import Run
from catdog.workspace import Workspace

if TYPE_CHECKING:
    from catdog.config import ModelSpec

# Format → the extension of its files.
EXTENSIONS = {"catdog": ".safetensors", "keras": ".h5", "onnx": ".onnx", "torchvision": ".safetensors"}


def export(
    run: Run,
    file: Path,
    *,
    format: str,
    calibrate: bool = True,
    force: bool = False,
    workspace: Workspace,
    report: OnProgress = unreported,
) -> "ModelSpec":
    """Write a run with all its weights to a file; return what the file says of the model.

    Args:
        format: among `EXTENSIONS`.
        calibrate: divide the last layer by the run's temperature.
        force: replace the file if it exists.
        report: called while weights are downloaded.

    Raises:
        OptionError: the file exists or cannot be written, a library is missing, or the format does not allow
            the run's head.
        RunError: the run has no model, or the weights are not those it was trained on.
        WeightsError: the pretrained weights cannot be read.
    """
    from catdog.export.files import write_catdog, write_keras, write_torchvision
    from catdog.export.onnx_graph import write_onnx
    from catdog.export.whole import whole_network

    writers = {"catdog": write_catdog, "keras": write_keras, "onnx": write_onnx}
    write = (writers | {"torchvision": write_torchvision})[format]
    if file.name.lower().endswith(".weights.h5"):
        plain = file.name[: -len(".weights.h5")] + ".h5"
        raise OptionError(
            "Keras 3 expects another layout in a file that ends in .weights.h5: name it {name}", name=plain
        )
    if file.absolute().parent == run.folder.absolute():
        raise OptionError("{file} is in the folder of the run: choose a FILE elsewhere", file=file)
    if os.path.exists(file) and not force:
        raise OptionError("{file} exists already: choose another FILE, or replace it with --force", file=file)
    network = whole_network(run, workspace=workspace, calibrate=calibrate, report=report)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, network)
    except (OSError, SafetensorError) as error:  # the second for a full disk
        raise OptionError(
            "{file} cannot be written: {reason}. Choose another FILE.", file=file, reason=error
        ) from error
    return network.spec


def format_of(file: Path) -> str:
    """The format that the name of a file stands for.

    Raises:
        OptionError: it stands for none.
    """
    for format, extension in EXTENSIONS.items():
        if file.suffix.lower() == extension:
            return format
    raise OptionError(
        "expected a FILE that ends in {extensions}, found {name!r}; or give its --format",
        extensions=", ".join(dict.fromkeys(EXTENSIONS.values())),
        name=file.name,
    )
