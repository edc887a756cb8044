"""From photo files to features: look into the store, compute what is missing, keep it.

Decoding runs in threads ahead of the devices, and the calls that keep those busy in threads of their own.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catdog.config import Decoding
from catdog.data import Skipped, decoded, fingerprint, probe_all
from catdog.data.parallel import AHEAD, ordered_map
from catdog.errors import CacheError
from catdog.features.features import Features
from catdog.features.prefix import Prefix, pad_batch
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.memory import available_bytes
from catdog.progress import Progress
from catdog.text import Message, bytes_for_people, message
from catdog.workspace import Workspace

_Batch = tuple[list[str], list[np.ndarray]]  # content digests and photos, (size, size, 3) uint8 each

# How often features are computed that were kept and are gone again: another process may empty the cache.
_TRIES = 3
# How much of the memory that is free features may take.
_MEMORY_FRACTION = 0.7


@dataclass(frozen=True)
class Extraction:
    """The features of the photos that could be read.

    Attributes:
        photos: index of each readable photo in the input, ascending.
        digests: their content digests, hex.
        features: theirs, in the same order; None where no photo could be read.
        skipped: the others, with reasons, in input order.
    """

    photos: tuple[int, ...]
    digests: tuple[str, ...]
    features: Features | None
    skipped: tuple[Skipped, ...]
    damaged_shards: int


def extract(
    paths: Sequence[Path],
    prefix: Prefix,
    decoding: Decoding,
    *,
    workspace: Workspace,
    digests: dict[Path, str] | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    before: Callable[[dict[Path, Message]], None] = lambda _: None,
) -> Extraction:
    """Features of `paths`, from the cache where they are there.

    Args:
        digests: content digests that are known already; None reads and hashes the files.
        report: called as the work goes on.
        before: called with path → reason of those whose headers are no image's, before any feature is
            computed; what it raises ends the extraction.

    Raises:
        CacheError: neither disk nor memory takes the features, or somebody empties the cache again and again.
    """
    workers = workspace.workers
    digests, skipped = identify(paths, digests, workers=workers, report=report)
    store = FeatureStore(workspace.features, prefix.key(decoding))
    path_of: dict[str, Path] = {}
    for path in paths:
        if path in digests:
            path_of.setdefault(digests[path], path)
    store.hold(list(path_of))
    todo = store.missing(list(path_of))
    unreadable = probe_all([path_of[digest] for digest in todo], workers=workers)
    bad = {digests[one.path]: one.reason for one in unreadable}
    before({path: bad[digests[path]] for path in paths if digests.get(path) in bad})
    failed = bad
    _require_room(store, len(todo) - len(bad), len(path_of) - len(bad))
    for _ in range(_TRIES):
        if not (todo := [digest for digest in todo if digest not in failed]):
            break
        with (
            ShardWriter(store, needed=True) as writer,
            closing(
                compute(todo, path_of, failed, prefix, decoding, writer, workers=workers, report=report)
            ) as work,
        ):
            for _ in work:
                pass  # the store has them
        store.refresh()
        todo = store.missing(list(path_of))
    if any(digest not in failed for digest in todo):
        raise CacheError(
            "expected features to stay in {folder}, found them gone {tries} times. Is somebody emptying "
            "it, or is the disk failing? Name another place with --cache-dir.",
            folder=store.folder,
            tries=_TRIES,
        )

    skipped |= {path: failed[digests[path]] for path in paths if digests.get(path) in failed}
    readable = [number for number, path in enumerate(paths) if path not in skipped]
    found = tuple(digests[paths[number]] for number in readable)
    return Extraction(
        photos=tuple(readable),
        digests=found,
        features=store.features(found) if found else None,
        skipped=tuple(Skipped(path, skipped[path]) for path in paths if path in skipped),
        damaged_shards=store.damaged,
    )


def _require_room(store: FeatureStore, new: int, all_photos: int) -> None:
    """Refuse, before hours of work, features that neither the disk nor the memory takes."""
    cache, size = store.cache, store.tensor_bytes
    memory, free = int(available_bytes() * _MEMORY_FRACTION), cache.bytes_free()
    if new * size > free + memory:
        raise CacheError(
            "the features of {photos:,} photos take {needed}, and {disk} of the cache and {memory} of memory "
            "may be used for them. Make room, name another place with --cache-dir, leave out --no-cache, or "
            "take fewer photos.",
            photos=new,
            needed=bytes_for_people(new * size),
            disk=bytes_for_people(free),
            memory=bytes_for_people(memory),
        )
    allowed = cache.bytes_allowed()
    if new and free and all_photos * size > allowed:
        cache.warn(
            message(
                "the features of {photos:,} photos take {needed}, more than the cache limit of {allowed}. Some "
                "are deleted when this command ends, and computed again next time. --cache-limit allows more.",
                photos=all_photos,
                needed=bytes_for_people(all_photos * size),
                allowed=bytes_for_people(allowed),
            )
        )


def identify(
    paths: Sequence[Path],
    digests: dict[Path, str] | None,
    *,
    workers: int,
    report: Callable[[Progress], None],
) -> tuple[dict[Path, str], dict[Path, Message]]:
    """Content digests of the files, unless known, and the reasons why others have none, both by path."""
    if digests is not None:
        return digests, {}
    prints = fingerprint(paths, workers=workers, report=report)
    return prints.digests, {one.path: one.reason for one in prints.skipped}


def compute(
    digests: list[str],
    path_of: dict[str, Path],
    failed: dict[str, Message],
    prefix: Prefix,
    decoding: Decoding,
    writer: ShardWriter,
    *,
    workers: int,
    report: Callable[[Progress], None],
) -> Generator[tuple[list[str], np.ndarray], None, None]:
    """Compute and keep the features of photos, in order, and yield them in batches: (digests, (n, *shape)).

    Args:
        failed: takes digest → reason of each photo that cannot be read, before the batch behind it comes.
        writer: keeps them, and is closed by the caller.
    """
    total = len(digests)
    calls = prefix.calls(workers)
    size = prefix.batch_size(total, calls)

    def call(batch: _Batch) -> tuple[list[str], np.ndarray]:
        names, pixels = batch
        return names, np.asarray(prefix(pad_batch(pixels, size)))[: len(names)]

    done = 0
    report(Progress("compile", 0, total))
    with (
        closing(_batches(digests, path_of, decoding, workers, size, failed)) as batches,
        closing(ordered_map(call, batches, workers=calls, ahead=2 * calls)) as computed,
    ):
        for names, features in computed:
            for digest, tensor in zip(names, features, strict=True):
                writer.add(digest, tensor)
            done += len(names)
            report(Progress("features", done, total))
            yield names, features


def _batches(
    digests: list[str],
    path_of: dict[str, Path],
    decoding: Decoding,
    workers: int,
    size: int,
    failed: dict[str, Message],
) -> Generator[_Batch, None, None]:
    names: list[str] = []
    pixels: list[np.ndarray] = []
    expected = {path_of[digest]: digest for digest in digests}
    ahead = max(AHEAD, 2 * size)
    with closing(decoded(list(expected), decoding, workers=workers, digests=expected, ahead=ahead)) as stream:
        for photo in stream:
            if photo.pixels is None:
                failed[digests[photo.index]] = photo.reason or message("the photo cannot be read")
                continue
            names.append(digests[photo.index])
            pixels.append(photo.pixels)
            if len(pixels) == size:
                yield names, pixels
                names, pixels = [], []
    if pixels:
        yield names, pixels
