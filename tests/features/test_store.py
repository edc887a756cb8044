"""The feature cache on disk: what is kept comes back; kills, damage and rivals cost only time."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from catdog.config import Decoding
from catdog.errors import CacheError
from catdog.features import store as store_module
from catdog.features.key import FeatureKey
from catdog.features.store import Features, FeatureStore, ShardWriter, cache_entries, clear_cache

KEY = FeatureKey(
    prefix_digest="ab" * 32,
    unfreeze="head",
    shape=(2, 2, 4),
    dtype="float16",
    arithmetic="float32",
    preprocessing="caffe",
    decoding=Decoding(),
    decoding_version=1,
)


def _digest(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def _tensor(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=KEY.shape).astype(np.float16)


def _fill(root: Path, numbers: range, key: FeatureKey = KEY) -> None:
    with ShardWriter(FeatureStore(root, key)) as writer:
        for number in numbers:
            writer.add(_digest(number), _tensor(number))


def _indexes(root: Path) -> list[Path]:
    return sorted(root.rglob("*.index.npy"))


def test_tensors_come_back_in_any_order_and_from_several_shards(tmp_path: Path) -> None:
    _fill(tmp_path, range(5))
    _fill(tmp_path, range(5, 9))
    store = FeatureStore(tmp_path, KEY)
    order = [8, 0, 3, 3, 6]
    assert store.missing([_digest(number) for number in order]) == []
    features = store.features([_digest(number) for number in order])
    assert len(features) == 5
    assert features.nbytes == 5 * 16 * 2
    rows = np.array([[0, 4], [3, 1]])
    gathered = features.gather(rows)
    assert gathered.shape == (2, 2, *KEY.shape)
    for place in np.ndindex(2, 2):
        np.testing.assert_array_equal(gathered[place], _tensor(order[rows[place]]))
    np.testing.assert_array_equal(features.select([4, 1]).gather(np.array([0]))[0], _tensor(6))


def test_tensors_are_memory_mapped(tmp_path: Path) -> None:
    _fill(tmp_path, range(3))
    features = FeatureStore(tmp_path, KEY).features([_digest(1)])
    assert all(isinstance(block, np.memmap) for block in features._blocks)


def test_missing_lists_each_once_in_order(tmp_path: Path) -> None:
    _fill(tmp_path, range(3))
    store = FeatureStore(tmp_path, KEY)
    wanted = [_digest(number) for number in (7, 1, 5, 7)]
    assert store.missing(wanted) == [_digest(7), _digest(5)]


@pytest.mark.parametrize(
    "change",
    [
        {"prefix_digest": "cd" * 32},
        {"unfreeze": "block5"},
        {"preprocessing": "torch"},
        {"arithmetic": "bfloat16"},
        {"decoding": Decoding(resize="crop")},
        {"decoding": Decoding(size=192)},
        {"decoding_version": 2},
    ],
)
def test_another_key_shares_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    _fill(tmp_path, range(3))
    other = FeatureStore(tmp_path, replace(KEY, **change))
    assert other.missing([_digest(1)]) == [_digest(1)]


def test_nothing_is_created_before_the_first_write(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache", KEY)
    assert store.missing([_digest(1)]) == [_digest(1)]
    with ShardWriter(store):
        pass
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("where", ["tensors", "index", "both"])
@pytest.mark.parametrize("how", ["flip", "truncate", "empty", "text", "gone"])
def test_a_damaged_shard_is_noticed_and_replaced(tmp_path: Path, where: str, how: str) -> None:
    _fill(tmp_path, range(4))
    _fill(tmp_path, range(4, 8))
    index = next(path for path in _indexes(tmp_path) if bytes.fromhex(_digest(2)) in path.read_bytes())
    tensors = index.with_name(index.name.replace(".index.npy", ".npy"))
    for path in {"tensors": [tensors], "index": [index], "both": [index, tensors]}[where]:
        content = path.read_bytes()
        match how:
            case "flip":  # the last byte: of the tensor of photo 3, or of its checksum
                path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            case "truncate":
                path.write_bytes(content[:-7])
            case "empty":
                path.write_bytes(b"")
            case "text":
                path.write_bytes(b"no tensors here")
            case "gone":
                path.unlink()
    store = FeatureStore(tmp_path, KEY)
    everything = [_digest(number) for number in range(8)]
    assert store.missing(everything) == everything[:4]
    with ShardWriter(store) as writer:
        for number in range(4):
            writer.add(_digest(number), _tensor(number))
    store = FeatureStore(tmp_path, KEY)
    assert store.missing(everything) == []
    gathered = store.features(everything).gather(np.arange(8))
    np.testing.assert_array_equal(gathered, np.stack([_tensor(number) for number in range(8)]))


def test_damage_that_cannot_be_deleted_is_still_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path, range(4))
    tensors = next(path for path in tmp_path.rglob("*.npy") if ".index." not in path.name)
    content = tensors.read_bytes()
    tensors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    store = FeatureStore(tmp_path, KEY)
    assert len(store.missing([_digest(number) for number in range(4)])) == 4
    assert store.damaged == 1


def test_another_copy_of_a_damaged_photo_is_found(tmp_path: Path) -> None:
    _fill(tmp_path, range(4))
    _fill(tmp_path, range(4))
    tensors = _indexes(tmp_path)[0]
    tensors = tensors.with_name(tensors.name.replace(".index.npy", ".npy"))
    tensors.write_bytes(tensors.read_bytes()[:-3])
    store = FeatureStore(tmp_path, KEY)
    assert store.missing([_digest(number) for number in range(4)]) == []
    assert store.damaged == 1


def test_leftovers_of_a_kill_do_no_harm(tmp_path: Path) -> None:
    _fill(tmp_path, range(2))
    folder = _indexes(tmp_path)[0].parent
    (folder / "lonely.npy").write_bytes(b"a shard whose index was never written")
    (folder / ".abc.index.npy.x.tmp").write_bytes(b"half")
    store = FeatureStore(tmp_path, KEY)
    assert store.missing([_digest(number) for number in range(3)]) == [_digest(2)]
    assert store.damaged == 0


def test_a_shard_is_closed_by_size_and_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_SHARD_BYTES", 3 * 32)
    _fill(tmp_path, range(9))
    assert len(_indexes(tmp_path)) == 3  # of four photos, four, and the one that is left
    monkeypatch.setattr(store_module, "_SHARD_SECONDS", -1.0)
    _fill(tmp_path, range(20, 23))
    assert len(_indexes(tmp_path)) == 6


def test_an_error_while_computing_keeps_what_was_computed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), ShardWriter(FeatureStore(tmp_path, KEY)) as writer:
        writer.add(_digest(0), _tensor(0))
        raise KeyboardInterrupt
    assert FeatureStore(tmp_path, KEY).missing([_digest(0)]) == []


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="--cache-dir.*--no-cache"):
        _fill(tmp_path / "file", range(1))


def test_a_shard_that_could_not_be_written_is_written_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacing, failures = store_module.durable.replacing, [OSError(errno.ENOSPC, "No space left on device")]

    def fail_once(path: Path) -> AbstractContextManager[IO[bytes]]:
        if failures:
            raise failures.pop()
        return replacing(path)

    monkeypatch.setattr(store_module.durable, "replacing", fail_once)
    monkeypatch.setattr(store_module, "_SHARD_BYTES", 0)  # a shard a photo
    with pytest.raises(CacheError, match="No space left"), ShardWriter(FeatureStore(tmp_path, KEY)) as writer:
        for number in range(5):
            writer.add(_digest(number), _tensor(number))
    store = FeatureStore(tmp_path, KEY)
    there = [_digest(0), _digest(1)]  # what was gathered when the failure was seen
    assert store.missing([_digest(number) for number in range(5)]) == [
        _digest(number) for number in (2, 3, 4)
    ]
    np.testing.assert_array_equal(store.features(there).gather(np.arange(2)), [_tensor(0), _tensor(1)])


_WRITER = """
import sys
sys.path.insert(0, sys.argv[3])
from tests.features.test_store import _fill
from pathlib import Path
from catdog.features import store
store._SHARD_BYTES = 64
start = int(sys.argv[2])
print("go", flush=True)
while True:
    _fill(Path(sys.argv[1]), range(start, start + 40))
    start += 40
"""


def _start_writer(root: Path, start: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _WRITER, str(root), str(start), str(Path(__file__).parents[2])]
    writer = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "go\n"
    return writer


def test_kills_and_two_writers_at_once(tmp_path: Path) -> None:
    for kill, wait in enumerate((0.02, 0.05, 0.1, 0.2)):
        # Two processes write the same photos; both are killed in the middle.
        writers = [_start_writer(tmp_path, 1000 * kill) for _ in range(2)]
        time.sleep(wait)
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.communicate()
        store = FeatureStore(tmp_path, KEY)
        wanted = {_digest(number): number for number in range(1000 * kill, 1000 * kill + 1000)}
        missing = set(store.missing(list(wanted)))
        assert store.damaged == 0
        there = [digest for digest in wanted if digest not in missing]
        assert there, "the writers had no time to write anything"
        gathered = store.features(there).gather(np.arange(len(there)))
        for row, digest in zip(gathered, there, strict=True):
            np.testing.assert_array_equal(row, _tensor(wanted[digest]))


def test_entries_and_clearing(tmp_path: Path) -> None:
    assert cache_entries(tmp_path / "nothing") == []
    _fill(tmp_path, range(3))
    other = replace(KEY, unfreeze="block5")
    _fill(tmp_path, range(1), other)
    (tmp_path / "a file of somebody").write_text("stays")
    entries = cache_entries(tmp_path)
    assert [(entry.key, entry.photos) for entry in entries] == [(KEY, 3), (other, 1)]
    assert all(entry.bytes > 0 for entry in entries)
    clear_cache(tmp_path)
    assert cache_entries(tmp_path) == []
    assert (tmp_path / "a file of somebody").exists()


def test_a_refresh_opens_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    open_shard = FeatureStore._open_shard

    def count(store: FeatureStore, index_path: Path):
        opened.append(index_path)
        return open_shard(store, index_path)

    monkeypatch.setattr(FeatureStore, "_open_shard", count)
    _fill(tmp_path, range(3))
    store = FeatureStore(tmp_path, KEY)
    everything = [_digest(number) for number in range(6)]
    assert store.missing(everything) == everything[3:]
    _fill(tmp_path, range(3, 6))
    assert store.missing(everything) == everything[3:]  # not yet looked at
    store.refresh()
    assert store.missing(everything) == []
    assert len(opened) == len(set(opened)) == 2
    assert np.array_equal(store.features(everything).gather(np.arange(6))[5], _tensor(5))


def test_a_refresh_forgets_what_is_gone(tmp_path: Path) -> None:
    _fill(tmp_path, range(3))
    _fill(tmp_path, range(3, 6))
    store = FeatureStore(tmp_path, KEY)
    everything = [_digest(number) for number in range(6)]
    assert store.missing(everything) == []
    before = store.features(everything)
    _indexes(tmp_path)[0].unlink()
    store.refresh()
    gone = store.missing(everything)
    assert gone in (everything[:3], everything[3:])
    left = [digest for digest in everything if digest not in gone]
    numbers = [everything.index(digest) for digest in left]
    found = store.features(left).gather(np.arange(3))
    assert np.array_equal(found, np.stack([_tensor(number) for number in numbers]))
    assert np.array_equal(before.gather(np.arange(6)), np.stack([_tensor(number) for number in range(6)]))


def test_features_in_memory() -> None:
    rows = np.arange(24, dtype=np.float32).reshape(6, 4)
    features = Features.in_memory(rows)
    assert features.shape == (4,)
    np.testing.assert_array_equal(features.gather(np.array([[5, 0]])), rows[[[5, 0]]])


def test_mapped_pages_are_given_back(tmp_path: Path) -> None:
    key = replace(KEY, shape=(64, 64, 256))  # 2 MB a photo
    digests = [_digest(number) for number in range(40)]
    with ShardWriter(FeatureStore(tmp_path, key)) as writer:
        for number, digest in enumerate(digests):
            writer.add(digest, np.full(key.shape, number, np.float16))
    program = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from catdog.features import store\n"
        "store._RESIDENT_BYTES = 8 * 2**20\n"
        "from tests.features.test_store import KEY, _digest\n"
        "from dataclasses import replace\n"
        "cache = store.FeatureStore(Path(sys.argv[1]), replace(KEY, shape=(64, 64, 256)))\n"
        "digests = [_digest(number) for number in range(40)]\n"
        "resident = lambda: int(Path('/proc/self/statm').read_text().split()[2]) * 4096\n"
        "before = resident()\n"
        "assert cache.missing(digests) == []\n"
        "features = cache.features(digests)\n"
        "for photo in range(40):\n"
        "    assert (features.gather(np.array([photo])) == photo).all()\n"
        "assert resident() - before < 20 * 2**20, resident() - before\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=root)
