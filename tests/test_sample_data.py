"""The sample photos: what is promised of them."""

import re
from collections import Counter
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog.config import Decoding
from catdog.data import decode, decode_for_people

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "sample_data"
COUNTS = {"train/cats": 60, "train/dogs": 60, "valid/cats": 30, "valid/dogs": 30, "photos": 10}
EVERY_PHOTO = sorted(path for path in SAMPLE.rglob("*") if path.is_file() and path.name != "README.md")
CREDITS = [SAMPLE / "README.md", ROOT / "NOTICE"]

# The breeds of the Oxford-IIIT Pet Dataset.
CATS = """
Abyssinian Bengal Birman Bombay British_Shorthair Egyptian_Mau Maine_Coon Persian Ragdoll Russian_Blue Siamese
Sphynx
""".split()
DOGS = """
american_bulldog american_pit_bull_terrier basset_hound beagle boxer chihuahua english_cocker_spaniel
english_setter german_shorthaired great_pyrenees havanese japanese_chin keeshond leonberger miniature_pinscher
newfoundland pomeranian pug saint_bernard samoyed scottish_terrier shiba_inu staffordshire_bull_terrier
wheaten_terrier yorkshire_terrier
""".split()


def breed(path: Path) -> str:
    return path.stem.rpartition("_")[0]


def label(path: Path) -> str:
    return {**dict.fromkeys(CATS, "cats"), **dict.fromkeys(DOGS, "dogs")}[breed(path)]


def test_counts() -> None:
    folders = Counter(path.parent.relative_to(SAMPLE).as_posix() for path in EVERY_PHOTO)
    assert folders == COUNTS
    assert {path.suffix for path in EVERY_PHOTO} == {".jpg"}
    readme = (SAMPLE / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)/` \| (\d+) \| (\d+) \|$", readme, re.MULTILINE)
    assert rows == [("train", "60", "60"), ("valid", "30", "30"), ("photos", "4", "6")]


def test_the_folder_is_the_class_of_the_breed_and_every_breed_is_in_both_splits() -> None:
    for folder in ("train", "valid"):
        for name, breeds in (("cats", CATS), ("dogs", DOGS)):
            photos = list((SAMPLE / folder / name).iterdir())
            assert {breed(path) for path in photos} == set(breeds)
            assert {label(path) for path in photos} == {name}


def test_no_photo_is_there_twice() -> None:
    """Neither as a file, nor under its name in the data set, nor saved again, in another size or mirrored."""
    assert len({sha256(path.read_bytes()).digest() for path in EVERY_PHOTO}) == len(EVERY_PHOTO)
    assert len({path.name for path in EVERY_PHOTO}) == len(EVERY_PHOTO)
    small = [decode(path, Decoding(16)).astype(float) for path in EVERY_PHOTO]
    assert likeness(small) < 0.9
    again = decode_for_people(EVERY_PHOTO[7], side=100)
    for copy in (again, again[:, ::-1]):  # the same comparison does find one
        picture = Image.fromarray(copy).resize((16, 16))
        assert likeness([*small, np.asarray(picture, float)]) > 0.95


def likeness(small: list[np.ndarray]) -> float:
    """The largest correlation of two of the pictures, or of one and another one's mirror image."""
    rows = np.stack([picture.ravel() for picture in small] + [picture[:, ::-1].ravel() for picture in small])
    correlations = np.corrcoef(rows)[: len(small)]
    for number in range(len(small)):
        correlations[number, [number, len(small) + number]] = 0  # itself
    return correlations.max()


def test_every_photo_decodes_and_is_small() -> None:
    for path in EVERY_PHOTO:
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.mode) == ("JPEG", "RGB"), path
            assert min(image.size) >= 128, path
            assert max(image.size) <= (480 if path.parent.name == "photos" else 320), path
    assert sum(path.stat().st_size for path in EVERY_PHOTO) < 3_500_000


def test_photos_carry_no_metadata() -> None:
    for path in EVERY_PHOTO:
        with Image.open(path) as image:
            assert not image.getexif(), path
            assert not {"exif", "xmp", "icc_profile", "comment"} & image.info.keys(), path


@pytest.mark.parametrize("file", CREDITS, ids=lambda path: path.name)
def test_the_authors_the_licence_and_the_changes_are_named(file: Path) -> None:
    text = " ".join(file.read_text("utf-8").split())
    for words in (
        "Oxford-IIIT Pet Dataset",
        "Omkar M. Parkhi, Andrea Vedaldi, Andrew Zisserman, C. V. Jawahar",
        "Cats and Dogs",
        "CVPR 2012",
        "https://www.robots.ox.ac.uk/~vgg/data/pets/",
        "CC BY-SA 4.0",
        "https://creativecommons.org/licenses/by-sa/4.0/",
        "made smaller",
        "saved as JPEG",
        "comments in the files are removed",
    ):
        assert words in text, words
