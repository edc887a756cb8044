"""What all tests share: a cache of their own, tiny drawn data sets, the real photos where they are."""

import os
from pathlib import Path

import pytest

from catdog import devices
from tests.pictures import draw_pictures

devices.set_flags()  # before a test module, on being collected, makes JAX look for a device

ROOT = Path(__file__).parent.parent
_REAL = ROOT.parent / "shared" / "dogscats"


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole session, never the user's: the same photo is computed once for all tests."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["CATDOG_CACHE_DIR"] = str(folder)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "CI"):
        os.environ.pop(name, None)
    devices.configure(folder)
    return folder


@pytest.fixture(scope="session")
def dogscats() -> Path:
    """1,600 + 400 real photos."""
    if not _REAL.is_dir():
        pytest.skip("the real photos are not beside the repository: ../shared/dogscats is absent")
    return _REAL


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with split folders and two classes: 24 + 8 pictures of each. Not to be changed."""
    root = tmp_path_factory.mktemp("shapes")
    draw_pictures(root / "train", {"circles": 24, "squares": 24}, seed=1)
    draw_pictures(root / "valid", {"circles": 8, "squares": 8}, seed=2)
    return root
