"""Available memory: the machine's and the container's, whichever is less."""

import ctypes
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from catdog.memory import available_bytes, give_back

GIB = 2**30


class _Memory:
    available = 16 * GIB


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 16 GiB to spare."""
    monkeypatch.setattr(psutil, "virtual_memory", _Memory)


def _write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def _version_2(folder: Path, most: str, used: int, droppable: int = 0) -> None:
    stat = f"anon {used - droppable}\nfile {droppable}\ninactive_file {droppable}\n"
    _write(folder, memory__max=f"{most}\n", memory__current=f"{used}\n", memory__stat=stat)


def _version_1(folder: Path, most: int, used: int, droppable: int = 0) -> None:
    stat = f"cache {droppable}\ninactive_file 0\ntotal_inactive_file {droppable}\n"
    _write(folder, memory__limit_in_bytes=f"{most}\n", memory__usage_in_bytes=f"{used}\n", memory__stat=stat)


def test_without_control_groups_it_is_the_machines(tmp_path: Path) -> None:
    assert available_bytes(tmp_path) == 16 * GIB


def test_a_container_of_version_2(tmp_path: Path) -> None:
    _write(tmp_path / "proc/self", cgroup="0::/\n")
    _version_2(tmp_path / "sys/fs/cgroup", str(4 * GIB), 3 * GIB, droppable=GIB)
    assert available_bytes(tmp_path) == 2 * GIB


def test_a_container_of_version_1_whose_path_is_the_one_outside(tmp_path: Path) -> None:
    _write(tmp_path / "proc/self", cgroup="5:cpu,cpuacct:/docker/ab\n4:memory:/docker/ab\n0::/docker/ab\n")
    _version_1(tmp_path / "sys/fs/cgroup/memory", 4 * GIB, GIB, droppable=GIB // 2)
    assert available_bytes(tmp_path) == 3 * GIB + GIB // 2


def test_the_tightest_of_the_groups_around_this_process_counts(tmp_path: Path) -> None:
    _write(tmp_path / "proc/self", cgroup="0::/system.slice/job_7/step_0\n")
    groups = tmp_path / "sys/fs/cgroup"
    _version_2(groups / "system.slice/job_7/step_0", "max", GIB)
    _version_2(groups / "system.slice/job_7", str(3 * GIB), GIB)
    _version_2(groups / "system.slice", str(8 * GIB), GIB)
    assert available_bytes(tmp_path) == 2 * GIB


def test_no_limit_is_no_limit(tmp_path: Path) -> None:
    _write(tmp_path / "proc/self", cgroup="4:memory:/a\n0::/a\n")
    _version_1(tmp_path / "sys/fs/cgroup/memory/a", 0x7FFFFFFFFFFFF000, GIB)
    _version_2(tmp_path / "sys/fs/cgroup/a", "max", GIB)
    assert available_bytes(tmp_path) == 16 * GIB


def test_a_group_that_has_passed_its_limit_leaves_nothing(tmp_path: Path) -> None:
    _write(tmp_path / "proc/self", cgroup="0::/../up\n")
    _version_2(tmp_path / "sys/fs/cgroup", str(GIB), 2 * GIB)
    assert available_bytes(tmp_path) == 0


def test_giving_back_is_safe_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    give_back()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())  # a C library without that function
    give_back()


def test_this_machine_has_some_and_jax_is_not_needed_to_know() -> None:
    check = (
        "from catdog.memory import available_bytes\nimport sys\n"
        "assert 2**20 < available_bytes() < 2**50 and 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", check], check=True)
