"""Pooled vectors are kept where maps do not fit: the same numbers, and nothing is computed twice."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree, rmtree

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from catdog import devices, hosts
from catdog.checks import pooled
from catdog.config import Decoding, Head, HeadKind, decodings_of
from catdog.data import fingerprint
from catdog.features.features import Features
from catdog.features.forward import condense, make_suffix
from catdog.features.pooling import pool_cached, stores_of
from catdog.features.prefix import Prefix
from catdog.features.stream import Known, stream
from catdog.features.upkeep import cache_entries
from catdog.features.views import Views, extract_views
from catdog.features.writer import ShardWriter
from catdog.hosts import Group
from catdog.progress import Progress
from catdog.text import Message
from catdog.training.options import NewRun
from catdog.weights.source import find_weights
from catdog.workspace import FeatureCache, Workspace
from tests.process import Service

SMALL = Decoding(size=64)  # 2 × 2 × 512 float16: 4,096 bytes; a vector of `gem` has 2,048
MAPS, VECTORS = None, 50_000  # limits: of 16 photos, maps take 66 kB, and vectors 33 kB


def _prefix(kind: HeadKind = "gem") -> Prefix:
    return Prefix(find_weights("builtin"), Head(kind), unfreeze="head")


def _fail(sentence: Message) -> None:
    """Where nothing is to be told."""
    raise AssertionError(sentence)


@pytest.fixture(scope="module")
def prefix() -> Prefix:
    return _prefix()


@pytest.fixture(scope="module")
def paths(shapes: Path) -> list[Path]:
    return sorted((shapes / "valid").rglob("*.png"))


@pytest.fixture(scope="module")
def filled(prefix: Prefix, paths: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the maps of all photos. Not to be changed."""
    cache = tmp_path_factory.mktemp("maps")
    assert _extracted(paths, prefix, cache, MAPS) == (16, [(2, 2, 512)])
    return cache


def _views(
    paths: list[Path],
    prefix: Prefix,
    cache: Path | None,
    limit: int | None,
    *,
    views: int = 0,
    told: Callable[[Message], None] = _fail,
    report: Callable[[Progress], None] = lambda _: None,
) -> Views:
    return extract_views(
        paths,
        prefix,
        decodings_of(SMALL, other_sizes=(), views=views),
        workspace=Workspace(features=FeatureCache(cache, limit, told)),
        digests=fingerprint(paths, workspace=Workspace()).digests,
        report=report,
    )


def _extracted(
    paths: list[Path], prefix: Prefix, cache: Path | None, limit: int | None
) -> tuple[int, list[tuple[int, ...]]]:
    """How many photos are computed, and the shape of the features of each view."""
    steps: list[Progress] = []
    found = _views(paths, prefix, cache, limit, told=lambda _: None, report=steps.append)
    counted = [step.done for step in steps if step.stage == "features"]
    return max(counted, default=0), [part.shape for part in found.features(paths)]


def _condensed(prefix: Prefix, parts: list[Features], kind: HeadKind = "gem") -> np.ndarray:
    found = condense(make_suffix(prefix, Head(kind), 2, size=SMALL.size), prefix.frozen_arrays, parts)
    return found.gather(np.arange(len(found)))


def test_vectors_where_maps_do_not_fit(
    paths: list[Path], prefix: Prefix, filled: Path, tmp_path: Path
) -> None:
    told: list[Message] = []
    cache = tmp_path / "cache"
    found = _views(paths, prefix, cache, 2 * VECTORS, views=1, told=told.append)
    assert [part.shape for part in found.features(paths)] == [(512,), (512,)]
    (note,) = set(map(str, told))  # a command prints equal warnings once
    assert "the maps of 32 photos take 131.1 kB, but the cache may use 100.0 kB" in note
    assert "vectors (65.5 kB) are kept instead" in note
    assert [entry.key and (entry.key.pool, entry.photos) for entry in cache_entries(cache)] == [
        ("gem_pool", 16),
        ("gem_pool", 16),
    ]
    expected = _views(paths, prefix, filled, MAPS).features(paths)
    assert expected[0].shape == (2, 2, 512)
    assert_array_equal(_condensed(prefix, found.features(paths)[:1]), _condensed(prefix, expected))
    # A part of each kind: the photo as vectors, its second view as maps.
    both = [found.features(paths)[1], expected[0]]
    assert_array_equal(_condensed(prefix, both)[16:], _condensed(prefix, expected))


def test_what_is_there_is_used(paths: list[Path], prefix: Prefix, filled: Path, tmp_path: Path) -> None:
    cache = copytree(filled, tmp_path / "cache")
    assert _extracted(paths, prefix, cache, VECTORS) == (0, [(512,)])  # the maps are pooled
    assert _extracted(paths, prefix, cache, VECTORS) == (0, [(512,)])
    assert _extracted(paths, prefix, cache, MAPS) == (0, [(512,)])  # the limit was raised
    assert sum(entry.bytes for entry in cache_entries(cache)) < VECTORS
    digests = [*fingerprint(paths, workspace=Workspace()).digests.values()]
    known = {
        kind: [store.known(digests) for store in stores_of(FeatureCache(cache), _prefix(kind), SMALL)]
        for kind in ("gem", "concat", "fc")
    }
    assert known == {"gem": [16, 0], "concat": [0, 0], "fc": [0]}


def test_maps_are_kept_where_they_fit(paths: list[Path], prefix: Prefix, filled: Path) -> None:
    assert _extracted(paths, prefix, filled, MAPS) == (0, [(2, 2, 512)])
    assert _extracted(paths, _prefix("linear"), filled, MAPS) == (0, [(2, 2, 512)])


def test_without_a_cache_the_memory_has_vectors(paths: list[Path], prefix: Prefix, filled: Path) -> None:
    some = paths[:4]
    found = _views(some, prefix, None, None).features(some)
    assert found[0].shape == (512,)
    expected = _views(some, prefix, filled, MAPS).features(some)
    assert_array_equal(_condensed(prefix, found), _condensed(prefix, expected))


@pytest.mark.parametrize("kind", ["concat", "linear"])
def test_other_poolings_give_the_numbers_of_maps(kind: HeadKind, paths: list[Path], filled: Path) -> None:
    prefix = _prefix(kind)
    maps = _views(paths[:3], prefix, filled, MAPS).features(paths[:3])
    vectors = np.asarray(prefix.pooled(maps[0].gather(np.arange(3))))
    assert_array_equal(vectors, _condensed(prefix, maps, kind))


def test_a_stream_has_what_is_there_and_adds_vectors_beyond_the_room(
    paths: list[Path], prefix: Prefix, filled: Path, tmp_path: Path
) -> None:
    expected = _views(paths, prefix, filled, MAPS)
    digests, maps = expected.found[0].digests, expected.features(paths)
    stores = stores_of(FeatureCache(tmp_path), prefix, SMALL)
    with ShardWriter(stores[0]) as vectors, ShardWriter(stores[1]) as others:
        for photo, tensor in enumerate(maps[0].gather(np.arange(8))):
            if photo < 6:
                vectors.add(digests[photo], np.asarray(prefix.pooled(tensor[None]))[0])
            if photo >= 4:
                others.add(digests[photo], tensor)
    shapes: dict[int, tuple[int, ...]] = {}
    rows = np.empty((16, 512), np.float32)
    for count in (12, 16):  # four are computed, and then four more
        for known in stream(paths[:count], prefix, SMALL, stores=stores, workspace=Workspace(), room=8):
            assert isinstance(known, Known)
            photos = [photo for same in known.photos for photo in same]
            shapes |= dict.fromkeys(photos, known.features.shape[1:])
            rows[photos] = _condensed(prefix, [Features.in_memory(known.features)])
    assert [photo for photo, shape in sorted(shapes.items()) if len(shape) == 3] == [6, 7, 8, 9, 10, 11]
    assert_array_equal(rows, _condensed(prefix, maps))


def test_processes_with_caches_of_their_own_send_vectors(
    paths: list[Path], prefix: Prefix, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, here, barrier = Service(), threading.local(), threading.Barrier(2)
    sent: dict[int, np.ndarray] = {}

    def from_all(given: np.ndarray) -> np.ndarray:
        sent[here.group.process] = given
        barrier.wait(30)
        both = np.stack([sent[0], sent[1]])
        barrier.wait(30)
        return both

    monkeypatch.setattr(hosts, "group", lambda: getattr(here, "group", hosts.ALONE))
    monkeypatch.setattr(devices, "from_all", from_all)

    def process(number: int) -> Views:
        here.group = Group(number, 2, service)
        return _views(paths, prefix, tmp_path / str(number), MAPS)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(process, range(2))
    assert {given.shape[1] for given in sent.values()} == {2048}
    assert second.found[0].features is None  # process 0 alone trains the head
    kinds = [
        {entry.key.shape: entry.photos for entry in cache_entries(tmp_path / name) if entry.key}
        for name in "01"
    ]
    own = kinds[1][512,]  # each has the maps of its own photos
    assert kinds == [{(2, 2, 512): 16 - own, (512,): 16}, {(2, 2, 512): own, (512,): own}]
    expected = _views(paths, prefix, filled, MAPS).features(paths)
    assert_array_equal(_condensed(prefix, first.features(paths)), _condensed(prefix, expected))


def test_the_checks_of_a_data_set_take_vectors_as_well(
    paths: list[Path], filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pooled.SIZES_OF, NewRun.quality, (SMALL.size,))
    monkeypatch.setattr("catdog.features.extract.compute", _fail)  # everything is cached
    cache = FeatureCache(copytree(filled, tmp_path / "cache"))
    workspace = Workspace(features=cache)
    digests = fingerprint(paths, workspace=workspace).digests
    of_maps = pooled.pool(paths, digests, workspace=workspace)
    prefix = _prefix("concat")
    vectors, maps = stores_of(cache, prefix, SMALL)
    assert pool_cached(maps, vectors, list(digests.values()), prefix) == []
    assert maps.folder
    rmtree(maps.folder)
    of_vectors = pooled.pool(paths, digests, workspace=workspace)
    assert of_vectors.means.shape == of_vectors.maxima.shape == (len(paths), 512)
    assert_array_equal(of_vectors.means, of_maps.means)
    assert_array_equal(of_vectors.maxima, of_maps.maxima)
