"""Digests are remembered by the state of a file: the second time it is not read."""

import os
from hashlib import sha256
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from catdog.data import fingerprint, remembered
from catdog.workspace import Workspace

COUNT = 100


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that count as old."""
    monkeypatch.setattr(remembered, "_SETTLED", -(10**18))
    paths = [tmp_path / "photos" / f"{number}.jpg" for number in range(COUNT)]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def _workspace(folder: Path, *, rehash: bool = False) -> Workspace:
    """As of a new process."""
    remembered.memory_of.cache_clear()
    return Workspace.below(folder / "cache", rehash=rehash, workers=2)


def _right(paths: list[Path]) -> dict[Path, str]:
    return {path: sha256(path.read_bytes()).hexdigest() for path in paths}


def _records(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "digests").iterdir())


def _change_behind(path: Path, content: bytes) -> None:
    """Another content, and the status is as it was."""
    found = os.stat(path)
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_files_are_read_once(photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = _right(photos)
    assert fingerprint(photos, workspace=_workspace(tmp_path)).digests == right
    moved = tmp_path / "moved"
    photos[0].parent.rename(moved)  # the files are where they were
    paths = [moved / path.name for path in reversed(photos)]
    opened: list[Path] = []
    original = fingerprint.__globals__["open_regular"]
    monkeypatch.setitem(
        fingerprint.__globals__, "open_regular", lambda path: opened.append(path) or original(path)
    )
    steps: list[int] = []
    found = fingerprint(paths, workspace=_workspace(tmp_path), report=lambda now: steps.append(now.done))
    assert list(found.digests.items()) == [
        (moved / path.name, digest) for path, digest in reversed(right.items())
    ]
    assert not opened
    assert steps == list(range(1, COUNT + 1))
    assert fingerprint(paths, workspace=_workspace(tmp_path, rehash=True)).digests == found.digests
    assert sorted(opened) == sorted(paths)
    opened.clear()
    paths[3].write_bytes(b"longer than before")
    paths[4].unlink()
    found = fingerprint(paths, workspace=_workspace(tmp_path))
    assert opened == [paths[3], paths[4]]
    assert found.digests[paths[3]] == sha256(b"longer than before").hexdigest()
    assert [str(bad.reason) for bad in found.skipped] == ["the file does not exist"]


def test_a_change_that_keeps_size_and_time_is_seen(photos: list[Path], tmp_path: Path) -> None:
    fingerprint(photos, workspace=_workspace(tmp_path))
    _change_behind(photos[7], b"7.jpG")
    assert fingerprint(photos, workspace=_workspace(tmp_path)).digests == _right(photos)


def test_a_file_that_was_given_the_inode_of_another_is_read(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = _right(photos)
    fingerprint(photos, workspace=_workspace(tmp_path))
    memory = remembered.memory_of(tmp_path / "cache" / "digests")
    state = photos[0].stat()
    monkeypatch.setattr(remembered, "os", SimpleNamespace(stat=lambda _: state))
    assert memory.find(photos[:2], workers=1) == [right[photos[0]], None]


def test_young_files_are_not_remembered(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    os.utime(photos[0], ns=(0, 0))  # its inode was changed a moment ago
    fingerprint(photos, workspace=_workspace(tmp_path))
    assert not (tmp_path / "cache").exists()


def test_damaged_and_lost_records_are_passed_over(photos: list[Path], tmp_path: Path) -> None:
    right = _right(photos)
    for spoil in (
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(file.read_bytes()[:-1] + b"x"),
        lambda file: file.write_bytes(b""),
        lambda file: (file.unlink(), file.mkdir()),
        lambda file: file.unlink(),
    ):
        fingerprint(photos, workspace=_workspace(tmp_path))
        for file in _records(tmp_path):
            if file.is_file():
                spoil(file)
        assert fingerprint(photos, workspace=_workspace(tmp_path)).digests == right


def test_where_nothing_can_be_written_nothing_is_remembered(photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    assert fingerprint(photos, workspace=_workspace(tmp_path)).digests == _right(photos)


def test_records_of_many_runs_are_in_few_files(photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "digests"
    right = {}
    for run in range(60):
        memory = remembered.DigestMemory(folder)
        for number in range(64):
            status, digest = (sha256(f"{kind} {run} {number}".encode()) for kind in ("status", "digest"))
            memory.add(status.digest(), digest.hexdigest())
            right[status.digest()] = digest.hexdigest()
        memory.save()
    assert len(_records(tmp_path)) <= 7
    assert all(file.stat().st_mode & 0o77 == 0 for file in _records(tmp_path))
    known = remembered._join([remembered._read(file) for file in _records(tmp_path)])
    assert {bytes(row["status"]): bytes(row["digest"]).hex() for row in known} == right


def test_the_newest_record_counts_also_where_the_clock_was_set_back(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = count(10**6, -1)
    monkeypatch.setattr(remembered.time, "time_ns", lambda: next(hours) * 3600 * 10**9)
    folder = tmp_path / "cache" / "digests"
    memory = remembered.DigestMemory(folder)
    for path in photos:
        memory.add(remembered.status_of(path.stat(), path.name), "00" * 32)
    memory.save()
    found = fingerprint(photos, workspace=_workspace(tmp_path)).digests
    assert set(found.values()) == {"00" * 32}  # believed
    fingerprint(photos, workspace=_workspace(tmp_path, rehash=True))
    assert fingerprint(photos, workspace=_workspace(tmp_path)).digests == _right(photos)
    monkeypatch.setattr(remembered, "_MOST", 80)  # too many: the newest stay
    fingerprint(photos, workspace=_workspace(tmp_path, rehash=True))
    (file,) = _records(tmp_path)
    assert len(remembered._read(file)) == 40
