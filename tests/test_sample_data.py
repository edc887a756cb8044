"""The sample pictures: what is promised of them, and that they cannot be told apart cheaply."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SAMPLE = Path(__file__).parents[1] / "sample_data"
COUNTS = {"train": 32, "valid": 12}
CLASSES = ("cats", "dogs")
PHOTOS = sorted((SAMPLE / "photos").iterdir())


def pictures(split: str, label: str) -> list[Path]:
    return sorted((SAMPLE / split / label).iterdir())


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


@pytest.mark.parametrize("split", COUNTS)
def test_counts_and_names(split: str) -> None:
    assert sorted(folder.name for folder in (SAMPLE / split).iterdir()) == list(CLASSES)
    for label in CLASSES:
        expected = [f"{label[:-1]}.{n:02}.jpg" for n in range(1, COUNTS[split] + 1)]
        assert [path.name for path in pictures(split, label)] == expected


def test_every_picture_is_a_usable_rgb_image() -> None:
    drawn = [path for split in COUNTS for label in CLASSES for path in pictures(split, label)]
    for path in [*drawn, *PHOTOS]:
        height, width, channels = pixels(path).shape
        assert channels == 3
        assert min(height, width) >= 160, path
        assert max(height, width) <= 640, path
    assert len({path.read_bytes() for path in drawn}) == len(drawn)
    assert sum(path.stat().st_size for path in drawn) < 1_200_000


def test_drawing_again_gives_the_committed_pictures(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SAMPLE / "draw.py", tmp_path], check=True)
    drawn = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.jpg"))
    committed = [path for split in COUNTS for path in (SAMPLE / split).rglob("*.jpg")]
    assert drawn == sorted(path.relative_to(SAMPLE) for path in committed)
    for name in drawn:
        again, kept = tmp_path / name, SAMPLE / name
        if again.read_bytes() != kept.read_bytes():  # another version of Pillow or of its codec
            first, second = pixels(again), pixels(kept)
            assert first.shape == second.shape, name
            assert abs(first - second).mean() < 2, name


def thumbnails(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean colour and the 4 x 4 thumbnail of every picture, and which are dogs."""
    features, is_dog = [], []
    for label in CLASSES:
        for path in pictures(split, label):
            with Image.open(path) as image:
                rgb = image.convert("RGB")
            reduced = [rgb.resize((side, side), Image.Resampling.BOX) for side in (1, 4)]
            features.append(np.concatenate([np.asarray(small).ravel() for small in reduced]))
            is_dog.append(label == "dogs")
    return np.array(features, dtype=float), np.array(is_dog)


def threshold_accuracies(
    train: tuple[np.ndarray, np.ndarray], valid: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return how well each feature alone, cut where train is split best, classifies valid."""
    accuracies = []
    for column, unseen in zip(train[0].T, valid[0].T, strict=True):
        values = np.unique(column)
        cuts = (values[1:] + values[:-1]) / 2
        fitted = ((column > cuts[:, None]) == train[1]).mean(axis=1)
        best = np.argmax(np.maximum(fitted, 1 - fitted))
        accuracy = ((unseen > cuts[best]) == valid[1]).mean()
        accuracies.append(accuracy if fitted[best] >= 0.5 else 1 - accuracy)
    return np.array(accuracies)


def test_no_colour_or_pixel_gives_the_class_away() -> None:
    train, valid = thumbnails("train"), thumbnails("valid")
    assert threshold_accuracies(train, valid).max() < 0.8

    # The same search does find a shortcut where there is one: dogs on a brighter ground.
    brighter = [(features + 120 * is_dog[:, None], is_dog) for features, is_dog in (train, valid)]
    assert threshold_accuracies(brighter[0], brighter[1]).max() > 0.9


def test_every_photo_is_credited() -> None:
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \| (.+) \|$", readme, re.MULTILINE)
    assert sorted(name for name, *_ in rows) == [path.name for path in PHOTOS]
    for name, author, licence, source, _ in rows:
        assert author.strip(), name
        assert re.search(r"CC0|CC BY|public domain|GPL-2\.0-or-later", licence), name
        assert re.search(r"\d+\.\d+.* \((PyPI|Debian)\)", source), name


def test_photos_carry_no_metadata() -> None:
    for path in PHOTOS:
        with Image.open(path) as image:
            assert not image.getexif(), path
            assert not {"exif", "xmp", "icc_profile", "comment"} & image.info.keys(), path
