"""The README and the pages under docs/ are true: every command that they show runs, in its order."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

from catdog.cli import run
from catdog.runs import Run
from tests.process import catdog
from tests.test_sample_data import label

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
COMMANDS = ("train", "evaluate", "predict", "inspect", "export")


def _shell_lines(page: Path) -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        yield from (line for line in block.splitlines() if line)


def _commands(page: Path) -> list[str]:
    """The lines that call catdog, but for the installation's."""
    lines = [line for line in _shell_lines(page) if re.search(r"(^|\| |&& )catdog ", line)]
    return [line for line in lines if ".venv" not in line]


_LINES = [pytest.param(page, line, id=f"{page.name}: {line}") for page in PAGES for line in _commands(page)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands after the installation: sample_data here, and the run that it has made."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "sample_data").symlink_to(ROOT / "sample_data")
    trained = catdog("train", "sample_data", cwd=folder)
    assert trained.returncode == 0, trained.stderr
    return folder


@pytest.fixture(scope="module")
def folders(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """A folder for each page, whose commands follow each other there."""
    places = {page: tmp_path_factory.mktemp(page.stem) / "here" for page in PAGES}
    for place in places.values():
        copytree(installed, place, symlinks=True)
    return places


@pytest.mark.slow
@pytest.mark.parametrize(("page", "line"), _LINES)
def test_the_command_runs(
    folders: dict[Path, Path],
    page: Path,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Here, where programs that are compiled stay; a line with more than a command is the shell's."""
    monkeypatch.chdir(folders[page])
    words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
    if set("".join(words)) & set("|&<>$;"):
        command = f'catdog() {{ {shlex.quote(sys.executable)} -W error -m catdog "$@"; }}; {line}'
        status = subprocess.run(["bash", "-c", command], check=False).returncode
    else:
        status = run(words[1:])
    out, err = capfd.readouterr()
    assert status == 0, err
    assert out


@pytest.mark.slow
def test_the_first_training_gets_every_validation_photo_and_every_further_photo_right(
    installed: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(installed)
    history = Run(installed / "runs" / "sample_data").history()
    assert min(history, key=lambda record: record.val_loss).val_acc == 1
    capfd.readouterr()
    assert run(["evaluate", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert (report["count"], report["right"]) == (60, 60)
    assert run(["predict", "sample_data/photos", "--format", "json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    said = {Path(row["path"]).name: row["label"] for row in rows}
    assert said == {path.name: label(path) for path in (ROOT / "sample_data" / "photos").iterdir()}
    assert sorted(said.values()) == ["cats"] * 4 + ["dogs"] * 6


@pytest.mark.slow
def test_the_lines_of_python_run(folders: dict[Path, Path]) -> None:
    page = ROOT / "docs" / "scripting.md"
    (program,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folders[page],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"sample_data/photos/pug_139.jpg dogs (0\.\d+|1\.000) None\n", result.stdout)


def test_the_readme_is_short_and_every_command_is_shown() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 150
    shown = {line.partition("catdog ")[2].split()[0] for page in PAGES for line in _commands(page)}
    assert shown == set(COMMANDS)


def test_setup_and_test_commands_are_those_that_ci_runs() -> None:
    lines = list(_shell_lines(README))
    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/catdog train sample_data" in lines
    assert ".venv/bin/pip install -e '.[test]' && .venv/bin/pytest" in lines
    script = (ROOT / ".ci" / "run").read_text()
    assert "pip\" install --quiet --disable-pip-version-check -e '.[test]'" in script
    assert re.search(r'/bin/pytest"$', script, re.MULTILINE)
    assert re.search(r'/bin/pytest" -m slow$', script, re.MULTILINE)


def test_every_option_that_is_mentioned_exists() -> None:
    helps = "".join(catdog(name, "--help").stdout for name in COMMANDS)
    mentioned = {
        option
        for page in PAGES
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", _without_jobs(page.read_text("utf-8")))
    }
    of_slurm = {"--signal", "--requeue"}
    assert mentioned - of_slurm <= set(re.findall(r"--[a-z][a-z-]+", helps)) | {"--help"}


def _without_jobs(text: str) -> str:
    """Of scripts for a scheduler only what is said to catdog; `bash` is the language of their blocks."""
    return re.sub(
        r"^```bash\n(.*?)^```$",
        lambda block: "\n".join(re.findall(r"catdog train.*", block[1])),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_change_log_has_the_form_it_claims() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert text.startswith("# Changelog\n")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[[^]]+\](?: - \d{4}-\d\d-\d\d)?", heading) for heading in headings)
    sections = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
