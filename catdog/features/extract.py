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
from catdog.features.prefix import Prefix
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.memory import available_bytes
from catdog.progress import OnProgress, unreported
from catdog.text import Message, bytes_for_people, message
from catdog.workspace import Workspace

# How often features are computed again that have disappeared: another process may empty the cache.
_TRIES = 3
# The fraction of free memory that features may take.
_MEMORY_FRACTION = 0.7


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
    done: int = 0,
    to_come: int = 0,
) -> Extraction:
    """Features of `paths`, from the cache where they are there.

    Args:
        digests: content digests, where they are known already; None reads and hashes the files.
        report: called with the progress.
        before: called before any feature is computed, with the photos that cannot be read or whose headers
            are not those of an image. What it raises ends the extraction.
        done: photos whose features were extracted before, and are needed too.
        to_come: photos whose features will be extracted next, and need room too.

    Raises:
        CacheError: neither the disk nor the memory has room for the features, or another process empties the
            cache again and again.
    """
    workers = workspace.workers
    digests, reasons = identify(paths, digests, workspace, report)
    store = FeatureStore(workspace.features, prefix.key(decoding))
    path_of: dict[str, Path] = {}
    for path in paths:
        if path in digests:
            path_of.setdefault(digests[path], path)

    def skipped() -> tuple[Skipped, ...]:
        found = ((path, reasons.get(path) or failed.get(digests[path])) for path in paths)
        return tuple(Skipped(path, reason) for path, reason in found if reason)

    group = hosts.group()
    own = list(filter(group.owns, path_of))
    store.hold(list(path_of))
    todo = store.missing(own)
    failed = unreadable_headers({digest: path_of[digest] for digest in todo}, workers=workers)
    failed = united(group, failed)
    before(skipped())
    new, wanted = sum(digest not in failed for digest in todo), len(path_of) - len(failed)
    if new:  # otherwise those to come may be cached too
        _require_room(store, new + to_come, done + wanted + to_come)
    for _ in range(_TRIES):
        photos = {digest: path_of[digest] for digest in todo if digest not in failed}
        if not photos:
            break
        with (
            ShardWriter(store, needed=True) as writer,
            closing(compute(photos, prefix, decoding, writer, workers=workers, report=report)) as events,
        ):
            failed |= {event.digest: event.reason for event in events if isinstance(event, Failed)}
        store.refresh()
        todo = store.missing(own)
    if group.processes > 1:
        failed = united(group, failed)
        todo = store.missing(exchange(group, store, [digest for digest in path_of if digest not in failed]))
    if any(digest not in failed for digest in todo):
        raise CacheError(
            "expected features to stay in {folder}, but they disappeared {tries} times. Does another program "
            "delete them, or is the disk failing? Name another folder with --cache-dir.",
            folder=store.folder,
            tries=_TRIES,
        )

    unreadable = skipped()
    bad = {photo.path for photo in unreadable}
    readable = tuple(number for number, path in enumerate(paths) if path not in bad)
    found = tuple(digests[paths[number]] for number in readable)
    features = store.features(found) if found and needs_all(group) else None
    return Extraction(readable, found, features, unreadable, store.damaged)


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


def _require_room(store: FeatureStore, new: int, all_photos: int) -> None:
    """Refuse, before hours of work, features for which neither the disk nor the memory has room."""
    cache, size = store.cache, store.key.tensor_bytes
    memory, free = int(available_bytes() * _MEMORY_FRACTION), cache.bytes_free()
    if new * size > free + memory:
        raise CacheError(
            "the features of {photos:,} photos take {needed}, but only {disk} of disk and {memory} of memory "
            "may be used for them. Make room, name another folder with --cache-dir, leave out --no-cache, or "
            "use fewer photos.",
            photos=new,
            needed=bytes_for_people(new * size),
            disk=bytes_for_people(free),
            memory=bytes_for_people(memory),
        )
    allowed = cache.bytes_allowed()
    if new and free and all_photos * size > allowed:
        cache.warn(
            message(
                "the features of {photos:,} photos take {needed}, more than the cache limit of {allowed}. "
                "Some are deleted when this command ends, and computed again next time. --cache-limit allows "
                "more.",
                photos=all_photos,
                needed=bytes_for_people(all_photos * size),
                allowed=bytes_for_people(allowed),
            )
        )
