"""Pretrained weights: where they lie, whether they fit a table of layers, and their tensors as arrays.

`catdog.weights.files` opens files of every kind, `catdog.weights.naming` knows what each family of files
calls VGG16's tensors. This room imports no jax.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from catdog.errors import OptionError, WeightsError
from catdog.model.architecture import CONVOLUTIONS, IMAGENET_TOP
from catdog.model.layers import Layer, Shape
from catdog.model.preprocess import Preprocessing
from catdog.model.tensors import differences, expected_shapes
from catdog.progress import Progress
from catdog.text import Message, message
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
    """A weights file, and what it wants done to the photos.

    Attributes:
        name: what the user called it.
        preprocessing: the name of a `Preprocessing`.
        layers: the names of VGG16's layers that it has tensors for.
        misshapen: those of them whose tensors have other shapes than VGG16's.
        digest: `sha256:` and hex, where it is known what the file must be and nobody has looked yet.
    """

    name: str
    path: Path
    preprocessing: str
    layers: frozenset[str]
    misshapen: frozenset[str] = frozenset()
    digest: str | None = None

    @property
    def has_fc(self) -> bool:
        """Whether VGG16's fc1 and fc2 are there."""
        return {"fc1", "fc2"} <= self.layers - self.misshapen

    @property
    def has_top(self) -> bool:
        """Whether the whole of ImageNet's top is there."""
        return self.has_fc and "predictions" in self.layers - self.misshapen


def find_weights(
    name: str,
    *,
    preprocessing: str | None = None,
    workspace: Workspace | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> WeightSource:
    """The weights that a name stands for: `builtin`, one that is downloaded, or the path of a file.

    Args:
        preprocessing: what the user says of the file; None asks the file. It wins over what the names in
            the file suggest, not over what the file says.
        workspace: where downloads are kept, and which were found intact; None refuses to download.
        report: called while a file is downloaded.

    Raises:
        WeightsError: the name stands for nothing, the file cannot be read or does not say which
            preprocessing it wants, or the download failed.
        OptionError: the file says that it wants another preprocessing.
    """
    digest = None
    if name == BUILTIN:
        path = Path(str(resources.files("catdog") / "pretrained" / BUILTIN_FILE))
        digest = BUILTIN_DIGEST
        if not path.is_file():
            raise WeightsError("this installation lacks {path}: install catdog again", path=path)
    elif name in DOWNLOADS:
        if workspace is None or workspace.weights is None:
            raise WeightsError(
                "the weights {name!r} are downloaded, and there is no folder to keep them in", name=name
            )
        path = fetch(
            DOWNLOADS[name],
            workspace.weights,
            memo_dir=workspace.checked,
            report=lambda done, total: report(Progress("download", done, total or 0)),
        )
    else:
        path = Path(os.path.expanduser(name))  # unlike Path's, and is_file, never an error
        if not os.path.isfile(path):
            raise WeightsError(
                "there are no weights {name!r}: expected {map}, or the path of a weights file (Keras' .h5, "
                ".safetensors, or PyTorch's .pth)",
                name=name,
                map=", ".join(map(repr, NAMES)),
            )
    with opened(path) as file:
        family = _recognised(file, path)
    present = {ours: one for ours, one in family.named.items() if one.raw}
    shapes = expected_shapes((*CONVOLUTIONS, *IMAGENET_TOP))
    misshapen = [
        ours for ours, one in present.items() if one.raw and one.raw.shape != one.file_shape(shapes[ours])
    ]
    known = Preprocessing.CAFFE if name == BUILTIN else family.preprocessing
    if preprocessing and known not in (None, preprocessing) and (name in NAMES or family.is_explicit):
        raise OptionError(
            "--preprocessing {preprocessing} does not fit {name!r}, which wants {known}",
            preprocessing=preprocessing,
            name=name,
            known=known,
        )
    wanted = preprocessing or known
    if wanted is None:
        raise WeightsError(
            "{path} does not say what photos must look like for it. Say so: --preprocessing caffe (BGR "
            "minus the mean: Keras and the network's authors) or --preprocessing torch (RGB, normalised: "
            "torchvision and timm)",
            path=path,
        )
    return WeightSource(name, path, str(wanted), _layers_of(present), _layers_of(misshapen), digest)


def read_tensors(
    source: WeightSource, layers: Sequence[Layer], *, memo_dir: Path | None = None
) -> dict[str, np.ndarray]:
    """The tensors of these layers, in the order of the table, as stored: float16 or float32.

    The file may hold the rest of VGG16 too, but nothing else. Each tensor is copied once out of the file, so
    that whatever becomes of the file later cannot change a network; it cannot be written to.

    Args:
        memo_dir: where it is remembered that a file with a known digest was checked; see
            `require_digest`.

    Raises:
        WeightsError: the file is damaged, or does not fit the layers; then every tensor that is
            missing, of another shape or of another type is listed.
    """
    if not layers:
        return {}
    if source.digest is not None:
        require_digest(source.path, source.digest, memo_dir=memo_dir)
    expected = expected_shapes(layers)
    with opened(source.path) as file:
        family = _recognised(file, source.path)
        if problems := _misfits(expected, family):
            raise WeightsError("{path} does not fit: {problems}", path=source.path, problems=tuple(problems))
        tensors = {}
        for path, shape in expected.items():
            one = family.named[path]
            assert one.raw is not None  # or it would be a misfit
            try:
                tensors[path] = read(one.raw, shape, one.place)
            except WeightsError as error:
                raise WeightsError(
                    "{path}, {file_name}: {reason}", path=source.path, file_name=one.file_name, reason=error
                ) from error
        return tensors


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256, hex, over paths, types, shapes and values, whatever the order of the dict."""
    sha256 = hashlib.sha256()
    for path in sorted(tensors):
        tensor = tensors[path]
        little_endian = np.asarray(tensor, tensor.dtype.newbyteorder("<"), order="C")
        # JSON, so that no two sets of tensors are ever spelt alike.
        label = json.dumps([path, little_endian.dtype.str, tensor.shape])
        sha256.update(f"{label}\n".encode())
        sha256.update(little_endian.reshape(-1).view(np.uint8).data)
    return sha256.hexdigest()


def _layers_of(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.partition("/")[0] for name in names)


def _recognised(file: RawFile, path: Path) -> Family:
    try:
        return recognise(file)
    except OptionError as error:
        raise WeightsError("{path}: {reason}", path=path, reason=error) from error


def _misfits(expected: Mapping[str, Shape], family: Family) -> list[Message]:
    """Every difference between what is wanted and what the file holds, in words, in the file's own layout."""
    problems = []
    for path, one in family.named.items():
        if path in expected:
            problems += differences(one.file_name, one.file_shape(expected[path]), one.raw)
    problems += [
        message("{name} not expected, found {found}", name=name, found=raw.shape)
        for name, raw in family.strangers.items()
    ]
    return problems
