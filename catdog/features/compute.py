"""Features that are not in the cache: photos are decoded in threads, computed in batches, and cached."""

from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from catdog.config import Decoding
from catdog.data import decoded
from catdog.data.parallel import AHEAD, ordered_map
from catdog.features.prefix import Prefix, pad_batch
from catdog.features.writer import ShardWriter
from catdog.progress import OnProgress, Progress
from catdog.text import Message, message


class Computed(NamedTuple):
    """Features of a batch of photos."""

    digests: list[str]  # content digests of the photos, hex
    features: np.ndarray  # (n, *shape), in the same order


class Failed(NamedTuple):
    """A photo that cannot be decoded."""

    digest: str
    reason: Message


_Batch = tuple[list[str], list[np.ndarray]]  # digests, and pixels (size, size, 3) uint8


def compute(
    photos: Mapping[str, Path],
    prefix: Prefix,
    decoding: Decoding,
    writer: ShardWriter,
    *,
    workers: int,
    report: OnProgress,
) -> Generator[Computed | Failed, None, None]:
    """Compute and cache the features of photos, in order; each photo is in one of the events.

    Args:
        photos: content digest, hex → file.
        writer: takes the features, of the kind of its store; the caller closes it.
        report: called after each batch.
    """
    if not photos:
        return
    total = len(photos)
    calls = prefix.calls(workers)
    size = prefix.batch_size(total, calls)

    def call(item: _Batch | Failed) -> Computed | Failed:
        if isinstance(item, Failed):
            return item
        digests, pixels = item
        features = prefix(pad_batch(pixels, size))
        if writer.store.key.pool:
            features = prefix.pooled(features)
        return Computed(digests, np.asarray(features)[: len(digests)])

    done = 0
    report(Progress("compile", 0, total))
    with (
        closing(_batches(photos, decoding, workers, size)) as batches,
        closing(ordered_map(call, batches, workers=calls, ahead=2 * calls)) as events,
    ):
        for event in events:
            if isinstance(event, Computed):
                for digest, tensor in zip(event.digests, event.features, strict=True):
                    writer.add(digest, tensor)
                done += len(event.digests)
                report(Progress("features", done, total))
            yield event


def _batches(
    photos: Mapping[str, Path], decoding: Decoding, workers: int, size: int
) -> Generator[_Batch | Failed, None, None]:
    digests: list[str] = []
    pixels: list[np.ndarray] = []
    expected = {path: digest for digest, path in photos.items()}
    ahead = max(AHEAD, 2 * size)
    with closing(decoded(expected, decoding, workers=workers, digests=expected, ahead=ahead)) as stream:
        for digest, photo in zip(photos, stream, strict=True):
            if photo.pixels is None:
                yield Failed(digest, photo.reason or message("the photo cannot be read"))
                continue
            digests.append(digest)
            pixels.append(photo.pixels)
            if len(pixels) == size:
                yield digests, pixels
                digests, pixels = [], []
    if pixels:
        yield digests, pixels
