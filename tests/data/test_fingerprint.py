"""Digests are the content's, in order, at any size."""

import hashlib
import tracemalloc
from pathlib import Path

from catdog.data import fingerprint
from catdog.workspace import Workspace


def test_digests_are_sha256_in_the_given_order(tmp_path: Path):
    paths = [tmp_path / f"{name}.jpg" for name in "dbcae"]
    for path in paths:
        path.write_bytes(path.name.encode() * 1000)
    seen: list[tuple[int, int]] = []
    found = fingerprint(
        paths, workspace=Workspace(workers=3), report=lambda now: seen.append((now.done, now.total))
    )
    assert list(found.digests) == paths
    assert all(
        digest == hashlib.sha256(path.read_bytes()).hexdigest() for path, digest in found.digests.items()
    )
    assert found.skipped == ()
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_what_cannot_be_read_is_skipped_in_order(tmp_path: Path):
    (tmp_path / "b.jpg").touch()
    (tmp_path / "c.jpg").write_bytes(b"photo")
    paths = [tmp_path / name for name in ("d.jpg", "c.jpg", "b.jpg")]
    found = fingerprint(paths, workspace=Workspace(workers=2))
    assert list(found.digests) == [tmp_path / "c.jpg"]
    assert [(skip.path.name, str(skip.reason)) for skip in found.skipped] == [
        ("d.jpg", "the file does not exist"),
        ("b.jpg", "the file is empty (0 bytes)"),
    ]


def test_a_large_file_is_hashed_in_blocks(tmp_path: Path):
    path = tmp_path / "large.tif"
    with path.open("wb") as stream:
        stream.truncate(64 << 20)  # a hole: no disk is used
    tracemalloc.start()
    try:
        found = fingerprint([path], workspace=Workspace())
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert found.digests[path] == hashlib.sha256(bytes(64 << 20)).hexdigest()


def test_no_paths():
    assert fingerprint([], workspace=Workspace(workers=2)).digests == {}
