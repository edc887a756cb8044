"""docs/terminal.svg shows what the commands print."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    """docs/pictures.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_terminal_is_drawn_as_the_commands_print(pictures: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    shown = [(command, pictures.on_a_terminal(command, tmp_path)) for command in pictures.COMMANDS]
    drawn = (ROOT / "docs" / "terminal.svg").read_text("utf-8")
    assert pictures.text_of(drawn) == pictures.text_of(pictures.drawn(shown)), "run: python docs/pictures.py"


def test_the_pictures_of_the_readme_fetch_nothing() -> None:
    for path in (ROOT / "docs").glob("*.svg"):
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text, path
