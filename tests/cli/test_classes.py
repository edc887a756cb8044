"""`catdog train` and its classes: none that has a folder is dropped without being named, with the reason."""

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
    result = cli("train", "photos", "--epochs", 1)
    assert result.status == 0, result.err
    assert "belonging to 3 classes" in result.out
    assert Run(tmp_path / "runs" / "photos").config.classes == ("circles", "squares", "stripes")
    assert "no photo to validate with of 1 class ('stripes' 1 to train on, 0 unreadable)" in result.err
    assert "fewer than 5 photos to validate with of 2 classes ('circles' " in result.err  # not hidden by it


def test_two_classes_of_one_photo_each_get_the_real_reason(cli: Cli, tmp_path: Path) -> None:
    for seed in range(4):
        draw_pictures(tmp_path / "photos", {"circles": 1, "squares": 1}, seed=seed)
        result = cli("train", "photos", "--epochs", 1)
        assert result.status == 1
        assert (
            f"at least two photos to validate with in {tmp_path / 'photos'}, found 0: a class" in result.err
        )
        assert "a class needs at least two different photos" in result.err
        assert "'circles' 1, 'squares' 1" in result.err
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
    assert (
        f"found only unreadable photos of 1 class ('birds' 3), the first {train / 'birds'}/0.png: "
        in result.err
    )
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
    assert "no photo to validate with of 1 class ('squares' 4 to train on, 2 unreadable)" in result.err


def test_a_class_that_validation_lacks_is_reported_once(cli: Cli, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "data" / "train", {"circles": 4, "squares": 4, "stripes": 4})
    draw_pictures(tmp_path / "data" / "valid", {"circles": 8, "squares": 8, "stripes": 3}, seed=1)
    (tmp_path / "data" / "valid" / "stripes").rename(tmp_path / "data" / "valid" / "zebras")
    result = cli("train", "data", "--epochs", 1)
    assert result.status == 0
    assert "The class 'stripes' has 4 photos to train on, but no validation photo." in result.err
    assert "The class 'zebras' has 3 validation photos, but no photo to train on." in result.err
    assert result.err.count("stripes") == 1


def test_a_photo_that_its_class_moved_is_told(cli: Cli, tmp_path: Path) -> None:
    for seed in range(40):
        draw_pictures(tmp_path / "photos", {"circles": 3, "squares": 3}, seed=seed)
        result = cli("train", "photos", "--epochs", 1)
        assert result.status == 0
        if "of small classes went to the other split" in result.err:
            assert "That may change when photos are added to the class" in result.err
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
