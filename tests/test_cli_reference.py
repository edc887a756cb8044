"""The help of every command, and docs/cli.md, which is made from it."""

import pytest

from catdog.cli import COMMANDS
from catdog.cli.command import GROUPS
from tests.cli.conftest import Cli, cli
from tests.cli_reference import FILE, reference

__all__ = ["cli"]


def test_the_page_is_what_the_commands_say() -> None:
    assert FILE.read_text("utf-8") == reference(), "run python -m tests.cli_reference"


@pytest.mark.parametrize("name", COMMANDS)
def test_options_stand_under_headings_and_examples_at_the_end(
    name: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    result = cli(name, "-h")
    assert (result.status, result.err, result.out) == (0, "", cli(name, "--help").out)
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 100
    headings = [line[:-1] for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == [*(group for group in GROUPS if group in headings), "Examples"]
    examples = lines[lines.index("Examples:") + 1 :]
    assert examples and all(f"catdog {name}" in line for line in examples)
    options = [number for number, line in enumerate(lines) if line.startswith("  -")]
    long = [lines[number] for number in options if lines[number + 1].startswith(" " * 8)]
    assert len(long) <= len(options) / 3, f"too long for one line: {long}"
