"""The feature cache stays small and in order, whatever commands, kills and other processes do to it."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog.features import open_files, upkeep
from catdog.features.leases import Lease, leased
from catdog.features.leases import upkeep as upkeep_lock
from catdog.features.shards import tensor_path, write_shard
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.text import Message
from catdog.workspace import FeatureCache
from tests.features.test_store import KEY, _digest, _fill, _indexes, _store, _tensor

ROOT = Path(__file__).parents[2]


def _sound(root: Path, numbers: range) -> list[int]:
    """Which of these photos are there, after a look at each tensor."""
    cached = _store(root)
    missing = set(cached.missing([_digest(number) for number in numbers]))
    there = [number for number in numbers if _digest(number) not in missing]
    if there:
        rows = cached.features([_digest(number) for number in there]).gather(np.arange(len(there)))
        np.testing.assert_array_equal(rows, [_tensor(number) for number in there])
    return there


def _age(root: Path, numbers: range, seconds: float) -> None:
    """Make the shards that hold these photos look as if they were last used so long ago."""
    wanted = {bytes.fromhex(_digest(number)) for number in numbers}
    for path in _indexes(root):
        if wanted & {bytes(digest) for digest in np.load(path)["digest"]}:
            os.utime(path, (time.time() - seconds, time.time() - seconds))


def test_the_number_of_files_does_not_grow_with_the_number_of_commands(tmp_path: Path) -> None:
    counts = []
    for number in range(300):
        _fill(tmp_path, range(number, number + 1))
        counts.append(len(_indexes(tmp_path)))
    assert max(counts) < 20
    assert _sound(tmp_path, range(300)) == list(range(300))
    files = sum(len(names) for _, _, names in os.walk(tmp_path))
    assert files < 2 * 20 + 5


@pytest.mark.slow
def test_an_old_cache_of_many_shards_is_merged_by_the_next_command_that_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("catdog.features.writer.keep_in_order", lambda *_: None)  # as versions before did
        for number in range(500):
            _fill(tmp_path, range(number, number + 1))
    assert len(_indexes(tmp_path)) == 500
    _fill(tmp_path, range(500, 501))
    assert len(_indexes(tmp_path)) < 20
    assert _sound(tmp_path, range(501)) == list(range(501))


@pytest.mark.slow
def test_few_files_are_open_however_many_shards_there_are(tmp_path: Path) -> None:
    """In a process that may open fewer files than there are shards: `ulimit -n 128`, 400 shards."""
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from catdog.features import writer\n"
        "from tests.features.test_store import _fill\n"
        "from tests.features.test_upkeep import _sound\n"
        "writer.keep_in_order = lambda *_: None\n"
        "root = Path(sys.argv[1])\n"
        "for number in range(400):\n"
        "    _fill(root, range(number, number + 1))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))\n"
        "assert _sound(root, range(400)) == list(range(400))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=ROOT)


def test_open_files_are_bounded(tmp_path: Path) -> None:
    open_files.close_all()
    most = open_files.MOST
    for number in range(2 * most):
        (tmp_path / str(number)).write_bytes(bytes([number] * 8))
    before = len(os.listdir("/dev/fd"))
    for number in [*range(2 * most), *range(2 * most)]:
        out = np.empty(4, np.uint8)
        open_files.read(tmp_path / str(number), 2, out)
        assert (out == number).all()
        assert len(os.listdir("/dev/fd")) <= before + most
    with pytest.raises(EOFError):
        open_files.read(tmp_path / "1", 6, np.empty(4, np.uint8))
    open_files.close_all()
    assert len(os.listdir("/dev/fd")) == before


def test_a_limit_on_open_files_is_an_error_and_not_an_empty_cache(tmp_path: Path) -> None:
    _fill(tmp_path, range(3))
    program = (
        "import os, resource, sys\n"
        "from pathlib import Path\n"
        "import pytest\n"
        "from catdog.errors import CacheError\n"
        "from tests.features.test_store import _digest, _store\n"
        "limit = len(os.listdir('/dev/fd')) + 20\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))\n"
        "cached = _store(Path(sys.argv[1]))\n"
        "assert cached.missing([_digest(9)]) == [_digest(9)]\n"
        "held = []\n"
        "with pytest.raises(OSError):\n"
        "    while True:\n"
        "        held.append(os.open('/dev/null', os.O_RDONLY))\n"
        "with pytest.raises(CacheError, match='Too many open files'):\n"
        "    cached.missing([_digest(1)])\n"
        "os.close(held.pop())\n"
        "assert cached.missing([_digest(1)]) == []\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=ROOT)


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    for number in range(4):
        _fill(tmp_path, range(10 * number, 10 * number + 10))
        _age(tmp_path, range(10 * number, 10 * number + 10), 1000 - 100 * number)
    assert _sound(tmp_path, range(10)) == list(range(10))  # the oldest is used again
    size = sum(file.bytes for folder in upkeep.key_folders(tmp_path) for file in upkeep.shard_files(folder))
    upkeep.trim(tmp_path, size * 3 // 4)
    assert _sound(tmp_path, range(40)) == [*range(10), *range(20, 40)]
    upkeep.trim(tmp_path, size // 4)
    assert _sound(tmp_path, range(40)) in (list(range(10)), list(range(20, 30)), list(range(30, 40)))


def test_a_writer_keeps_to_the_limit_over_all_keys(tmp_path: Path) -> None:
    other = replace(KEY, unfreeze="block5")
    for number in range(30):
        cache = FeatureCache(tmp_path, limit=6000)
        with ShardWriter(FeatureStore(cache, KEY if number % 2 else other)) as writer:
            for row in range(10):
                writer.add(_digest(100 * number + row), _tensor(row))
        size = sum(path.stat().st_size for path in tmp_path.rglob("*.npy"))
        assert size <= 6000
    assert _indexes(tmp_path)


def test_what_a_run_uses_stays_though_the_limit_is_passed(tmp_path: Path) -> None:
    _fill(tmp_path, range(10))
    at_work = _store(tmp_path)
    at_work.hold([_digest(number) for number in range(5)])
    with ShardWriter(at_work, needed=True) as writer:
        for number in range(20, 30):
            writer.add(_digest(number), _tensor(number))
    _fill(tmp_path, range(40, 50))
    upkeep.trim(tmp_path, 0)
    assert _sound(tmp_path, range(50)) == [*range(10), *range(20, 30)]
    del at_work, writer
    upkeep.trim(tmp_path, 0)
    assert _sound(tmp_path, range(50)) == []


_HOLDER = """
import sys
from pathlib import Path
from tests.features.test_store import _digest, _store
at_work = _store(Path(sys.argv[1]))
at_work.hold([_digest(1)])
print("holds", flush=True)
sys.stdin.read()
"""


def test_what_another_process_uses_stays_until_that_is_killed(tmp_path: Path) -> None:
    _fill(tmp_path, range(10))
    _fill(tmp_path, range(10, 20))
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout and holder.stdout.readline() == "holds\n"
    upkeep.trim(tmp_path, 0)
    assert _sound(tmp_path, range(20)) == list(range(10))
    assert [folder.name for folder in upkeep.clear(tmp_path)] == [KEY.folder_name()]
    assert _sound(tmp_path, range(20)) == list(range(10))
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    upkeep.trim(tmp_path, 0)
    assert _sound(tmp_path, range(20)) == []
    assert not list((tmp_path / ".in-use").iterdir())


def test_no_lease_is_made_while_shards_are_deleted(tmp_path: Path) -> None:
    _fill(tmp_path, range(3))
    lease = Lease(tmp_path)
    lease.add([tmp_path / "key" / "a", tmp_path / "key" / "b"])
    lease.add([tmp_path / "key" / "c"])
    assert leased(tmp_path) == {"key/a", "key/b", "key/c"}
    assert leased(tmp_path, but=lease) == set()
    with upkeep_lock(tmp_path, wait=False) as ours, upkeep_lock(tmp_path, wait=False) as again:
        assert (ours, again) == (True, False)
    lease.release()
    assert leased(tmp_path) == set()


def test_leftovers_of_kills_go_once_they_are_old(tmp_path: Path) -> None:
    _fill(tmp_path, range(3))
    folder = _indexes(tmp_path)[0].parent
    old, new = time.time() - 3 * 24 * 3600, time.time()
    for when in (old, new):
        for name in (f"lonely {when}.npy", f".abc.npy.{when}.tmp"):
            (folder / name).write_bytes(b"half")
            os.utime(folder / name, (when, when))
    _fill(tmp_path, range(3, 4))
    assert not list(folder.glob(f"*{old}*"))
    assert len(list(folder.glob(f"*{new}*")) + list(folder.glob(f".*{new}*"))) >= 2
    assert _sound(tmp_path, range(4)) == list(range(4))


def test_merging_leaves_damaged_photos_out_and_keeps_the_others(tmp_path: Path) -> None:
    for number in range(8):
        _fill(tmp_path, range(10 * number, 10 * number + 10))
    tensors = tensor_path(_indexes(tmp_path)[0])
    content = tensors.read_bytes()
    tensors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # of the last photo in it
    _fill(tmp_path, range(80, 90))
    assert len(_indexes(tmp_path)) == 1
    assert len(_sound(tmp_path, range(90))) == 89


def test_only_this_user_may_read_the_cache(tmp_path: Path) -> None:
    root = tmp_path / "cache" / "features"
    for number in range(20):
        _fill(root, range(number, number + 1))
    at_work = _store(root)
    at_work.hold([_digest(1)])
    for path in (tmp_path / "cache").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_a_cache_that_is_deleted_while_a_run_uses_it_is_not_made_again(tmp_path: Path) -> None:
    root = tmp_path / "cache" / "features"
    _fill(root, range(3))
    at_work = _store(root)
    at_work.hold([_digest(1)])
    shutil.rmtree(tmp_path / "cache")
    del at_work
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_is_emptied_while_a_shard_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path, range(3))
    warnings: list[Message] = []
    cached = FeatureStore(FeatureCache(tmp_path, warn=warnings.append), KEY)
    left = [1]

    def after_clearing(*facts: Any) -> None:
        if left.pop():
            left.append(0)
            assert upkeep.clear(tmp_path) == []
        else:
            left.append(0)
        write_shard(*facts)

    monkeypatch.setattr("catdog.features.shards.write_shard", after_clearing)
    with ShardWriter(cached) as writer:
        writer.add(_digest(7), _tensor(7))
    assert warnings == []
    assert _sound(tmp_path, range(10)) == [7]


def test_nothing_is_cleared_while_another_process_deletes_or_leases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catdog.features.leases._PATIENCE", 0.1)
    _fill(tmp_path, range(3))
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from catdog.features.leases import upkeep\n"
        "with upkeep(Path(sys.argv[1]), wait=True) as ours:\n"
        "    print(ours, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout and other.stdout.readline() == "True\n"
    assert [folder.name for folder in upkeep.clear(tmp_path)] == [KEY.folder_name()]
    other.communicate()
    assert _sound(tmp_path, range(3)) == [0, 1, 2]
    assert upkeep.clear(tmp_path) == []


_MERGER = """
import sys
from pathlib import Path
from tests.features.test_store import _fill
print("go", flush=True)
number = int(sys.argv[2])
while True:
    _fill(Path(sys.argv[1]), range(number, number + 1))
    number += 1
"""


@pytest.mark.slow
def test_kills_while_two_processes_merge_lose_nothing_that_was_there(tmp_path: Path) -> None:
    _fill(tmp_path, range(50))
    for kill in range(5):
        mergers = [
            subprocess.Popen(
                [sys.executable, "-c", _MERGER, str(tmp_path), str(10_000 * (2 * kill + half + 1))],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            for half in range(2)
        ]
        for merger in mergers:
            assert merger.stdout and merger.stdout.readline() == "go\n"
        time.sleep(0.3 + 0.07 * kill)
        before = set(_sound(tmp_path, range(10_000 * (2 * kill + 1), 10_000 * (2 * kill + 1) + 200)))
        time.sleep(0.05)
        for merger in mergers:
            os.kill(merger.pid, signal.SIGKILL)
            merger.communicate()
        after = set(_sound(tmp_path, range(10_000 * (2 * kill + 1), 10_000 * (2 * kill + 1) + 200)))
        assert before and before <= after
        assert _sound(tmp_path, range(50)) == list(range(50))


def test_a_full_disk_costs_a_warning_and_nothing_else(tmp_path: Path) -> None:
    """`RLIMIT_FSIZE` fails a write in the middle, as a full disk does."""
    program = (
        "import resource, sys, warnings\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from catdog.features import writer\n"
        "from catdog.features.store import FeatureStore\n"
        "from catdog.features.writer import ShardWriter\n"
        "from catdog.workspace import FeatureCache\n"
        "from tests.features.test_store import KEY, _digest, _tensor\n"
        "writer._SHARD_BYTES = 300\n"
        "warnings = []\n"
        "store = FeatureStore(FeatureCache(Path(sys.argv[1]), warn=warnings.append), KEY)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))\n"
        "digests = [_digest(number) for number in range(40)]\n"
        "with ShardWriter(store, needed=True) as keeper:\n"
        "    for number, digest in enumerate(digests):\n"
        "        keeper.add(digest, _tensor(number))\n"
        "store.refresh()\n"
        "assert store.missing(digests) == []\n"
        "rows = store.features(digests).gather(np.arange(40))\n"
        "np.testing.assert_array_equal(rows, [_tensor(number) for number in range(40)])\n"
        "assert len(warnings) == 1, warnings\n"
        "assert 'File too large' in str(warnings[0]) and '--cache-dir' in str(warnings[0])\n"
        "with ShardWriter(store) as keeper:\n"
        "    for number in range(100, 140):\n"
        "        keeper.add(_digest(number), _tensor(number))\n"
        "assert store.missing([_digest(100)]) == [_digest(100)]\n"
        "assert len(warnings) == 2\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=ROOT)
    assert not [path for path in tmp_path.rglob("*.npy") if path.stat().st_size == 0]


def test_without_a_folder_features_are_in_memory_and_only_where_they_are_needed() -> None:
    cached = FeatureStore(FeatureCache(None), KEY)
    digests = [_digest(number) for number in range(5)]
    with ShardWriter(cached) as writer:
        writer.add(digests[0], _tensor(0))
    assert cached.missing(digests) == digests
    with ShardWriter(cached, needed=True) as writer:
        for number, digest in enumerate(digests):
            writer.add(digest, _tensor(number))
    assert cached.missing(digests) == []
    rows = cached.features(digests[::-1]).gather(np.array([[0, 1], [4, 4]]))
    np.testing.assert_array_equal(rows[0, 1], _tensor(3))
    np.testing.assert_array_equal(rows[1, 1], _tensor(0))
