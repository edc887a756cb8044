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
        text = path.read_text("utf-8")
        for namespace in ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"):
            text = text.replace(f'="{namespace}"', "")
        assert "http" not in text, path


def test_the_plot_of_accuracies_has_every_row_of_its_table() -> None:
    found = script("plot").variants()
    drawn = (ROOT / "docs" / "accuracy.svg").read_text("utf-8")
    assert {variant.photos for variant in found} == {"cats and dogs", "breeds"}
    for variant in found:
        assert f'id="{variant.name}, log loss"' in drawn, "run: python docs/plot.py"
