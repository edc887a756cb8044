"""The feature cache on disk: features come back unchanged; kills and damage cost only time."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog.config import Decoding
from catdog.features import shards, store, upkeep, writer
from catdog.features.features import Features
from catdog.features.key import FeatureKey
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.workspace import FeatureCache

KEY = FeatureKey(
    prefix_digest="ab" * 32,
    unfreeze="head",
    shape=(2, 2, 4),
    dtype="float16",
    arithmetic="float32",
    preprocessing="caffe",
    decoding=Decoding(),
    decoding_version=1,
    decoder="Pillow 13.0.0",
)


def _digest(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def _tensor(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=KEY.shape).astype(np.float16)


def _store(root: Path, key: FeatureKey = KEY) -> FeatureStore:
    return FeatureStore(FeatureCache(root), key)


def _fill(root: Path, numbers: range, key: FeatureKey = KEY) -> None:
    with ShardWriter(_store(root, key)) as writer:
        for number in numbers:
            writer.add(_digest(number), _tensor(number))


def _indexes(root: Path) -> list[Path]:
    return sorted(root.rglob("*.index.npy"))


def test_tensors_come_back_in_any_order_and_from_several_shards(tmp_path: Path) -> None:
    _fill(tmp_path, range(5))
    _fill(tmp_path, range(5, 9))
    cached = _store(tmp_path)
    order = [8, 0, 3, 3, 6]
    assert cached.missing([_digest(number) for number in order]) == []
    features = cached.features([_digest(number) for number in order])
    assert len(features) == 5
    assert features.nbytes == 5 * 16 * 2
    rows = np.array([[0, 4], [3, 1]])
    gathered = features.gather(rows)
    assert gathered.shape == (2, 2, *KEY.shape)
    for place in np.ndindex(2, 2):
        np.testing.assert_array_equal(gathered[place], _tensor(order[rows[place]]))
    np.testing.assert_array_equal(features.select([4, 1]).gather(np.array([0]))[0], _tensor(6))


def test_missing_lists_each_once_in_order(tmp_path: Path) -> None:
    _fill(tmp_path, range(3))
    cached = _store(tmp_path)
    wanted = [_digest(number) for number in (7, 1, 5, 7)]
    assert cached.missing(wanted) == [_digest(7), _digest(5)]


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
        {"decoder": "Pillow 13.1.0"},
    ],
)
def test_another_key_shares_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    _fill(tmp_path, range(3))
    other = _store(tmp_path, replace(KEY, **change))
    assert other.missing([_digest(1)]) == [_digest(1)]


def test_nothing_is_created_before_the_first_write(tmp_path: Path) -> None:
    cached = _store(tmp_path / "cache")
    assert cached.missing([_digest(1)]) == [_digest(1)]
    with ShardWriter(cached):
        pass
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("where", ["tensors", "index", "both"])
@pytest.mark.parametrize("how", ["flip", "header", "truncate", "empty", "text", "gone"])
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
            case "header":  # an open bracket is left, which Python's tokenizer refuses
                path.write_bytes(content.replace(b"}", b"("))
            case "truncate":
                path.write_bytes(content[:-7])
            case "empty":
                path.write_bytes(b"")
            case "text":
                path.write_bytes(b"no tensors here")
            case "gone":
                path.unlink()
    cached = _store(tmp_path)
    everything = [_digest(number) for number in range(8)]
    assert cached.missing(everything) == everything[:4]
    with ShardWriter(cached) as writer:
        for number in range(4):
            writer.add(_digest(number), _tensor(number))
    cached = _store(tmp_path)
    assert cached.missing(everything) == []
    gathered = cached.features(everything).gather(np.arange(8))
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
    cached = _store(tmp_path)
    assert len(cached.missing([_digest(number) for number in range(4)])) == 4
    assert cached.damaged == 1


def test_another_copy_of_a_damaged_photo_is_found(tmp_path: Path) -> None:
    _fill(tmp_path, range(4))
    _fill(tmp_path, range(4))
    tensors = _indexes(tmp_path)[0]
    tensors = tensors.with_name(tensors.name.replace(".index.npy", ".npy"))
    tensors.write_bytes(tensors.read_bytes()[:-3])
    cached = _store(tmp_path)
    assert cached.missing([_digest(number) for number in range(4)]) == []
    assert cached.damaged == 1


def test_leftovers_of_a_kill_do_no_harm(tmp_path: Path) -> None:
    _fill(tmp_path, range(2))
    folder = _indexes(tmp_path)[0].parent
    (folder / "lonely.npy").write_bytes(b"a shard whose index was never written")
    (folder / ".abc.index.npy.x.tmp").write_bytes(b"half")
    cached = _store(tmp_path)
    assert cached.missing([_digest(number) for number in range(3)]) == [_digest(2)]
    assert cached.damaged == 0


def test_a_shard_is_closed_by_size_and_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_SHARD_BYTES", 3 * 32)
    _fill(tmp_path, range(9))
    assert len(_indexes(tmp_path)) == 3  # of four photos, four, and the one that is left
    monkeypatch.setattr(writer, "_SHARD_SECONDS", -1.0)
    _fill(tmp_path, range(20, 23))
    assert len(_indexes(tmp_path)) == 6


def test_an_error_while_computing_keeps_what_was_computed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), ShardWriter(_store(tmp_path)) as writer:
        writer.add(_digest(0), _tensor(0))
        raise KeyboardInterrupt
    assert _store(tmp_path).missing([_digest(0)]) == []


_WRITER = """
import sys
sys.path.insert(0, sys.argv[3])
from tests.features.test_store import _fill
from pathlib import Path
from catdog.features import writer
writer._SHARD_BYTES = 64
start = int(sys.argv[2])
while True:
    _fill(Path(sys.argv[1]), range(start, start + 40))
    start += 40
    print("written", flush=True)
"""


def _start_writer(root: Path, start: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _WRITER, str(root), str(start), str(Path(__file__).parents[2])]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_kills_and_two_writers_at_once(tmp_path: Path) -> None:
    for kill, rounds in enumerate((1, 2, 3, 5)):
        # Two processes write the same photos; both are killed in the middle of a later round.
        writers = [_start_writer(tmp_path, 1000 * kill) for _ in range(2)]
        assert writers[0].stdout is not None
        for _ in range(rounds):
            assert writers[0].stdout.readline() == "written\n"
        for process in writers:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        cached = _store(tmp_path)
        wanted = {_digest(number): number for number in range(1000 * kill, 1000 * kill + 1000)}
        missing = set(cached.missing(list(wanted)))
        assert cached.damaged == 0
        there = [digest for digest in wanted if digest not in missing]
        assert len(there) >= 40 * rounds
        gathered = cached.features(there).gather(np.arange(len(there)))
        for row, digest in zip(gathered, there, strict=True):
            np.testing.assert_array_equal(row, _tensor(wanted[digest]))


def test_entries_and_clearing(tmp_path: Path) -> None:
    assert upkeep.cache_entries(tmp_path / "nothing") == []
    _fill(tmp_path, range(3))
    other = replace(KEY, unfreeze="block5")
    _fill(tmp_path, range(1), other)
    (tmp_path / "a foreign file").write_text("stays")
    entries = upkeep.cache_entries(tmp_path)
    assert [(entry.key, entry.photos) for entry in entries] == [(KEY, 3), (other, 1)]
    assert all(entry.bytes > 0 for entry in entries)
    assert upkeep.clear(tmp_path) == []
    assert upkeep.cache_entries(tmp_path) == []
    assert (tmp_path / "a foreign file").exists()


def test_a_refresh_reads_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def count(index_path: Path, *facts: Any) -> shards.Shard:
        read.append(index_path)
        return shards.read_shard(index_path, *facts)

    monkeypatch.setattr(store, "read_shard", count)
    _fill(tmp_path, range(3))
    cached = _store(tmp_path)
    everything = [_digest(number) for number in range(6)]
    assert cached.missing(everything) == everything[3:]
    _fill(tmp_path, range(3, 6))
    assert cached.missing(everything) == everything[3:]  # not yet looked at
    cached.refresh()
    assert cached.missing(everything) == []
    assert len(read) == len(set(read)) == 2
    assert np.array_equal(cached.features(everything).gather(np.arange(6))[5], _tensor(5))


def test_a_refresh_forgets_what_is_gone(tmp_path: Path) -> None:
    _fill(tmp_path, range(3))
    _fill(tmp_path, range(3, 6))
    cached = _store(tmp_path)
    everything = [_digest(number) for number in range(6)]
    assert cached.missing(everything) == []
    before = cached.features(everything)
    _indexes(tmp_path)[0].unlink()
    cached.refresh()
    gone = cached.missing(everything)
    assert gone in (everything[:3], everything[3:])
    left = [digest for digest in everything if digest not in gone]
    numbers = [everything.index(digest) for digest in left]
    found = cached.features(left).gather(np.arange(3))
    assert np.array_equal(found, np.stack([_tensor(number) for number in numbers]))
    assert np.array_equal(before.gather(np.arange(6)), np.stack([_tensor(number) for number in range(6)]))


def test_features_in_memory() -> None:
    rows = np.arange(24, dtype=np.float32).reshape(6, 4)
    features = Features.in_memory(rows)
    assert features.shape == (4,)
    np.testing.assert_array_equal(features.gather(np.array([[5, 0]])), rows[[[5, 0]]])


def test_reading_takes_no_memory_beside_what_it_returns(tmp_path: Path) -> None:
    key = replace(KEY, shape=(64, 64, 256))  # 2 MB a photo
    digests = [_digest(number) for number in range(40)]
    with ShardWriter(_store(tmp_path, key)) as writer:
        for number, digest in enumerate(digests):
            writer.add(digest, np.full(key.shape, number, np.float16))
    program = (
        "import sys, numpy as np\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from tests.features.test_store import KEY, _digest, _store\n"
        "cache = _store(Path(sys.argv[1]), replace(KEY, shape=(64, 64, 256)))\n"
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
