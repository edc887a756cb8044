"""The cache of compiled programs: private, bounded, and no obstacle."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from catdog import devices
from tests.process import catdog


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Four programs of 100 bytes, `a` unused for longest; and beside them what is not JAX's."""
    folder = devices.compiled_folder(tmp_path)
    (folder / "xla_gpu_per_fusion_autotune_cache_dir").mkdir(parents=True)
    (folder / "a file of somebody").write_bytes(bytes(1000))
    os.utime(folder / "a file of somebody", (1, 1))
    for day, name in enumerate("abcd"):
        path = folder / f"{name}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 + 86400 * day, 1e9 + 86400 * day))
    return folder


def _left(folder: Path) -> str:
    assert (folder / "xla_gpu_per_fusion_autotune_cache_dir").is_dir()
    assert (folder / "a file of somebody").exists()
    return "".join(sorted(path.name[0] for path in folder.glob("*-cache")))


@pytest.mark.parametrize(("limit", "left"), [(400, "abcd"), (399, "bcd"), (250, "cd"), (100, "d"), (0, "")])
def test_what_was_not_used_for_longest_goes_first(programs: Path, limit: int, left: str) -> None:
    assert devices.trim_compiled(programs, limit) == 400
    assert _left(programs) == left


def test_use_counts_and_not_only_age(programs: Path) -> None:
    os.utime(programs / "a-cache", (2e9, 1e9))  # read lately, written long ago
    devices.trim_compiled(programs, 200)
    assert _left(programs) == "ad"


def test_what_a_full_disk_has_left_goes(programs: Path) -> None:
    (programs / "d-cache").write_bytes(b"")
    assert devices.trim_compiled(programs, 400) == 300
    assert _left(programs) == "abc"


def test_a_program_that_resists_is_no_error(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert devices.trim_compiled(programs, 0) == 400
    assert _left(programs) == "abcd"


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
    first, second = (
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
        )
        for _ in range(2)
    )
    assert int(first.stdout) == 0
    assert int(second.stdout) > 0
    assert first.stderr == second.stderr == ""  # a terminal is not for what XLA thinks of the processor
    folder = devices.compiled_folder(tmp_path)
    assert any(folder.iterdir())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.slow
def test_a_terminal_is_not_for_what_xla_thinks_of_the_processor(shapes: Path, tmp_path: Path) -> None:
    # The second training takes its programs from the cache, which is where XLA speaks up.
    options = ("--optimizer", "adam", "--size", 96, "--epochs", 2, "--cache-dir", tmp_path / "cache")
    _, second = (catdog("train", shapes, *options, cwd=tmp_path) for _ in range(2))
    assert (second.returncode, second.stderr) == (0, "")


@pytest.mark.parametrize(
    ("quota", "share"), [("100000 100000", 1), ("150000 100000", 2), ("1000 100000", 1), ("max 100000", None)]
)
def test_a_quota_of_time_is_a_number_of_cores(quota: str, share: int | None, tmp_path: Path) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(f"{quota}\n")
    unlimited = devices.usable_cores(tmp_path / "none")
    assert unlimited >= 1
    assert devices.usable_cores(path) == (unlimited if share is None else min(share, unlimited))
