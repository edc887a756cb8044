"""The cache of compiled programs: private, bounded, and no obstacle."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from catdog import devices


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Four programs of 100 bytes, `a` unused for longest."""
    folder = devices.compiled_folder(tmp_path)
    folder.mkdir()
    for day, name in enumerate("abcd"):
        (folder / name).write_bytes(bytes(100))
        os.utime(folder / name, (1e9 + 86400 * day, 1e9 + 86400 * day))
    return folder


@pytest.mark.parametrize(("limit", "left"), [(400, "abcd"), (399, "bcd"), (250, "cd"), (100, "d"), (0, "")])
def test_what_was_not_used_for_longest_goes_first(programs: Path, limit: int, left: str) -> None:
    assert devices.trim_compiled(programs, limit) == 400
    assert sorted(path.name for path in programs.iterdir()) == list(left)


def test_use_counts_and_not_only_age(programs: Path) -> None:
    os.utime(programs / "a", (2e9, 1e9))  # read lately, written long ago
    devices.trim_compiled(programs, 200)
    assert sorted(path.name for path in programs.iterdir()) == ["a", "d"]


def test_a_folder_that_is_not_there_takes_nothing(tmp_path: Path) -> None:
    assert devices.trim_compiled(tmp_path / "none", 0) == 0


def test_a_second_process_finds_the_programs_of_the_first(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from catdog import devices\n"
        "devices.configure(Path(sys.argv[1]))\n"
        "import jax, jax.monitoring, jax.numpy as jnp\n"
        "hits = []\n"
        "jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))\n"
        "jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((8, 8))).block_until_ready()\n"
        "print(hits.count('/jax/compilation_cache/cache_hits'))\n"
    )
    counts = [
        int(subprocess.check_output([sys.executable, "-c", program, str(tmp_path)], text=True))
        for _ in range(2)
    ]
    assert counts[0] == 0
    assert counts[1] > 0
    folder = devices.compiled_folder(tmp_path)
    assert any(folder.iterdir())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
