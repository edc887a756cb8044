"""Pretrained weights: their file, whether it matches a table of layers, and their tensors as arrays.

`catdog.weights.files` opens files of every kind, `catdog.weights.naming` knows the names and layouts of each
family of files. This room imports no jax.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from catdog.errors import OptionError, WeightsError
from catdog.model.architecture import CONVOLUTIONS, IMAGENET_TOP
from catdog.model.layers import Layer
from catdog.model.preprocess import Preprocessing
from catdog.model.tensors import differences, expected_shapes, unexpected
from catdog.progress import OnProgress, unreported
from catdog.text import Message
from catdog.weights.download import DOWNLOADS, fetch
from catdog.weights.files import RawFile, opened
from catdog.weights.files.tensors import read
from catdog.weights.integrity import require_digest
from catdog.weights.naming import Family, recognise
from catdog.workspace import Workspace

BUILTIN = "builtin"
BUILTIN_FILE = "vgg16_imagenet_conv.safetensors"
BUILTIN_DIGEST = "sha256:2aab25b884d9cd601d4cf81e073582c7b2cc48a0d7ad9ac6acf03ea130b651ac"
NAMES: tuple[str, ...] = (BUILTIN, *DOWNLOADS)


@dataclass(frozen=True)
class WeightSource:
    """A weights file, and the preprocessing that it needs."""

    name: str  # as in --weights
    path: Path
    preprocessing: str  # the name of a `Preprocessing`
    layers: frozenset[str]  # the layers of VGG16 whose tensors are in the file
    misshapen: frozenset[str] = frozenset()  # those of them whose tensors have other shapes than VGG16's
    digest: str | None = None  # `sha256:` and hex, checked before the file is read; None if nothing is known

    @property
    def has_fc(self) -> bool:
        """Whether the file has VGG16's fc1 and fc2."""
        return {"fc1", "fc2"} <= self.layers - self.misshapen

    @property
    def has_top(self) -> bool:
        """Whether the file has fc1, fc2 and predictions, for the classes of ImageNet."""
        return self.has_fc and "predictions" in self.layers - self.misshapen


def find_weights(
    name: str,
    *,
    preprocessing: str | None = None,
    workspace: Workspace | None = None,
    report: OnProgress = unreported,
) -> WeightSource:
    """The weights of a name: `builtin`, a download, or the path of a file.

    Args:
        preprocessing: as the user says; None asks the file. It wins over what the names of the tensors
            suggest, not over what the file says.
        workspace: its folder of downloads and its list of checked files; None refuses to download.

    Raises:
        WeightsError: the name is unknown, the file cannot be read or does not name its preprocessing, or the
            download failed.
        OptionError: the file names another preprocessing.
    """
    if name == BUILTIN:
        path = Path(str(resources.files("catdog") / "pretrained" / BUILTIN_FILE))
        if not path.is_file():
            raise WeightsError("{path} is missing in this installation: install catdog again", path=path)
    elif name in DOWNLOADS:
        if workspace is None or workspace.weights is None:
            raise WeightsError(
                "the weights {name!r} have to be downloaded, and there is no folder for downloads", name=name
            )
        path = fetch(DOWNLOADS[name], workspace.weights, memo_dir=workspace.checked, report=report)
    else:
        path = Path(os.path.expanduser(name))  # unlike Path's, and is_file, never an error
        if not os.path.isfile(path):
            raise WeightsError(
                "there are no weights {name!r}: expected {names}, or the path of a weights file (.h5, "
                ".safetensors, .pth)",
                name=name,
                names=", ".join(NAMES),
            )
    with opened(path) as file:
        family = _recognised(file, path)
    shapes = expected_shapes((*CONVOLUTIONS, *IMAGENET_TOP))
    present = {
        name: tensor.raw.shape == tensor.file_shape(shapes[name])
        for name, tensor in family.named.items()
        if tensor.raw
    }
    misshapen = _layers_of(tensor for tensor, fits in present.items() if not fits)
    known = Preprocessing.CAFFE if name == BUILTIN else family.preprocessing
    if preprocessing and known not in (None, preprocessing) and (name in NAMES or family.is_explicit):
        raise OptionError(
            "--preprocessing {given} does not match the weights {name!r}, which need {needed}",
            given=preprocessing,
            name=name,
            needed=known,
        )
    wanted = preprocessing or known
    if wanted is None:
        raise WeightsError(
            "{path} does not name its preprocessing. Give --preprocessing caffe (BGR minus the mean: Keras "
            "and the original authors) or --preprocessing torch (normalised RGB: torchvision and timm)",
            path=path,
        )
    digest = BUILTIN_DIGEST if name == BUILTIN else None
    return WeightSource(name, path, str(wanted), _layers_of(present), misshapen, digest)


def read_tensors(
    source: WeightSource, layers: Sequence[Layer], *, memo_dir: Path | None = None
) -> dict[str, np.ndarray]:
    """The tensors of these layers, by catdog's names, in the order of the table: float16 or 32, as stored.

    The file may hold the rest of VGG16 too, but nothing else. The arrays are read-only copies: a later change
    of the file does not change them. Checked files are remembered in `memo_dir`, see `require_digest`.

    Raises:
        WeightsError: the file is damaged, or does not match the layers; then every tensor that is missing, or
            has another shape or type, is listed.
    """
    if not layers:
        return {}
    if source.digest is not None:
        require_digest(source.path, source.digest, memo_dir=memo_dir)
    expected = expected_shapes(layers)
    with opened(source.path) as file:
        family = _recognised(file, source.path)
        # Every difference, in the file's own names and layout.
        problems: list[Message] = []
        for path, tensor in family.named.items():
            if path in expected:
                problems += differences(tensor.file_name, tensor.file_shape(expected[path]), tensor.raw)
        problems += [unexpected(name, raw) for name, raw in family.strangers.items()]
        if problems:
            raise WeightsError(
                "{path} does not match the network: {problems}", path=source.path, problems=tuple(problems)
            )
        tensors = {}
        for path, shape in expected.items():
            tensor = family.named[path]
            assert tensor.raw is not None  # or it would be a misfit
            try:
                tensors[path] = read(tensor.raw, shape, tensor.view)
            except WeightsError as error:
                raise WeightsError(
                    "{path}, {tensor}: {reason}", path=source.path, tensor=tensor.file_name, reason=error
                ) from error
        return tensors


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256, hex, of the names, types, shapes and values; the order of the dict does not matter."""
    sha256 = hashlib.sha256()
    for path in sorted(tensors):
        tensor = tensors[path]
        little_endian = np.asarray(tensor, tensor.dtype.newbyteorder("<"), order="C")
        # JSON, so that two different sets of tensors never give the same bytes.
        label = json.dumps([path, little_endian.dtype.str, tensor.shape])
        sha256.update(f"{label}\n".encode())
        sha256.update(little_endian.reshape(-1).view(np.uint8).data)
    return sha256.hexdigest()


def class_names() -> tuple[str, ...]:
    """The 1000 classes of ILSVRC-2012, in the order of the original network's outputs.

    That is the order of the synsets' numbers in WordNet 3.0, the first column of the data file. A name is the
    first word of a synset, with a note where two are the same.
    """
    text = (resources.files("catdog") / "pretrained" / "imagenet_classes.tsv").read_text("utf-8")
    return tuple(line.split("\t")[1] for line in text.splitlines())


def _layers_of(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.partition("/")[0] for name in names)


def _recognised(file: RawFile, path: Path) -> Family:
    try:
        return recognise(file)
    except OptionError as error:
        raise WeightsError("{path}: {problem}", path=path, problem=error) from error
