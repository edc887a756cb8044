"""Features of photos, each as soon as it is known."""

import shutil
from contextlib import closing
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import numpy as np
import pytest

from catdog.config import Decoding
from catdog.features import open_files
from catdog.features.extract import extract
from catdog.features.pooling import stores_of
from catdog.features.prefix import Prefix
from catdog.features.store import FeatureStore
from catdog.features.stream import Known, Unreadable, stream
from catdog.progress import Progress
from catdog.workspace import FeatureCache, Workspace
from tests.prefixes import builtin_prefix
from tests.workspaces import two_workers

SMALL = Decoding(size=64)


@pytest.fixture(scope="module")
def prefix() -> Prefix:
    return builtin_prefix()


@pytest.fixture
def paths(shapes: Path, tmp_path: Path) -> list[Path]:
    return sorted(copytree(shapes / "valid", tmp_path / "photos").rglob("*.png"))


TWO = Workspace(workers=2)


def _stores(prefix: Prefix, tmp_path: Path) -> list[FeatureStore]:
    return stores_of(FeatureCache(tmp_path / "cache"), prefix, SMALL)


def test_it_gives_what_extract_gives_however_much_is_cached(
    paths: list[Path], prefix: Prefix, tmp_path: Path
) -> None:
    expected = extract(paths, prefix, SMALL, workspace=two_workers(tmp_path / "other cache"))
    assert expected.features is not None
    for count in (0, 5, 16):
        extract(paths[:count], prefix, SMALL, workspace=two_workers(tmp_path / "cache"))
        found: dict[int, list[Any]] = {}
        for known in stream(paths, prefix, SMALL, stores=_stores(prefix, tmp_path), workspace=TWO):
            assert isinstance(known, Known)
            for photos, *both in zip(known.photos, known.digests, known.features, strict=True):
                found |= dict.fromkeys(photos, both)
        assert tuple(found[photo][0] for photo in range(16)) == expected.digests
        rows = np.stack([found[photo][1] for photo in range(16)])
        np.testing.assert_array_equal(rows, expected.features.gather(np.arange(16)))


def test_a_batch_comes_before_the_next_is_computed(paths: list[Path], prefix: Prefix, tmp_path: Path) -> None:
    extract(paths[10:], prefix, SMALL, workspace=two_workers(tmp_path / "cache"))
    steps: list[Progress] = []
    came: list[tuple[list[int], int]] = []
    for known in stream(
        paths, prefix, SMALL, stores=_stores(prefix, tmp_path), workspace=TWO, report=steps.append
    ):
        computed = [step.done for step in steps if step.stage == "features"]
        came.append((sum(known.photos, []), max(computed, default=0)))
    assert came == [([10, 11, 12, 13, 14, 15], 0), ([0, 1, 2, 3], 4), ([4, 5, 6, 7], 8), ([8, 9], 10)]


def test_bad_files_and_copies(paths: list[Path], prefix: Prefix, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    cut = folder / "cut.png"
    cut.write_bytes(paths[0].read_bytes()[:-200])
    text = folder / "text.jpg"
    text.write_text("no photo")
    twin = Path(copy(paths[1], folder / "twin.png"))
    given = [
        folder / "nothing.jpg",
        text,
        paths[1],
        cut,
        twin,
        paths[2],
        Path(copy(cut, folder / "cut 2.png")),
    ]
    events = list(stream(given, prefix, SMALL, stores=_stores(prefix, tmp_path), workspace=TWO))
    reasons = {
        photo: reason
        for event in events
        if isinstance(event, Unreadable)
        for photos, reason in zip(event.photos, event.reasons, strict=True)
        for photo in photos
    }
    assert sorted(reasons) == [0, 1, 3, 6]
    assert all(reasons.values())
    photos = [photo for event in events if isinstance(event, Known) for photo in event.photos]
    assert sorted(photos) == [[2, 4], [5]]


def test_shards_that_are_merged_or_deleted_meanwhile(
    paths: list[Path], prefix: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catdog.features.stream._AT_A_TIME", 4)
    cache = FeatureCache(tmp_path / "cache")
    for some in (paths[:4], *([path] for path in paths[4:11])):
        extract(some, prefix, SMALL, workspace=Workspace(features=cache))
    expected = extract(paths, prefix, SMALL, workspace=two_workers(tmp_path / "other"))
    assert expected.features is not None
    steps: list[Progress] = []
    rows: dict[int, Any] = {}
    groups = stream(
        paths, prefix, SMALL, stores=_stores(prefix, tmp_path), workspace=TWO, report=steps.append
    )
    for known in groups:
        if isinstance(known, Known):
            for photos, row in zip(known.photos, known.features, strict=True):
                rows |= dict.fromkeys(photos, row)
            if len(rows) == 4:  # of eleven that are cached
                before = set((tmp_path / "cache").rglob("*.index.npy"))
                extract(paths[11:12], prefix, SMALL, workspace=Workspace(features=cache))  # merges them
                assert len(set((tmp_path / "cache").rglob("*.index.npy")) & before) == 0
            if len(rows) == 8:
                open_files.close_all()  # else what is open can still be read
                shutil.rmtree(tmp_path / "cache")
    np.testing.assert_array_equal(
        np.stack([rows[photo] for photo in range(16)]), expected.features.gather(np.arange(16))
    )
    assert max(step.done for step in steps if step.stage == "features") == 8  # the last three of them too


def test_what_was_computed_before_it_was_closed_is_cached(
    paths: list[Path], prefix: Prefix, tmp_path: Path
) -> None:
    seen: list[str] = []
    with closing(stream(paths, prefix, SMALL, stores=_stores(prefix, tmp_path), workspace=TWO)) as groups:
        for known in groups:
            assert isinstance(known, Known)
            seen = known.digests
            break
    assert len(seen) == 4
    assert not _stores(prefix, tmp_path)[-1].missing(seen)
