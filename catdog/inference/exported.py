"""Reads a file that `catdog export` wrote in catdog's own format: a model in one file."""

import json
from pathlib import Path

import numpy as np

from catdog.config import ModelSpec
from catdog.errors import OptionError, WeightsError
from catdog.model.architecture import body, describe, head
from catdog.model.tensors import differences, expected_shapes
from catdog.weights.files import OWN, opened
from catdog.weights.files.tensors import read
from catdog.weights.naming import NEW

_MOST = 1024  # pixels a side that a file may ask for: more would fill the memory


def read_exported(path: Path) -> tuple[ModelSpec, dict[str, np.ndarray]]:
    """The spec of an exported file, and the tensors of its new layers by their names in a run.

    Raises:
        WeightsError: the file is damaged, or catdog did not write it in its own format.
    """
    with opened(path) as file:
        try:
            spec = ModelSpec.from_json(json.loads(file.metadata[OWN]))
            size = spec.decoding.size
            if not 32 <= size <= _MOST:
                raise OptionError(
                    "expected photos of 32 to {largest} pixels a side, found {size}", largest=_MOST, size=size
                )
            features = describe(body(spec.head), input_shape=(size, size, 3))[-1].output_shape
            shapes = expected_shapes(head(spec.head, len(spec.classes), features=features))
        except (KeyError, AttributeError, ValueError, RecursionError, OptionError) as error:
            raise WeightsError(
                "expected a run folder, or a .safetensors file that `catdog export` wrote, found {path}, "
                "which does not name its classes",
                path=path,
            ) from error
        new = {name.removeprefix(NEW): raw for name, raw in file.tensors.items() if name.startswith(NEW)}
        if new.keys() != shapes.keys() or any(differences(name, shapes[name], new[name]) for name in new):
            raise WeightsError(
                "the new layers in {path} are not those that its header describes. Only files that `catdog "
                "export` wrote with --format catdog can be used as a model.",
                path=path,
            )
        return spec, {name: read(raw, raw.shape) for name, raw in new.items()}
