"""Somebody else is at work: the cache is emptied, or a photo is replaced, while features are computed."""

import shutil
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from catdog.config import Decoding
from catdog.data import Skipped, fingerprint
from catdog.errors import CacheError
from catdog.features.extract import extract
from catdog.features.prefix import Prefix
from catdog.progress import Progress
from catdog.workspace import Workspace
from tests.prefixes import builtin_prefix
from tests.workspaces import two_workers

SMALL = Decoding(size=32)


@pytest.fixture(scope="module")
def prefix() -> Prefix:
    return builtin_prefix()


@pytest.fixture
def paths(shapes: Path, tmp_path: Path) -> list[Path]:
    return sorted(copytree(shapes / "valid", tmp_path / "photos").rglob("*.png"))


def _clearing(cache: Path, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty the cache right after the features have been written, so many times."""
    from catdog.features.store import FeatureStore

    refresh = FeatureStore.refresh
    left = [times]

    def refresh_after_clearing(self: FeatureStore) -> None:
        if left[0]:
            left[0] -= 1
            shutil.rmtree(cache, ignore_errors=True)
        refresh(self)

    monkeypatch.setattr(FeatureStore, "refresh", refresh_after_clearing)


def test_an_emptied_cache_is_filled_again(
    paths: list[Path], prefix: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _clearing(tmp_path / "cache", 1, monkeypatch)
    found = extract(paths, prefix, SMALL, workspace=two_workers(tmp_path / "cache"))
    assert len(found.photos) == 16
    assert found.features is not None
    assert found.features.gather(np.arange(16)).any()


def test_a_cache_that_is_always_emptied_is_an_error(
    paths: list[Path], prefix: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _clearing(tmp_path / "cache", 99, monkeypatch)
    with pytest.raises(CacheError, match="--cache-dir"):
        extract(paths, prefix, SMALL, workspace=two_workers(tmp_path / "cache"))


def test_a_photo_that_is_replaced_meanwhile_is_never_cached_under_the_old_content(
    paths: list[Path], prefix: Prefix, tmp_path: Path
) -> None:
    digests = fingerprint(paths, workspace=Workspace(workers=2)).digests
    old = paths[0].read_bytes()
    paths[0].write_bytes(paths[1].read_bytes())
    cache = tmp_path / "cache"
    found = extract(paths, prefix, SMALL, workspace=two_workers(cache), digests=digests)
    assert [photo.path for photo in found.skipped] == [paths[0]]
    assert "changed" in str(found.skipped[0].reason)
    assert len(found.photos) == 15
    paths[0].write_bytes(old)
    steps: list[Progress] = []
    again = extract(paths, prefix, SMALL, workspace=two_workers(cache), report=steps.append)
    assert len(again.photos) == 16
    assert max(step.done for step in steps if step.stage == "features") == 1


def test_before_is_asked_before_anything_is_computed(
    paths: list[Path], prefix: Prefix, tmp_path: Path
) -> None:
    paths[3].write_text("no photo")

    def refuse(unreadable: tuple[Skipped, ...]) -> None:
        raise RuntimeError(unreadable)

    with pytest.raises(RuntimeError, match=paths[3].name):
        extract(paths, prefix, SMALL, workspace=two_workers(tmp_path / "cache"), before=refuse)
    assert not (tmp_path / "cache").exists()
