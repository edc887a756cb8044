"""How much memory is available, on the machine or in a container, and how to return it to the system."""

import contextlib
from pathlib import Path, PurePosixPath

_ROOT = Path("/")
_NO_LIMIT = 1 << 62  # without a limit version 1 has a number a little below 2^63


def available_bytes(root: Path = _ROOT) -> int:
    """Bytes that this process can use now without swapping or exceeding a container's limit; at least 0.

    The minimum of the system's available memory (Linux, macOS, Windows) and of what is left in each control
    group of this process (Linux, versions 1 and 2). File pages that the kernel can drop count as available.
    The number changes all the time: ask when it is needed.

    Args:
        root: where the file systems `proc` and `sys` are mounted.
    """
    import psutil  # slow to import, and `catdog --help` does not need it

    return max(0, min([psutil.virtual_memory().available, *_left_in_groups(root)]))


def give_back() -> None:
    """Return freed memory to the system, if the allocator holds it back for later.

    glibc, the usual one of Linux, has an arena for each thread: threads that need much memory one after the
    other hold as much together as if they had needed it at once. With other allocators this does nothing:
    they return large blocks by themselves.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library, or Windows
        ctypes.CDLL(None).malloc_trim(0)


def _left_in_groups(root: Path) -> list[int]:
    """Bytes left in each control group of this process that has a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:  # not Linux, or /proc is not mounted
        return []
    left: list[int] = []
    for line in lines:  # hierarchy number:controllers:path, the controllers empty in version 2
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for folder in _upwards(root / "sys/fs/cgroup", path):
                left += _left(folder, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            for folder in _upwards(root / "sys/fs/cgroup/memory", path):
                left += _left(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    return left


def _upwards(mount: Path, path: str) -> list[Path]:
    """The folder of the group `path` and those of its parents, up to where groups are mounted.

    In a container the path may be that outside of the container, where only the container's own group is
    mounted: folders that do not exist are skipped.
    """
    relative = PurePosixPath(path.lstrip("/"))
    return [mount / part for part in (relative, *relative.parents) if ".." not in part.parts]


def _left(folder: Path, limit: str, used: str, droppable: str) -> list[int]:
    """The bytes left of the limit in this folder, in a list; empty if there is no limit."""
    try:
        most, taken = int((folder / limit).read_text()), int((folder / used).read_text())
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        free = int(facts.get(droppable, 0))
    except (OSError, ValueError):  # no such file, or `max`
        return []
    return [most - taken + free] if most < _NO_LIMIT else []
