"""Problems planted among real photos, and how many `catdog inspect DATA` finds: precision and recall."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from tests.cli.conftest import Cli, files_below
from tests.pictures import draw_cat

PHOTOS = 120  # of each class in training, and a quarter of that in validation
pytestmark = pytest.mark.slow


@dataclass
class Planted:
    """A data set of links to real photos, and the files that were added."""

    root: Path
    duplicates: set[str] = field(default_factory=set)
    near: set[str] = field(default_factory=set)
    leaks: set[str] = field(default_factory=set)
    near_leaks: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    errors: set[str] = field(default_factory=set)
    outliers: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def planted(dogscats: Path, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    made = Planted(tmp_path_factory.mktemp("planted"))
    for split, count in (("train", PHOTOS), ("valid", PHOTOS // 4)):
        for label in ("cats", "dogs"):
            (made.root / split / label).mkdir(parents=True)
            for photo in sorted((dogscats / split / label).iterdir())[:count]:
                os.symlink(photo, made.root / split / label / photo.name)
    train = {label: sorted((made.root / "train" / label).iterdir()) for label in ("cats", "dogs")}

    def put(place: str, source: Path, kind: set[str], change=None) -> None:
        target = made.root / place
        if change:
            change(Image.open(source).convert("RGB")).save(target, quality=75)
        else:
            copy(source, target)
        kind.add(str(target))

    changes = (
        lambda photo: photo,  # only saved again
        ImageOps.mirror,
        lambda photo: ImageOps.crop(photo, border=min(photo.size) // 20),
        lambda photo: photo.resize((photo.width * 2 // 3, photo.height * 2 // 3)),
        lambda photo: ImageEnhance.Brightness(photo).enhance(1.3),
        lambda photo: ImageEnhance.Contrast(photo).enhance(0.7),
    )
    for number in range(6):
        put(f"train/cats/duplicate{number}.jpg", train["cats"][number], made.duplicates)
        put(f"valid/dogs/leak{number}.jpg", train["dogs"][number], made.leaks)
        put(f"train/dogs/near{number}.jpg", train["dogs"][20 + number], made.near, changes[number])
        put(f"valid/cats/near_leak{number}.jpg", train["cats"][20 + number], made.near_leaks, changes[number])
    put("train/dogs/conflict.jpg", train["cats"][40], made.conflicts)
    for label, other in (("cats", "dogs"), ("dogs", "cats")):
        for photo in train[label][60:68]:  # 16 of 240
            moved = made.root / "train" / other / f"moved {photo.name}"
            photo.rename(moved)
            made.errors.add(str(moved))
    for number, words in enumerate(("FREE TO A GOOD HOME", "lost: grey cat, 3 years", "Page 17\n\nIndex")):
        picture = Image.new("RGB", (300 + 100 * number, 300), ("white", "khaki", "lightblue")[number])
        for line in range(1, 7, number + 1):
            place, size = (20 + 40 * number, 40 * line), 16 + 8 * number
            ImageDraw.Draw(picture).text(place, words, "black", font_size=size)
        picture.save(made.root / "train" / "cats" / f"text{number}.png")
        made.outliers.add(str(made.root / "train" / "cats" / f"text{number}.png"))
    draw_cat(made.root / "train" / "dogs" / "drawing.png")
    made.outliers.add(str(made.root / "train" / "dogs" / "drawing.png"))
    for name, content in (
        ("empty", b""),
        ("text", b"no photo"),
        ("cut", train["cats"][80].read_bytes()[:900]),
    ):
        target = made.root / "train" / "cats" / f"{name}.jpg"
        target.write_bytes(content)
        made.bad.add(str(target))
    return made


def test_what_is_planted_is_found(cli: Cli, planted: Planted) -> None:
    before = files_below(planted.root)
    result = cli("inspect", planted.root, "--json", "--strict")
    assert result.status == 1
    assert files_below(planted.root) == before
    facts = json.loads(result.out)
    exact = planted.duplicates | planted.leaks | planted.conflicts
    near = planted.near | planted.near_leaks
    found = {
        "exact duplicates": (_new(facts["exact_duplicates"]), exact),
        "leaks by exact duplicates": (_new(facts["leaks"]), planted.leaks),
        "conflicting labels": (_new(facts["conflicting_labels"]), planted.conflicts),
        "near-duplicates": (_near(facts["near_duplicates"]), near),
        "leaks by near-duplicates": (_near(facts["near_leaks"]), planted.near_leaks),
        "label errors": (
            {photo["path"] for photo in facts["label_errors"]} - planted.outliers,
            planted.errors,
        ),
        "outliers": ({photo["path"] for photo in facts["outliers"]}, planted.outliers),
        "unreadable files": ({bad["path"] for bad in facts["splits"]["train"]["unreadable"]}, planted.bad),
    }
    scores = {}
    for name, (reported, true) in found.items():
        scores[name] = (len(reported & true) / max(len(reported), 1), len(reported & true) / len(true))
        print(f"{name}: precision {scores[name][0]:.2f}, recall {scores[name][1]:.2f} of {len(true)}")
    for name in ("exact duplicates", "leaks by exact duplicates", "conflicting labels", "unreadable files"):
        assert scores[name] == (1, 1), name
    assert scores["near-duplicates"] == (1, 1)
    assert scores["leaks by near-duplicates"] == (1, 1)
    assert scores["label errors"][0] >= 0.75
    assert scores["label errors"][1] >= 0.75
    assert scores["outliers"][0] >= 0.5  # the photos have some of their own
    assert scores["outliers"][1] == 1
    assert facts["unchecked"] == []


def test_the_page_shows_them(cli: Cli, planted: Planted, tmp_path: Path) -> None:
    result = cli("inspect", planted.root, "--report", tmp_path / "page.html")
    assert result.status == 0
    page = (tmp_path / "page.html").read_text()
    for path in planted.near | planted.duplicates | planted.bad | planted.outliers:
        assert str(Path(path).relative_to(planted.root)) in page
    assert "labelled dogs, looks like cats" in page


def _new(groups: Iterable[list[str]]) -> set[str]:
    """The planted photos in groups that also have the originals."""
    return {path for group in groups for path in group if not Path(path).is_symlink()}


def _near(groups: Iterable[dict]) -> set[str]:
    """The same; a group without anything planted counts as one of its photos."""
    found = set()
    for group in groups:
        paths = [photo["path"] for photo in group["photos"]]
        found |= _new([paths]) or {paths[0]}
    return found
