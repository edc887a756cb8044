"""What lies at the top of the repository: nothing that is not in this list, and none of Kaggle's photos."""

import subprocess
from hashlib import sha256

import pytest

from catdog.runs import shipped_run
from tests.conftest import ROOT

_MUST = {"pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "catdog", "tests", "sample_data"}
_MAY = {"docs", ".ci", ".gitignore", ".gitattributes", ".editorconfig", ".github", ".pre-commit-config.yaml"}


@pytest.fixture
def tracked() -> list[str]:
    """The paths that git tracks, relative to the top, as they are in a fresh clone."""
    if not (ROOT / ".git").exists():  # a folder, or a file in a worktree
        pytest.skip("this is no git repository, perhaps an unpacked source archive: nothing is tracked")
    try:
        git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("there is no git on this machine to ask what is tracked")
    return git.stdout.rstrip("\0").split("\0")


def test_the_top_level_holds_what_it_should_and_nothing_else(tracked: list[str]) -> None:
    found = {path.split("/")[0] for path in tracked}
    assert found >= _MUST, f"missing: {sorted(_MUST - found)}"
    assert found <= _MUST | _MAY, f"does not belong at the top: {sorted(found - _MUST - _MAY)}"


def test_no_photo_of_kaggle_is_part_of_the_project_as_the_notice_says(tracked: list[str]) -> None:
    learned = {digest for digests in shipped_run().split().values() for digest in digests}
    files = [ROOT / path for path in tracked if (ROOT / path).is_file()]
    found = {path for path in files if sha256(path.read_bytes()).hexdigest() in learned}
    sample = {path for path in files if path.is_relative_to(ROOT / "sample_data") and path.suffix == ".jpg"}
    assert found == {path for path in sample if path.parent.name != "photos"}
    assert len(learned) - len(found) == 2000
