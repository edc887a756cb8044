"""From photo files to features: read what is cached, compute and cache the rest."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from catdog import hosts
from catdog.config import Decoding
from catdog.data import Skipped, fingerprint, probe_all
from catdog.errors import CacheError
from catdog.features.compute import Failed, compute
from catdog.features.exchange import exchange, needs_all, united
from catdog.features.features import Features
from catdog.features.pooling import pool_cached, stores_of
from catdog.features.prefix import Prefix
from catdog.features.room import fits, need_of, require_room
from catdog.features.writer import ShardWriter
from catdog.hosts import Group
from catdog.progress import OnProgress, unreported
from catdog.text import Message
from catdog.workspace import Workspace

# How often features are computed again that have disappeared: another process may empty the cache.
_TRIES = 3


@dataclass(frozen=True)
class Extraction:
    """The features of the photos that could be read."""

    photos: tuple[int, ...]  # index of each readable photo in the input, ascending
    digests: tuple[str, ...]  # their content digests, hex
    # Of those photos, in the same order. None where no photo could be read, or another process needs them.
    features: Features | None
    skipped: tuple[Skipped, ...]  # the unreadable photos with reasons, in input order
    damaged_shards: int  # files of the cache that were damaged, and replaced


def extract(
    paths: Sequence[Path],
    prefix: Prefix,
    decoding: Decoding,
    *,
    workspace: Workspace,
    digests: dict[Path, str] | None = None,
    report: OnProgress = unreported,
    before: Callable[[tuple[Skipped, ...]], object] = lambda _: None,
    done: Sequence[Decoding] = (),
    to_come: Sequence[Decoding] = (),
    group: Group | None = None,
) -> Extraction:
    """Features of `paths`, from the cache where they are there.

    Args:
        digests: content digests, where they are known already; None reads and hashes the files.
        report: called with the progress.
        before: called before any feature is computed, with the photos that cannot be read or whose headers
            are not those of an image. What it raises ends the extraction.
        done: in these ways the photos were decoded before; those features are needed too.
        to_come: in these ways they will be decoded next, and the features need room too.
        group: the processes that divide the photos, and all call this; None is all of the command.

    Raises:
        CacheError: neither the disk nor the memory has room for the features, or another process empties the
            cache again and again.
    """
    workers = workspace.workers
    digests, reasons = identify(paths, digests, workspace, report)
    path_of: dict[str, Path] = {}
    for path in paths:
        if path in digests:
            path_of.setdefault(digests[path], path)

    def skipped() -> tuple[Skipped, ...]:
        found = ((path, reasons.get(path) or failed.get(digests[path])) for path in paths)
        return tuple(Skipped(path, reason) for path, reason in found if reason)

    group = group or hosts.group()
    own = list(filter(group.owns, path_of))
    here = list(path_of) if needs_all(group) else own  # the photos whose features this process will have
    stores = stores_of(workspace.features, prefix, decoding)
    for store in stores:
        store.hold(list(path_of))
    vectors, maps = stores[0], stores[-1]
    of_maps = need_of(maps, len(here), len(here) - maps.known(here), prefix, done, to_come)
    pooled = not fits(maps.cache, of_maps) or 2 * vectors.known(here) > len(here)
    store = vectors if group.any(pooled) else maps
    todo = store.missing(own)
    failed = unreadable_headers({digest: path_of[digest] for digest in todo}, workers=workers)
    failed = united(group, failed)
    before(skipped())
    wanted = sum(digest not in failed for digest in here)
    if (new := wanted - store.known(here)) > 0:  # otherwise those to come may be cached too
        require_room(store, need_of(store, wanted, new, prefix, done, to_come), of_maps)
    for _ in range(_TRIES):
        photos = {digest: path_of[digest] for digest in todo if digest not in failed}
        if not photos:
            break
        if store is not maps:
            photos = {digest: photos[digest] for digest in pool_cached(maps, store, list(photos), prefix)}
        with (
            ShardWriter(store, needed=True) as writer,
            closing(compute(photos, prefix, decoding, writer, workers=workers, report=report)) as events,
        ):
            failed |= {event.digest: event.reason for event in events if isinstance(event, Failed)}
        store.refresh()
        todo = store.missing(own)
    if group.processes > 1:
        failed = united(group, failed)
        readable = [digest for digest in path_of if digest not in failed]
        maps.hold(readable)
        if group.any(needs_all(group) and maps.known(readable) < len(readable)) and store is not vectors:
            # The processes have caches of their own, and vectors are sent in less time.
            store = vectors
            pool_cached(maps, store, list(filter(group.owns, readable)), prefix)
        todo = store.missing(exchange(group, store, readable))
    if any(digest not in failed for digest in todo):
        raise CacheError(
            "expected features to stay in {folder}, but they disappeared {tries} times. Does another program "
            "delete them, or is the disk failing? Name another folder with --cache-dir.",
            folder=store.folder,
            tries=_TRIES,
        )

    unreadable = skipped()
    bad = {photo.path for photo in unreadable}
    kept = tuple(number for number, path in enumerate(paths) if path not in bad)
    found = tuple(digests[paths[number]] for number in kept)
    features = store.features(found) if found and needs_all(group) else None
    return Extraction(kept, found, features, unreadable, sum(store.damaged for store in stores))


def identify(
    paths: Sequence[Path], digests: dict[Path, str] | None, workspace: Workspace, report: OnProgress
) -> tuple[dict[Path, str], dict[Path, Message]]:
    """Content digests of the files, unless known, and the reasons why others have none, both by path."""
    if digests is not None:
        return digests, {}
    prints = fingerprint(paths, workspace=workspace, report=report)
    return prints.digests, {photo.path: photo.reason for photo in prints.skipped}


def unreadable_headers(photos: dict[str, Path], *, workers: int) -> dict[str, Message]:
    """Digest → reason of those photos (digest → file) whose headers are not those of an image."""
    digest_of = {path: digest for digest, path in photos.items()}
    return {digest_of[photo.path]: photo.reason for photo in probe_all(digest_of, workers=workers)}
