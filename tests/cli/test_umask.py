"""All files that a command writes have exactly the permissions that the umask of its process allows."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pictures import draw_pictures

# The umask is set late, as by a program that has imported catdog before.
_PROGRAM = """
import json, os, sys
from catdog import durable, runs
from catdog.cli import run
os.umask(int(sys.argv[1], 8))
for arguments in json.loads(sys.argv[2]):
    assert run(arguments) == 0, arguments
"""


def _catdog(mask: int, commands: list[list[str]], cwd: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PROGRAM, f"{mask:o}", json.dumps(commands)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_all_that_is_written_follows_the_umask(tmp_path: Path) -> None:
    mask = 0o036  # files become 640 and folders 741, which no code asks for
    data = tmp_path / "data"
    draw_pictures(data / "train", {"circles": 4, "squares": 4}, seed=1)
    draw_pictures(data / "valid", {"circles": 2, "squares": 2}, seed=2)
    photos = sorted((data / "valid").rglob("*.png"))
    for photo in photos:
        photo.chmod(0o444)  # a copy has the permissions of other new files
    work = tmp_path / "work"
    work.mkdir()

    commands = [
        ["train", data, "--name", "mine", "--epochs", 1, "--size", 96],
        ["train", "--resume", "runs/mine", "--epochs", 2],
        ["evaluate", "runs/mine", "--report", "pages/report.html", "--plots", "plots"],
        ["inspect", data, "--quick", "--report", "pages/data.html"],
        *(["export", "runs/mine", f"exported/model.{kind}"] for kind in ("safetensors", "onnx", "h5")),
        ["predict", *photos, "--save", "saved", "--sort-into", "sorted"],
    ]
    _catdog(mask, [[str(word) for word in command] for command in commands], work)

    written = sorted(work.rglob("*"))
    names = {str(path.relative_to(work).parts[0]) for path in written}
    assert names == {"runs", "pages", "plots", "exported", "saved", "sorted"}
    assert len([path for path in written if path.is_file()]) > 20
    wrong = {
        str(path.relative_to(work)): oct(mode)
        for path in written
        if (mode := stat.S_IMODE(path.stat().st_mode)) != (0o777 if path.is_dir() else 0o666) & ~mask
    }
    assert not wrong
