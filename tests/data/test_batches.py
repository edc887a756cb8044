"""Many photos: all of them, in order, a few at a time, and no thread left behind."""

import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from catdog.config import Decoding
from catdog.data import Decoded, decode, decoded, probe_all
from catdog.data.parallel import ordered_map
from tests.data.made_photos import encoded, noise

DECODING = Decoding(size=32)


@pytest.fixture
def photo_paths(tmp_path: Path) -> list[Path]:
    """Twenty photos of very different sizes, the sixth and the eleventh damaged."""
    paths = [tmp_path / f"{index:02}.png" for index in range(20)]
    for index, path in enumerate(paths):
        side = 600 if index % 4 == 0 else 20
        path.write_bytes(encoded(noise(side, side, seed=index), "PNG"))
    paths[5].write_bytes(b"")
    paths[10].write_bytes(paths[10].read_bytes()[:900])
    return paths


def our_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("catdog-data")]


@pytest.mark.parametrize("workers", [1, 3, 8])
@pytest.mark.parametrize("ahead", [1, 64])
def test_order_is_kept_and_nothing_is_lost(photo_paths: list[Path], workers: int, ahead: int):
    results = list(decoded(photo_paths, DECODING, workers=workers, ahead=ahead))
    assert [result.index for result in results] == list(range(20))
    for result, path in zip(results, photo_paths, strict=True):
        assert (result.pixels is None) != (result.reason is None)
        if result.pixels is not None:
            assert np.array_equal(result.pixels, decode(path, DECODING))
    assert {r.index: str(r.reason) for r in results if r.reason} == {
        5: "the file is empty (0 bytes)",
        10: "the file ends too early: truncated PNG",
    }
    assert our_threads() == []


def test_nothing_to_decode():
    assert list(decoded([], DECODING, workers=2)) == []


def test_stopping_early_ends_the_threads(photo_paths: list[Path]):
    stream = decoded(photo_paths, DECODING, workers=2)
    assert isinstance(next(stream), Decoded)
    assert our_threads()
    stream.close()
    assert our_threads() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_of_the_consumer_ends_the_threads(photo_paths: list[Path], error: type[BaseException]):
    def consume() -> None:
        for result in decoded(photo_paths, DECODING, workers=2):
            if result.index == 3:
                raise error

    with pytest.raises(error):
        consume()
    assert our_threads() == []


def test_ctrl_c_while_waiting_drops_what_was_queued():
    started: list[int] = []

    def interrupted(number: int) -> int:
        started.append(number)
        time.sleep(0.02)
        if number == 1:
            raise KeyboardInterrupt
        return number

    results = ordered_map(interrupted, range(1000), workers=2, ahead=100)
    assert next(results) == 0
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert our_threads() == []
    assert len(started) < 20


def test_a_hundred_thousand_paths_are_taken_one_by_one():
    taken = 0

    def paths() -> Iterator[Path]:
        nonlocal taken
        for _ in range(100_000):
            taken += 1
            # Always one name: Python interns the parts of paths, in a table that grows by megabytes.
            yield Path("/nowhere/photo.jpg")

    stream = decoded(paths(), DECODING, workers=2, ahead=50)
    furthest_ahead = 0
    tracemalloc.start()
    try:
        for result in stream:
            furthest_ahead = max(furthest_ahead, taken - result.index)
            if result.index == 10_000:
                break
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
        stream.close()
    assert furthest_ahead <= 52


def test_a_slow_consumer_does_not_fill_the_memory():
    alive = 0
    most = 0
    lock = threading.Lock()

    class Large:
        def __init__(self) -> None:
            nonlocal alive, most
            with lock:
                alive += 1
                most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            with lock:
                alive -= 1

    for large in ordered_map(lambda _: Large(), range(500), workers=4, ahead=10):
        del large
        time.sleep(0.0001)
    assert most <= 10 + 2


def test_probe_all_returns_the_bad_headers_in_order(photo_paths: list[Path]):
    photo_paths[15].write_bytes(b"no photo")
    found = probe_all(photo_paths, workers=3)
    assert [(skip.path, str(skip.reason)) for skip in found] == [
        (photo_paths[5], "the file is empty (0 bytes)"),
        (photo_paths[15], "not an image that Pillow can read"),
    ]
