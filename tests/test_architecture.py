"""docs/architecture.md is true: its pictures are those of the code, the files that it names exist."""

import re
from types import ModuleType

import pytest

from tests.scripts import ROOT, script


@pytest.fixture(scope="module")
def draw() -> ModuleType:
    """docs/draw.py, which is in no package."""
    return script("draw")


def _without_line_counts(picture: str) -> str:
    """Line counts change with each commit; rooms, sentences and arrows may not be out of date."""
    return re.sub(r"\b\d+( lines|(?=[,<]))", "N", picture)


def test_the_pictures_are_drawn_from_the_code_as_it_is(draw: ModuleType) -> None:
    for name, picture in draw.pictures().items():
        drawn = (ROOT / "docs" / name).read_text("utf-8")
        assert _without_line_counts(drawn) == _without_line_counts(picture), "run: python docs/draw.py"


def test_no_arrow_points_up(draw: ModuleType) -> None:
    up = [pair for pair in draw.imports() if draw.ROOMS.index(pair[0]) > draw.ROOMS.index(pair[1])]
    assert up == []
    assert 'class="up"' not in draw.pictures()["rooms.svg"]


def test_every_room_is_drawn(draw: ModuleType) -> None:
    there = {draw.room_of(path) for path in (ROOT / "catdog").rglob("*.py")}
    assert there - {"__init__", "__main__"} == set(draw.ROOMS)
    assert all(draw.sentence_of(room) for room in draw.ROOMS)


def test_no_room_has_15_percent_of_the_lines(draw: ModuleType) -> None:
    lines = {room: draw.lines_of(room) for room in draw.ROOMS}
    assert max(lines.values()) < 0.15 * sum(lines.values()), max(lines, key=lambda room: lines[room])


def test_the_files_that_the_page_names_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", text)
    assert len(named) > 8
    missing = [name for name in named if not ((ROOT / "catdog" / name).exists() or (ROOT / name).exists())]
    assert missing == []
