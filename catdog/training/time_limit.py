"""The best quality whose features can be computed within a time, as a measurement on this machine says."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from catdog.config import TrainOptions
from catdog.features.extract import extract
from catdog.features.pooling import lacking, stores_of
from catdog.features.prefix import Prefix
from catdog.text import N_, Message, message
from catdog.training.options import SIZES_OF
from catdog.workspace import Workspace

# The rest is for the head, and for a machine that becomes slower.
_FRACTION = 0.9
_BATCHES = 2  # of each call, that are measured


def within(
    chosen: TrainOptions, deadline: float, photos: Mapping[str, Path], prefix: Prefix, workspace: Workspace
) -> tuple[TrainOptions, Message]:
    """The options with the best quality whose features are computed before the deadline; else the lowest.

    Qualities are tried from the best on: the features of a few photos are computed, and cached, twice; the
    second time, when nothing is compiled any more, decides.

    Args:
        deadline: in the seconds of `time.monotonic`.
        photos: content digest, hex → file.

    Returns:
        The options, and a sentence about them.

    Raises:
        CacheError: neither the disk nor the memory has room for the features.
    """
    fits = N_("--time-limit takes --quality {quality}: features of {size} pixels in about {seconds:.0f} s")
    late = N_("even --quality {quality} takes longer than --time-limit: about {seconds:.0f} s")

    def estimate(quality: str) -> tuple[bool, TrainOptions, Message]:
        size, *others = SIZES_OF[quality]
        decoding = replace(chosen.decoding, size=size)
        fitting = replace(chosen, decoding=decoding, other_sizes=tuple(others))
        seconds = _seconds(fitting, photos, prefix, workspace)
        in_time = seconds <= (deadline - time.monotonic()) * _FRACTION
        template = fits if in_time else late
        sizes = ", ".join(map(str, SIZES_OF[quality]))
        return in_time, fitting, message(template, quality=quality, size=sizes, seconds=seconds)

    *better, lowest = reversed(SIZES_OF)
    for quality in better:
        in_time, fitting, sentence = estimate(quality)
        if in_time:
            return fitting, sentence
    return estimate(lowest)[1:]


def _seconds(chosen: TrainOptions, photos: Mapping[str, Path], prefix: Prefix, workspace: Workspace) -> float:
    """How long the features take that are not in the cache, those of views included."""
    missing = {
        decoding: lacking(stores_of(workspace.features, prefix, decoding), list(photos))
        for decoding in chosen.decodings
    }
    decoding = max(missing, key=lambda decoding: (len(missing[decoding]), decoding.size))
    todo = missing[decoding]
    calls = prefix.calls(workspace.workers)
    count = _BATCHES * calls * prefix.batch_size(len(todo), calls)
    seconds = 0.0
    for part in (todo[:count], todo[count : 2 * count]):
        if part:
            began = time.monotonic()
            digests = {photos[digest]: digest for digest in part}
            extract(list(digests), prefix, decoding, workspace=workspace, digests=digests)
            seconds = (time.monotonic() - began) / len(part)
    areas = sum(len(photos) * decoding.size**2 for decoding, photos in missing.items())
    return seconds * (areas / decoding.size**2 - len(todo[: 2 * count]))
