"""What the experiments are made from: the photos of a folder, their pooled features, the convolutions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog.data import Skipped
from catdog.model.architecture import CONVOLUTIONS
from catdog.progress import Progress
from catdog.training.events import Event
from catdog.training.logistic import Samples, samples_of
from catdog.training.options import NewRun
from catdog.training.prepare import prepare, read
from catdog.weights.source import BUILTIN, find_weights, read_tensors
from catdog.workspace import Workspace

PENALTY = 0.001  # L2, of the kernel of a last layer: the loss then has a minimum. Not tuned
MOST = 500  # photos of an experiment


@dataclass(frozen=True)
class Split:
    """Some photos and the inputs of a last layer for them."""

    paths: tuple[Path, ...]
    samples: Samples

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, rows: np.ndarray) -> "Split":
        """Some of the photos, in that order."""
        return Split(tuple(self.paths[row] for row in rows), self.samples.select(rows))

    def some(self, count: int) -> "Split":
        """At most `count` of the photos: always the same ones, in their order."""
        chosen = np.random.default_rng(0).permutation(len(self))[:count]
        return self.select(np.sort(chosen))


@dataclass(frozen=True)
class Material:
    """A folder of photos, ready for the experiments.

    Attributes:
        folder: where the photos are.
        classes: by number.
        train, valid: the splits that `catdog train` would make, without cross-validation.
        size: of the photos, pixels a side.
        skipped: photos that cannot be read.
        tensors: kernels and biases of the pretrained convolutions, by name.
        preprocessing: what these expect.
    """

    folder: Path
    classes: tuple[str, ...]
    train: Split
    valid: Split
    size: int
    skipped: tuple[Skipped, ...]
    tensors: dict[str, np.ndarray]
    preprocessing: str


def gather(folder: Path, workspace: Workspace, report: Callable[[Progress], None]) -> Material:
    """Compute or look up the features that a training with the default options uses.

    Raises:
        DataError: there is no data set to train on.
        CacheError: neither the disk nor the memory has room for the features.
    """

    def progress(event: Event) -> None:
        if isinstance(event, Progress):
            report(event)

    weights = find_weights(BUILTIN)
    options = NewRun(folder, folds=0, l2=PENALTY).complete(weights)
    options, photos, prefix, suffix = read(options, weights, workspace=workspace, report=progress)
    job = prepare(options, photos, prefix, suffix, workspace=workspace, report=report)
    assert job.valid
    left = photos.without(job.skipped, folder)
    train, valid = (
        Split(paths, samples_of(suffix, *job.start(), examples.features, examples.labels, None))
        for paths, examples in ((left.train.paths, job.train), (left.valid.paths, job.valid))
    )
    return Material(
        folder=folder,
        classes=photos.classes,
        train=train,
        valid=valid,
        size=options.decoding.size,
        skipped=job.skipped,
        tensors=read_tensors(weights, CONVOLUTIONS, memo_dir=workspace.checked),
        preprocessing=prefix.preprocessing,
    )
