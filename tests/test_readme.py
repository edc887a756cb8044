"""The README cannot lie: every command it shows runs, in its order, with sample_data beside it."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process import catdog

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


COMMANDS = ("train", "evaluate", "predict", "inspect", "export")


def _shell_lines() -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        yield from (line for line in block.splitlines() if line)


def _commands() -> list[str]:
    return [line for line in _shell_lines() if re.search(r"(^|\| )catdog ", line)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands after the installation: sample_data here, one run made by the first command."""
    here = tmp_path_factory.mktemp("readme")
    (here / "sample_data").symlink_to(ROOT / "sample_data")
    return here


@pytest.mark.parametrize("line", _commands())
def test_the_command_runs(folder: Path, line: str) -> None:
    command = f'catdog() {{ {shlex.quote(sys.executable)} -W error -m catdog "$@"; }}; {line}'
    result = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_the_lines_of_python_run(folder: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"sample_data/photos/Abyssinian_14.jpg cats 0\.\d+ None\n", result.stdout)


def test_every_command_is_shown() -> None:
    shown = {line.partition("catdog ")[2].split()[0] for line in _commands()}
    assert shown == set(COMMANDS)


def test_setup_and_test_commands_are_those_that_ci_runs() -> None:
    lines = list(_shell_lines())
    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/catdog train sample_data" in lines
    assert ".venv/bin/pip install -e '.[test]' && .venv/bin/pytest" in lines
    script = (ROOT / ".ci" / "run").read_text()
    assert "pip\" install --quiet --disable-pip-version-check -e '.[test]'" in script
    assert '/bin/pytest"' in script


def test_every_option_that_is_mentioned_exists() -> None:
    helps = "".join(catdog(name, "--help").stdout for name in COMMANDS)
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert mentioned <= set(re.findall(r"--[a-z][a-z-]+", helps)) | {"--help"}


def test_the_change_log_has_the_form_it_claims() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert text.startswith("# Changelog\n")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[[^]]+\](?: - \d{4}-\d\d-\d\d)?", heading) for heading in headings)
    sections = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
