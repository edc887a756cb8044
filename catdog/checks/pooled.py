"""Each photo as two vectors: mean and maximum over positions of the features of VGG16's convolutions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog.checks.parts import MOST_PHOTOS
from catdog.config import Decoding, Head
from catdog.features.extract import extract
from catdog.features.forward import condense, make_suffix
from catdog.features.prefix import Prefix
from catdog.progress import OnProgress, unreported
from catdog.training.options import SIZES_OF, NewRun
from catdog.weights.source import find_weights
from catdog.workspace import Workspace

_BLOCK = 4096  # photos whose vectors are in memory as float32


@dataclass(frozen=True)
class Pooled:
    """The vectors of n readable photos."""

    photos: np.ndarray  # index of each among the given paths, ascending, (n,)
    means: np.ndarray  # (n, 512) float32, of many photos float16; not negative
    maxima: np.ndarray  # (n, 512) float16, as the features they are the largest of


def pool(
    paths: Sequence[Path], digests: dict[Path, str], *, workspace: Workspace, report: OnProgress = unreported
) -> Pooled:
    """Look up, or compute and cache, the features that a training with the default options uses too.

    Raises:
        CacheError: the cache cannot be written.
    """
    head, decoding = Head("concat"), Decoding(SIZES_OF[NewRun.quality][0])
    prefix = Prefix(find_weights("builtin"), head, unfreeze="head", workspace=workspace)
    found = extract(paths, prefix, decoding, workspace=workspace, digests=digests, report=report)
    if found.features is None:
        nothing = np.empty((0, prefix.output_shape(decoding.size)[-1]), np.float32)
        return Pooled(np.empty(0, np.int64), nothing, nothing)
    suffix = make_suffix(prefix, head, 2, size=decoding.size)
    count, channels = len(found.features), prefix.output_shape(decoding.size)[-1]
    means = np.empty((count, channels), np.float32 if count <= MOST_PHOTOS else np.float16)
    maxima = np.empty((count, channels), np.float16)
    for start in range(0, count, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, count))
        vectors = condense(suffix, prefix.frozen_arrays, [found.features.select(rows.tolist())])
        both = vectors.gather(np.arange(len(rows)))
        means[rows], maxima[rows] = both[:, :channels], both[:, channels:]
    return Pooled(np.array(found.photos, np.int64), means, maxima)
