"""Room for the features of a data set: whether maps fit, or pooled vectors alone, or nothing."""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from catdog.config import Decoding
from catdog.errors import CacheError
from catdog.features.prefix import Prefix
from catdog.features.store import FeatureStore
from catdog.memory import available_bytes
from catdog.text import bytes_for_people, message
from catdog.workspace import FeatureCache

# The fraction of free memory that features may take.
_MEMORY_FRACTION = 0.7


class Need(NamedTuple):
    """What the features of some photos take, in all the ways in which these are decoded."""

    photos: int  # each counts once for each way
    bytes: int
    new_photos: int  # those that are not in the cache, as far as is known
    new_bytes: int


def bytes_of(prefix: Prefix, decodings: Sequence[Decoding], *, pooled: bool = False) -> int:
    """Bytes of the features of a photo that is decoded in each of these ways."""
    return sum(prefix.key(decoding, pooled=pooled).tensor_bytes for decoding in decodings)


def room_for(cache: FeatureCache, prefix: Prefix, decodings: Sequence[Decoding]) -> float:
    """The photos whose maps fit into the cache; infinite where nothing smaller could be kept."""
    return cache.bytes_allowed() // bytes_of(prefix, decodings) if prefix.pool else inf


def need_of(
    store: FeatureStore,
    photos: int,
    new: int,
    prefix: Prefix,
    done: Sequence[Decoding],
    later: Sequence[Decoding],
) -> Need:
    """The need of so many photos, if features of the store's kind are kept.

    Args:
        new: of them are not in the store. Where there are such photos, all are counted as new for `later`.
        done: other ways of decoding, whose features are there.
        later: those whose features will be extracted next.
    """
    before, after = (bytes_of(prefix, ways, pooled=bool(store.key.pool)) for ways in (done, later))
    size, to_come = store.key.tensor_bytes, photos if new else 0
    return Need(
        photos * (len(done) + 1 + len(later)),
        photos * (before + size + after),
        new + to_come * len(later),
        new * size + to_come * after,
    )


def fits(cache: FeatureCache, need: Need) -> bool:
    """Whether the disk has room, and the limit of the cache allows it."""
    return need.bytes <= cache.bytes_allowed() and need.new_bytes <= cache.bytes_free()


def require_room(store: FeatureStore, need: Need, of_maps: Need) -> None:
    """Refuse, before hours of work, features for which neither the disk nor the memory has room.

    A warning says what is lost where the limit of the cache is too low, and where vectors are kept for that
    reason.

    Args:
        need: of the features that this store will have.
        of_maps: of the same photos, if maps were kept.

    Raises:
        CacheError: there is no room.
    """
    cache = store.cache
    memory, free = int(available_bytes() * _MEMORY_FRACTION), cache.bytes_free()
    if need.new_bytes > free + memory:
        raise CacheError(
            "the features of {photos:,} photos take {needed}, but only {disk} of disk and {memory} of memory "
            "may be used for them. Make room, name another folder with --cache-dir, leave out --no-cache, or "
            "use fewer photos.",
            photos=need.new_photos,
            needed=bytes_for_people(need.new_bytes),
            disk=bytes_for_people(free),
            memory=bytes_for_people(memory),
        )
    if not free:
        return
    allowed = cache.bytes_allowed()
    if need.bytes > allowed:
        cache.warn(
            message(
                "the features of {photos:,} photos take {needed}, more than the cache limit of {allowed}. "
                "Some are deleted when this command ends, and computed again next time. --cache-limit allows "
                "more.",
                photos=need.photos,
                needed=bytes_for_people(need.bytes),
                allowed=bytes_for_people(allowed),
            )
        )
    elif store.key.pool and not fits(cache, of_maps):
        cache.warn(
            message(
                "the maps of {photos:,} photos take {maps}, but the cache may use {allowed}. Pooled vectors "
                "({vectors}) are kept instead. They serve this --head; another one computes its own. "
                "--cache-limit allows more.",
                photos=need.photos,
                maps=bytes_for_people(of_maps.bytes),
                allowed=bytes_for_people(allowed if of_maps.bytes > allowed else free),
                vectors=bytes_for_people(need.bytes),
            )
        )
