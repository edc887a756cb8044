"""Features of photo files: the same with and without the cache, computed once a photo, bad files listed."""

import errno
import os
from dataclasses import replace
from pathlib import Path
from shutil import copy, copytree, move

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from catdog.config import Decoding, decodings_of
from catdog.data import decode, fingerprint
from catdog.features.extract import Extraction, extract
from catdog.features.prefix import Prefix
from catdog.features.views import extract_views
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.network import Network
from catdog.model.preprocess import preprocess
from catdog.model.tensors import load_into
from catdog.progress import Progress
from catdog.text import Message
from catdog.weights import source as weights
from catdog.workspace import FeatureCache, Workspace
from tests.model.rounding import FLOAT16_STEP, relative_error
from tests.prefixes import builtin_prefix
from tests.workspaces import two_workers

SMALL = Decoding(size=64)


@pytest.fixture(scope="module")
def prefix() -> Prefix:
    return builtin_prefix()


@pytest.fixture
def photos(shapes: Path, tmp_path: Path) -> Path:
    """A copy that may be changed: 16 pictures."""
    return copytree(shapes / "valid", tmp_path / "photos")


def _computed(
    folder: Path, prefix: Prefix, cache: Path, decoding: Decoding = SMALL
) -> tuple[Extraction, int]:
    """The extraction of all files below `folder`, and how many photos were computed for it."""
    steps: list[Progress] = []
    found = extract(
        sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink()),
        prefix,
        decoding,
        workspace=two_workers(cache),
        report=steps.append,
    )
    counted = [step.done for step in steps if step.stage == "features"]
    return found, max(counted, default=0)


def _rows(found: Extraction) -> np.ndarray:
    assert found.features is not None
    return found.features.gather(np.arange(len(found.features)))


@pytest.mark.slow
def test_equals_the_network_on_the_decoded_photos(photos: Path, prefix: Prefix, tmp_path: Path) -> None:
    found, computed = _computed(photos, prefix, tmp_path / "cache")
    assert computed == 16
    network = Network(CONVOLUTIONS, rngs=nnx.Rngs(0))
    source = weights.find_weights("builtin")
    load_into(network, weights.read_tensors(source, CONVOLUTIONS))
    pixels = np.stack([decode(path, SMALL) for path in sorted(photos.rglob("*.png"))])
    expected = network(preprocess(jnp.asarray(pixels), "caffe"), deterministic=True)
    rows = _rows(found)
    assert rows.shape == (16, 2, 2, 512)
    assert rows.dtype == np.float16
    assert relative_error(rows, expected) < FLOAT16_STEP


def test_a_second_time_nothing_is_computed(photos: Path, prefix: Prefix, tmp_path: Path) -> None:
    first, _ = _computed(photos, prefix, tmp_path / "cache")
    second, computed = _computed(photos, prefix, tmp_path / "cache")
    assert computed == 0
    np.testing.assert_array_equal(_rows(first), _rows(second))
    assert first.digests == second.digests


def test_moved_renamed_and_copied_photos_are_found(photos: Path, prefix: Prefix, tmp_path: Path) -> None:
    _computed(photos, prefix, tmp_path / "cache")
    elsewhere = tmp_path / "elsewhere"
    move(photos, elsewhere)
    for number, path in enumerate(sorted(elsewhere.rglob("*.png"))):
        path.rename(path.with_name(f"renamed {number}.png"))
    copy(next(elsewhere.rglob("*.png")), elsewhere / "copy.png")
    found, computed = _computed(elsewhere, prefix, tmp_path / "cache")
    assert computed == 0
    assert len(found.photos) == 17


def test_an_added_photo_costs_only_itself(photos: Path, prefix: Prefix, tmp_path: Path) -> None:
    before, _ = _computed(photos, prefix, tmp_path / "cache")
    Image.new("RGB", (80, 60), "teal").save(photos / "circles" / "a new picture.png")
    after, computed = _computed(photos, prefix, tmp_path / "cache")
    assert computed == 1
    by_digest = dict(zip(after.digests, _rows(after), strict=True))
    for digest, row in zip(before.digests, _rows(before), strict=True):
        np.testing.assert_array_equal(by_digest[digest], row)


def test_another_decoding_is_computed_anew(photos: Path, prefix: Prefix, tmp_path: Path) -> None:
    _computed(photos, prefix, tmp_path / "cache")
    _, computed = _computed(photos, prefix, tmp_path / "cache", replace(SMALL, resize="pad"))
    assert computed == 16


def test_features_do_not_depend_on_the_other_photos_of_a_batch(
    photos: Path, prefix: Prefix, tmp_path: Path
) -> None:
    together, _ = _computed(photos, prefix, tmp_path / "together")
    paths = sorted(photos.rglob("*.png"))
    for path in paths[:3]:
        alone = extract(
            [path], prefix, SMALL, workspace=Workspace(features=FeatureCache(tmp_path / path.stem))
        )
        row = _rows(together)[paths.index(path)]
        assert relative_error(_rows(alone)[0], row) < FLOAT16_STEP


def test_bad_files_are_listed_and_the_others_computed(photos: Path, prefix: Prefix, tmp_path: Path) -> None:
    good = next(photos.rglob("*.png"))
    (photos / "empty.png").write_bytes(b"")
    (photos / "text.jpg").write_text("no photo")
    (photos / "cut.png").write_bytes(good.read_bytes()[:-200])
    (photos / "dangling.jpg").symlink_to(tmp_path / "nothing")
    found, computed = _computed(photos, prefix, tmp_path / "cache")
    reasons = {photo.path.name: str(photo.reason) for photo in found.skipped}
    assert reasons.keys() == {"empty.png", "text.jpg", "cut.png", "dangling.jpg"}
    assert all(reasons.values())
    assert len(found.photos) == len(found.digests) == computed == 16
    again, computed = _computed(photos, prefix, tmp_path / "cache")
    assert computed == 0
    assert again.skipped == found.skipped


def test_only_bad_files(tmp_path: Path, prefix: Prefix) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "text.jpg").write_text("no photo")
    found, computed = _computed(tmp_path / "photos", prefix, tmp_path / "cache")
    assert (found.features, found.photos, computed) == (None, (), 0)
    assert len(found.skipped) == 1


def test_nothing_frozen_means_the_photos_themselves(photos: Path, tmp_path: Path) -> None:
    everything = builtin_prefix("all")
    found, _ = _computed(photos, everything, tmp_path / "cache")
    expected = np.stack([decode(path, SMALL) for path in sorted(photos.rglob("*.png"))])
    np.testing.assert_array_equal(_rows(found), expected)


@pytest.mark.parametrize(("photos", "batch"), [(1, 1), (2, 1), (3, 2), (8, 4), (10_000, 4)])
def test_batches_have_few_sizes(prefix: Prefix, photos: int, batch: int) -> None:
    assert prefix.batch_size(photos, calls=2) == batch


def test_views_beyond_the_limit_on_a_full_disk_cost_one_warning_each(
    photos: Path, prefix: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("catdog.features.shards.write_shard", full)
    told: list[Message] = []
    paths = sorted(photos.rglob("*.png"))
    found = extract_views(
        paths,
        prefix,
        decodings_of(SMALL, other_sizes=(), views=2),
        workspace=Workspace(features=FeatureCache(tmp_path / "cache", limit=1000, warn=told.append)),
        digests=fingerprint(paths, workspace=Workspace()).digests,
    )
    assert [len(view) for view in found.features(paths)] == [16, 16, 16]
    full_disk, too_large = sorted(set(map(str, told)))  # a command prints equal warnings once
    assert f"cannot be cached in {tmp_path / 'cache'}: No space left on device" in full_disk
    assert "the features of 48 photos take" in too_large
