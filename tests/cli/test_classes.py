"""`catdog train` and its classes: a class that is dropped is always reported, with the reason."""

import io
from pathlib import Path
from shutil import rmtree

import pytest
from PIL import Image

from catdog.runs import Run
from tests.cli.conftest import Cli
from tests.pictures import draw_pictures


def _damaged(whole: bytes) -> dict[str, bytes]:
    """Unreadable from its first byte on, in its header, and only when its pixels are decoded."""
    return {"fingerprint": b"", "header": whole[:20] + whole[-30:], "decoding": whole[:-100]}


@pytest.mark.parametrize("number", range(8))
def test_a_class_of_one_photo_trains_and_is_reported(cli: Cli, tmp_path: Path, number: int) -> None:
    draw_pictures(tmp_path / "photos", {"circles": 8, "squares": 8})
    draw_pictures(
        tmp_path / "other", {"stripes": 1}, seed=number
    )  # eight contents: some validate by their hash
    (tmp_path / "other" / "stripes").rename(tmp_path / "photos" / "stripes")
    result = cli("train", "photos", "--epochs", 1, "--folds", 0)
    assert result.status == 0, result.err
    assert "belonging to 3 classes" in result.out
    assert Run(tmp_path / "runs" / "photos").config.classes == ("circles", "squares", "stripes")
    assert "without validation photos: 1 (training photos: 'stripes' 1; unreadable: 0)" in result.err
    assert "fewer than 5 validation photos: 2 ('circles' " in result.err  # reported too


def test_a_class_of_one_photo_is_reported_in_a_cross_validation_too(cli: Cli, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "photos", {"circles": 8, "squares": 3, "stripes": 1})
    result = cli("train", "photos", "--epochs", 1)
    assert result.status == 0, result.err
    assert "Found 12 images belonging to 3 classes.\nEpoch 1/1" in result.out
    assert "without validation photos: 1 (training photos: 'stripes' 1; unreadable: 0)" in result.err
    assert (
        "fewer than 5 validation photos: 1 ('squares' 3). Their validation accuracy is only a hint. Add "
        in (result.err)
    )


def test_two_classes_of_one_photo_each_get_the_real_reason(cli: Cli, tmp_path: Path) -> None:
    for seed in range(4):
        draw_pictures(tmp_path / "photos", {"circles": 1, "squares": 1}, seed=seed)
        result = cli("train", "photos", "--epochs", 1)
        assert result.status == 1
        assert f"at least two validation photos in {tmp_path / 'photos'}, found 0. A class" in result.err
        assert "A class needs at least two different photos" in result.err
        assert "(training photos: 'circles' 1, 'squares' 1)" in result.err
        assert "Name the class folders" not in result.err
        rmtree(tmp_path / "photos")


@pytest.mark.parametrize("kind", ["fingerprint", "header", "decoding"])
@pytest.mark.parametrize("has_own_split", [True, False])
def test_a_class_of_only_unreadable_files_is_an_error_that_names_it(
    cli: Cli, tmp_path: Path, kind: str, has_own_split: bool
) -> None:
    train = tmp_path / "data" / ("train" if has_own_split else "")
    draw_pictures(train, {"circles": 4, "squares": 4})
    if has_own_split:
        draw_pictures(tmp_path / "data" / "valid", {"circles": 2, "squares": 2, "stripes": 2}, seed=1)
        (tmp_path / "data" / "valid" / "stripes").rename(tmp_path / "data" / "valid" / "birds")
    (train / "birds").mkdir()
    for number in range(3):
        picture = io.BytesIO()
        Image.effect_noise((64, 64), 50 + number).save(picture, "PNG")
        (train / "birds" / f"{number}.png").write_bytes(_damaged(picture.getvalue())[kind])
    result = cli("train", "data", "--epochs", 1)
    assert result.status == 1
    assert "found only unreadable photos of 1 of the classes ('birds' 3). " in result.err
    assert f"The first is {train / 'birds'}/0.png: " in result.err
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize("kind", ["fingerprint", "header", "decoding"])
def test_a_class_whose_validation_photos_are_all_unreadable_is_reported(
    cli: Cli, tmp_path: Path, kind: str
) -> None:
    draw_pictures(tmp_path / "data" / "train", {"circles": 4, "squares": 4})
    draw_pictures(tmp_path / "data" / "valid", {"circles": 8, "squares": 2}, seed=1)
    for path in (tmp_path / "data" / "valid" / "squares").iterdir():
        path.write_bytes(_damaged(path.read_bytes())[kind])
    result = cli("train", "data", "--epochs", 1)
    assert result.status == 0, result.err
    assert "without validation photos: 1 (training photos: 'squares' 4; unreadable: 2)" in result.err


def test_a_class_that_validation_lacks_is_reported_once(cli: Cli, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "data" / "train", {"circles": 4, "squares": 4, "stripes": 4})
    draw_pictures(tmp_path / "data" / "valid", {"circles": 8, "squares": 8, "stripes": 3}, seed=1)
    (tmp_path / "data" / "valid" / "stripes").rename(tmp_path / "data" / "valid" / "zebras")
    result = cli("train", "data", "--epochs", 1)
    assert result.status == 0
    assert "Classes in train but not in valid: 1 (training photos: 'stripes' 4)." in result.err
    assert "Classes in valid but not in train: 1 (photos in valid: 'zebras' 3)." in result.err
    assert result.err.count("stripes") == 1


def test_a_photo_that_moved_for_its_small_class_is_reported(cli: Cli, tmp_path: Path) -> None:
    for seed in range(40):
        draw_pictures(tmp_path / "photos", {"circles": 3, "squares": 3}, seed=seed)
        result = cli("train", "photos", "--epochs", 1, "--folds", 0)
        assert result.status == 0
        if "went to the other split" in result.err:
            assert "That may change when photos are added to the" in result.err
            return
        rmtree(tmp_path / "photos")
    pytest.fail("of 80 classes of 3 photos, half should have none that validates by its content")


def test_class_folders_called_like_splits_are_trained_on(cli: Cli, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "photos", {"circles": 8, "squares": 8})
    (tmp_path / "photos" / "circles").rename(tmp_path / "photos" / "test")
    (tmp_path / "photos" / "squares").rename(tmp_path / "photos" / "control")
    result = cli("train", "photos", "--epochs", 1)
    assert result.status == 0, result.err
    assert Run(tmp_path / "runs" / "photos").config.classes == ("control", "test")
