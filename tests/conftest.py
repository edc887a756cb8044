"""What all tests share: a cache of their own, tiny drawn data sets, the real photos where they are."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).parent.parent
_REAL = ROOT.parent / "shared" / "dogscats"

Draw = Callable[[ImageDraw.ImageDraw, tuple[int, int, int, int], tuple[int, int, int]], None]

SHAPES: dict[str, Draw] = {
    "circles": lambda draw, box, colour: draw.ellipse(box, fill=colour),
    "squares": lambda draw, box, colour: draw.rectangle(box, fill=colour),
    "stripes": lambda draw, box, colour: (
        [draw.line((box[0], y, box[2], y), fill=colour, width=3) for y in range(box[1], box[3], 8)] and None
    ),
}


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole session, never the user's: the same photo is computed once for all tests."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["CATDOG_CACHE_DIR"] = str(folder)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "CI"):
        os.environ.pop(name, None)
    from catdog import devices

    devices.configure(folder)
    return folder


@pytest.fixture(scope="session")
def dogscats() -> Path:
    """1,600 + 400 real photos."""
    if not _REAL.is_dir():
        pytest.skip("the real photos are not beside the repository: ../shared/dogscats is absent")
    return _REAL


def draw_pictures(folder: Path, classes: dict[str, int], *, seed: int = 0, size: int = 96) -> None:
    """Write so many pictures of each shape into `folder/<class>/`: random colours, places and sizes."""
    random = np.random.default_rng(seed)
    for label, count in classes.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            ground, colour = (tuple(random.integers(0, 256, 3).tolist()) for _ in range(2))
            picture = Image.new("RGB", (size, size), ground)
            left, top = random.integers(0, size // 3, 2).tolist()
            side = int(random.integers(size // 3, size // 2))
            SHAPES[label](ImageDraw.Draw(picture), (left, top, left + side, top + side), colour)
            picture.save(folder / label / f"{label}.{number}.png")


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with split folders and two classes: 24 + 8 pictures of each. Not to be changed."""
    root = tmp_path_factory.mktemp("shapes")
    draw_pictures(root / "train", {"circles": 24, "squares": 24}, seed=1)
    draw_pictures(root / "valid", {"circles": 8, "squares": 8}, seed=2)
    return root


def catdog(
    *arguments: object, cwd: Path | None = None, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "catdog", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | environment,
        check=False,
    )
