"""What two processes tell each other about photos, with threads or stand-ins for the other one."""

import base64
import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from catdog import devices, hosts
from catdog.features import exchange as exchange_module
from catdog.features import upkeep
from catdog.features import writer as writer_module
from catdog.features.exchange import exchange, united
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.hosts import Group
from catdog.text import Message
from catdog.workspace import FeatureCache
from tests.features.test_store import KEY
from tests.process import Service


def _united(group: Group) -> object:
    return set(united(group, {str(group.process): Message("not a photo")}))


def _compared(group: Group) -> object:
    return group.require_same({"photos": "ab"})


def _exchanged(group: Group) -> object:
    return exchange(group, FeatureStore(FeatureCache(None), KEY), [])


@pytest.mark.parametrize(
    ("together", "expected"), [(_united, {"0", "1"}), (_compared, None), (_exchanged, [])]
)
def test_a_process_waits_hours_for_what_another_reads_or_computes(
    monkeypatch: pytest.MonkeyPatch, together: Callable[[Group], object], expected: object
) -> None:
    service, clock = Service(), itertools.count(0, 3600)  # an hour between two looks

    def late() -> object:
        time.sleep(0.1)
        return together(Group(1, 2, service))

    monkeypatch.setattr(hosts.time, "monotonic", lambda: next(clock))
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(late)
        found = together(Group(0, 2, service))
    assert found == other.result() == expected


def test_features_of_others_stay_on_the_disk_when_those_let_them_go(tmp_path: Path) -> None:
    """The cache is shared, and has no room: what nobody holds is deleted."""
    other = f"{1:012x}{0:052x}"
    tensor = np.arange(16, dtype=np.float16).reshape(KEY.shape)
    first, second = (FeatureStore(FeatureCache(tmp_path, limit=1), KEY) for _ in range(2))
    with ShardWriter(second, needed=True) as writer:
        writer.add(other, tensor)
    service = Service({"catdog/1/1": json.dumps("AA==")})
    assert exchange(Group(0, 2, service), first, [other]) == []
    del writer, second
    np.testing.assert_array_equal(first.features([other]).gather(np.array([0]))[0], tensor)


def test_features_of_others_stay_in_memory_without_the_block_they_came_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, other = f"{0:064x}", f"{1:012x}{0:052x}"
    size, tensor = KEY.tensor_bytes, np.arange(16, dtype=np.float16).reshape(KEY.shape)
    service = Service({"catdog/1/1": json.dumps("AA==")})  # the other one lacks nothing
    store = FeatureStore(FeatureCache(None), KEY)
    store.memory[own] = tensor

    connected: list[bool] = []

    def from_all(given: np.ndarray) -> np.ndarray:
        assert len(given) == 1  # no more than there is to give
        assert connected  # before any features are read: XLA would wait for those only 30 seconds
        of_other = np.zeros_like(given)
        of_other[0] = tensor.reshape(-1).view(np.uint8)
        return np.stack([given, of_other])

    monkeypatch.setattr(devices, "from_all", from_all)
    monkeypatch.setattr(devices, "connect", lambda: connected.append(True))
    assert exchange(Group(0, 2, service), store, [own, other]) == [other]
    np.testing.assert_array_equal(store.memory[other], tensor)
    base = store.memory[other]
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert base.nbytes == size


def test_own_shards_that_are_merged_meanwhile_are_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [f"{number:012x}{0:052x}" for number in range(24)]
    own, tensor = digests[::2], np.arange(16, dtype=np.float16).reshape(KEY.shape)
    store = FeatureStore(FeatureCache(tmp_path), KEY)
    with monkeypatch.context() as patch:
        patch.setattr(upkeep, "_SECONDS", 0)  # nothing is merged yet
        for digest in own:
            with ShardWriter(store, needed=True) as writer:
                writer.add(digest, tensor)
    shards = len(list(tmp_path.rglob("*.index.npy")))
    assert shards == len(own)
    lacked = base64.b64encode(np.packbits(np.arange(24) % 2 == 0).tobytes()).decode()
    service, given = Service({"catdog/1/1": json.dumps(lacked)}), list[np.ndarray]()

    def from_all(block: np.ndarray) -> np.ndarray:
        given.append(block.copy())
        return np.stack([block, tensor.reshape(1, -1).view(np.uint8)])

    monkeypatch.setattr(devices, "from_all", from_all)
    monkeypatch.setattr(devices, "connect", lambda: None)
    monkeypatch.setattr(exchange_module, "_BLOCK_BYTES", 1)  # a photo at a time
    monkeypatch.setattr(writer_module, "_SHARD_BYTES", 1)
    assert exchange(Group(0, 2, service), store, digests) == digests[1::2]
    assert len(list(tmp_path.rglob("*.index.npy"))) < shards
    for block in given[::2]:
        np.testing.assert_array_equal(block[0], tensor.reshape(-1).view(np.uint8))
