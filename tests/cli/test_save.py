"""`catdog predict --save DIR` and `--why`: what is written is decoded again."""

from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from PIL import Image

from catdog.data import caption, decode_for_people
from catdog.data.caption import captioned
from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli, files_below

PHOTOS = SAMPLE / "photos"


@pytest.fixture
def model(trained: Run) -> tuple[str, str]:
    return ("--model", str(trained.folder))


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "JPEG"
        return np.asarray(picture.convert("RGB")).astype(int)


def test_the_photo_with_its_prediction_below(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(PHOTOS / "Abyssinian_14.jpg") as photo:
        exif = Image.Exif()
        exif[0x0112] = 6  # rotated by 90°
        photo.resize((2000, 1400)).save(folder / "turned.jpg", exif=exif)
    copy(PHOTOS / "Abyssinian_14.jpg", folder / "Abyssinian_14.jpg")
    (folder / "broken.jpg").write_bytes(b"no photo")
    before = files_below(folder)
    assert cli("predict", folder, "--save", "out", *model).status == 1
    assert files_below(folder) == before
    assert {path.name for path in files_below(tmp_path / "out")} == {"turned.jpg", "Abyssinian_14.jpg"}
    turned = _read(tmp_path / "out" / "turned.jpg")
    expected = decode_for_people(folder / "turned.jpg", side=1024)
    height, width = expected.shape[:2]
    assert (height, width) == (1024, round(1024 * 1400 / 2000))
    assert turned.shape[1] == width
    assert 20 < turned.shape[0] - height < 60
    assert np.abs(turned[:height] - expected).mean() < 4
    strip = turned[height:]
    assert strip.max() > 200  # letters
    assert 0.005 < (strip > 128).mean() < 0.2


def test_it_can_be_repeated_and_overwrites_nothing(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    copy(PHOTOS / "Abyssinian_14.jpg", tmp_path / "a" / "same.jpg")
    copy(PHOTOS / "Bombay_156.jpg", tmp_path / "b" / "same.jpg")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "same.jpg").write_text("somebody's")
    for _ in range(2):
        assert cli("predict", "a", "b", "--save", "out", *model).status == 0
        found = files_below(tmp_path / "out")
        assert {path.name for path in found} == {"same.jpg", "same-2.jpg", "same-3.jpg"}
        assert found[tmp_path / "out" / "same.jpg"] == b"somebody's"
    assert cli("predict", "a", "--save", "a", *model).status == 0  # where the original lies
    assert (tmp_path / "a" / "same.jpg").read_bytes() == (PHOTOS / "Abyssinian_14.jpg").read_bytes()


def test_why_lays_a_heat_map_over_the_photo(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    photo = PHOTOS / "Abyssinian_14.jpg"
    assert cli("predict", photo, "--save", "plain", *model).status == 0
    assert cli("predict", photo, "--save", "why", "--why", "--format", "json", *model).status == 0
    plain, why = (_read(tmp_path / name / "Abyssinian_14.jpg") for name in ("plain", "why"))
    assert plain.shape == why.shape
    height = decode_for_people(photo, side=1024).shape[0]
    difference = np.abs(plain - why).mean(axis=2)
    assert difference[:height].max() > 60  # hot
    assert np.percentile(difference[:height], 5) < 15  # elsewhere the photo is unchanged
    assert difference[height + 4 :].mean() < 3
    assert cli("predict", photo, "--why", *model).status == 2


def test_a_folder_that_cannot_be_written(cli: Cli, model: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    assert cli("predict", PHOTOS / "Abyssinian_14.jpg", "--save", "out/x", *model).status == 1
    assert "--save" in cli("predict", PHOTOS / "Abyssinian_14.jpg", "--save", "out/x", *model).err


def _strip(text: str) -> np.ndarray:
    return captioned(np.zeros((10, 400, 3), np.uint8), text)[10:]


def test_no_letter_becomes_an_empty_box(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not np.array_equal(_strip("고양이 98%"), _strip("강아지 98%"))
    monkeypatch.setattr(caption, "_system_fonts", lambda: ())
    assert np.array_equal(_strip("고a"), _strip("[U+ACE0]a"))
    assert not np.array_equal(_strip("고"), _strip("강"))
    assert np.array_equal(captioned(np.zeros((10, 400, 3), np.uint8), "고a", "cat")[10:], _strip("cat"))


def test_a_caption_is_whole_on_a_narrow_photo() -> None:
    narrow = captioned(np.zeros((40, 20, 3), np.uint8), "a class with a long name 98.2%")
    assert narrow.shape[1] > 100
    assert (narrow[40:, -4:] < 128).all()
    assert (narrow[40:, :4] < 128).all()
