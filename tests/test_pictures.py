"""docs/terminal.svg shows what the commands print."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.scripts import ROOT, script


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    """docs/pictures.py, which is in no package."""
    return script("pictures")


@pytest.mark.slow
def test_the_terminal_is_drawn_as_the_commands_print(pictures: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    shown = [(command, pictures.on_a_terminal(command, tmp_path)) for command in pictures.COMMANDS]
    drawn = (ROOT / "docs" / "terminal.svg").read_text("utf-8")
    assert pictures.text_of(drawn) == pictures.text_of(pictures.drawn(shown)), "run: python docs/pictures.py"


def test_the_pictures_of_the_readme_fetch_nothing() -> None:
    for path in (ROOT / "docs").glob("*.svg"):
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text, path
