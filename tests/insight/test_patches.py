"""The strongest patches of own photos are those of all maps, found from what is cached."""

from pathlib import Path
from shutil import make_archive
from types import SimpleNamespace

import numpy as np
import pytest

from catdog.data import Photo, decode
from catdog.inference.classifier import Classifier
from catdog.insight.anatomy import Maps, dissect
from catdog.insight.patches import Searched, find_cached, photos_of, search
from catdog.runs import Run, shipped_run
from catdog.workspace import Workspace
from tests.conftest import ROOT

PHOTOS = sorted((ROOT / "sample_data" / "photos").glob("*.jpg"))[:4]
OWN = [Photo(path, None) for path in PHOTOS]
UNITS = {"block4_pool": [7, 300], "block5_pool": [3, 38, 500]}


def _assert_right(found: Searched, classifier: Classifier, maps: dict[Path, Maps]) -> None:
    """The same values, places and pixels as in the maps of each photo."""
    assert found.photos == len(PHOTOS)
    for unit in UNITS[found.layer]:
        largest = {path: float(each.values[..., unit].max()) for path, each in maps.items()}
        patches = found.patches[unit]
        assert [patch.photo for patch in patches] == sorted(
            (path for path in maps if largest[path] > 0), key=lambda path: -largest[path]
        )
        for patch in patches:
            assert patch.value == pytest.approx(largest[patch.photo], rel=2e-3)
            at = maps[patch.photo].values[patch.y, patch.x, unit]
            assert at == pytest.approx(largest[patch.photo], rel=2e-3)


@pytest.fixture(scope="module")
def before(classifier: Classifier) -> dict[Path, dict[str, Maps]]:
    """Photo → layer → maps, with the pretrained weights."""
    return {path: {name: dissect(classifier, path).layer(name) for name in UNITS} for path in PHOTOS}


def _of(layer: str, maps: dict[Path, dict[str, Maps]]) -> dict[Path, Maps]:
    return {path: layers[layer] for path, layers in maps.items()}


def test_units_of_the_last_layer_are_found_in_the_cache(
    classifier: Classifier, before: dict[Path, dict[str, Maps]], workspace: Workspace
) -> None:
    classifier.predict(PHOTOS)
    (found,) = search(find_cached(OWN, classifier, workspace), classifier, UNITS)
    assert (found.layer, found.before) == ("block5_pool", False)
    _assert_right(found, classifier, _of("block5_pool", before))


def test_layers_that_were_trained_are_computed_before_and_after(
    trained: Classifier, before: dict[Path, dict[str, Maps]], workspace: Workspace
) -> None:
    trained.predict(PHOTOS)
    block4, after, pretrained = search(find_cached(OWN, trained, workspace), trained, UNITS)
    assert [each.layer for each in (block4, after, pretrained)] == ["block4_pool", *["block5_pool"] * 2]
    assert [each.before for each in (block4, after, pretrained)] == [False, False, True]
    _assert_right(block4, trained, _of("block4_pool", before))
    _assert_right(pretrained, trained, _of("block5_pool", before))
    maps = {path: dissect(trained, path).layer("block5_pool") for path in PHOTOS}
    _assert_right(after, trained, maps)


def test_a_patch_is_the_receptive_field(
    trained: Classifier, before: dict[Path, dict[str, Maps]], workspace: Workspace
) -> None:
    trained.predict(PHOTOS)
    block4, *_ = search(find_cached(OWN, trained, workspace), trained, UNITS)
    for patch in block4.patches[7]:
        top, left, edge = before[patch.photo]["block4_pool"].field(patch.y, patch.x)
        assert edge == 100 and patch.pixels.shape == (edge, edge, 3)
        pixels = decode(patch.photo, trained.decoding)
        for y, x in np.random.default_rng(0).integers(0, edge, (50, 2)).tolist():
            inside = 0 <= top + y < 96 and 0 <= left + x < 96
            expected = pixels[top + y, left + x].tolist() if inside else [0] * 3
            assert patch.pixels[y, x].tolist() == expected


def test_only_what_is_cached_is_searched(
    classifier: Classifier, workspace: Workspace, tmp_path: Path
) -> None:
    empty = Workspace.below(tmp_path, keep=True)
    assert search(find_cached(OWN, classifier, empty), classifier, UNITS) == []
    assert search(find_cached([], classifier, workspace), classifier, UNITS) == []
    assert not any(tmp_path.rglob("*.npy"))


def test_whose_photos_they_are(tmp_path: Path) -> None:
    assert photos_of(shipped_run()) == photos_of(None) == photos_of(tmp_path / "exported.safetensors") == ()
    options = SimpleNamespace(data=str(ROOT / "sample_data"))
    run = Run(tmp_path)
    run.__dict__["config"] = SimpleNamespace(options=options)
    assert {photo.path.suffix for photo in photos_of(run)} == {".jpg"}
    assert {photo.label for photo in photos_of(run)} == {"cats", "dogs"}
    options.data = str(ROOT / "sample_data" / "photos")
    assert len(photos_of(run)) == len(list(Path(options.data).glob("*.jpg")))
    options.data = make_archive(str(tmp_path / "own"), "zip", ROOT / "sample_data" / "valid")
    assert {photo.label for photo in photos_of(run)} == {"cats", "dogs"}
    Path(options.data).write_bytes(b"damaged")
    assert photos_of(run) == ()
    options.data = str(tmp_path / "gone")
    assert photos_of(run) == ()
