"""What is planted among real photos, and how much of it `catdog inspect DATA` finds: precision and recall."""

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
    """A data set of links to real photos, and what does not belong there."""

    root: Path
    copies: set[str] = field(default_factory=set)
    near: set[str] = field(default_factory=set)
    leaks: set[str] = field(default_factory=set)
    near_leaks: set[str] = field(default_factory=set)
    contradictions: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
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
        put(f"train/cats/copy{number}.jpg", train["cats"][number], made.copies)
        put(f"valid/dogs/leak{number}.jpg", train["dogs"][number], made.leaks)
        put(f"train/dogs/near{number}.jpg", train["dogs"][20 + number], made.near, changes[number])
        put(f"valid/cats/near_leak{number}.jpg", train["cats"][20 + number], made.near_leaks, changes[number])
    put("train/dogs/contradiction.jpg", train["cats"][40], made.contradictions)
    for label, other in (("cats", "dogs"), ("dogs", "cats")):
        for photo in train[label][60:68]:  # 16 of 240
            moved = made.root / "train" / other / f"moved {photo.name}"
            photo.rename(moved)
            made.wrong.add(str(moved))
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
    exact = planted.copies | planted.leaks | planted.contradictions
    near = planted.near | planted.near_leaks
    found = {
        "exact copies": (_new(facts["copies"]), exact),
        "leaks by exact copies": (_new(facts["leaks"]), planted.leaks),
        "one photo under two labels": (_new(facts["contradictions"]), planted.contradictions),
        "near copies": (_near(facts["near_copies"]), near),
        "leaks by near copies": (_near(facts["near_leaks"]), planted.near_leaks),
        "wrong labels": ({one["path"] for one in facts["wrong_labels"]} - planted.outliers, planted.wrong),
        "outliers": ({one["path"] for one in facts["outliers"]}, planted.outliers),
        "bad files": ({bad["path"] for bad in facts["splits"]["train"]["unreadable"]}, planted.bad),
    }
    scores = {}
    for name, (said, true) in found.items():
        scores[name] = (len(said & true) / max(len(said), 1), len(said & true) / len(true))
        print(f"{name}: precision {scores[name][0]:.2f}, recall {scores[name][1]:.2f} of {len(true)}")
    for name in ("exact copies", "leaks by exact copies", "one photo under two labels", "bad files"):
        assert scores[name] == (1, 1), name
    assert scores["near copies"] == (1, 1)
    assert scores["leaks by near copies"] == (1, 1)
    assert scores["wrong labels"][0] >= 0.75
    assert scores["wrong labels"][1] >= 0.75
    assert scores["outliers"][0] >= 0.5  # the photos have some of their own
    assert scores["outliers"][1] == 1
    assert facts["unchecked"] == []


def test_the_page_shows_them(cli: Cli, planted: Planted, tmp_path: Path) -> None:
    result = cli("inspect", planted.root, "--report", tmp_path / "page.html")
    assert result.status == 0
    page = (tmp_path / "page.html").read_text()
    for path in planted.near | planted.copies | planted.bad | planted.outliers:
        assert path in page
    assert "labelled dogs, looks like cats" in page


def _new(groups: Iterable[list[str]]) -> set[str]:
    """What was planted, of groups that also name the originals."""
    return {path for group in groups for path in group if not Path(path).is_symlink()}


def _near(groups: Iterable[dict]) -> set[str]:
    """The same; a group without anything planted counts as one of its photos."""
    found = set()
    for group in groups:
        paths = [one["path"] for one in group["photos"]]
        found |= _new([paths]) or {paths[0]}
    return found
