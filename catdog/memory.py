"""How much memory there is to use, the machine's or less in a container, and how to give it back."""

import functools
from collections.abc import Callable
from pathlib import Path, PurePosixPath

_ROOT = Path("/")
_NO_LIMIT = 1 << 62  # what version 1 says where nobody has set a limit is a little below 2^63


def available_bytes(root: Path = _ROOT) -> int:
    """Bytes that this process can take now without swapping or passing a container's limit; at least 0.

    That is the smaller of what the system says is available (on Linux, macOS and Windows), and of what each
    control group around this process still allows (Linux, versions 1 and 2). File pages that the kernel drops
    at need count as available, in both. The number changes with every moment: ask when it is needed.

    Args:
        root: where the file systems `proc` and `sys` are mounted.
    """
    import psutil  # not at the top: `catdog --help` does not need it

    return max(0, min([psutil.virtual_memory().available, *_left_in_groups(root)]))


def give_back() -> None:
    """Return to the system what this process has freed, as far as its allocator keeps that for later.

    The usual one of Linux (glibc) keeps an arena a thread: threads that need much one after the other keep as
    much together as if they had needed it at once. Elsewhere this does nothing: large blocks go back anyway.
    """
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    import ctypes

    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return lambda _: None


def _left_in_groups(root: Path) -> list[int]:
    """Bytes that are left in each control group with a limit that holds for this process."""
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
    """The folder of the group `path` and of all that it is in, up to where groups are mounted.

    In a container the path may be the one outside of it, and what is mounted the container's own group: the
    folders that are not there are passed over.
    """
    relative = PurePosixPath(path.lstrip("/"))
    return [mount / part for part in (relative, *relative.parents) if ".." not in part.parts]


def _left(folder: Path, limit: str, used: str, droppable: str) -> list[int]:
    """What the limit in this folder leaves, as one number; none where there is no limit."""
    try:
        most, taken = int((folder / limit).read_text()), int((folder / used).read_text())
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        free = int(facts.get(droppable, 0))
    except (OSError, ValueError):  # no such file, or `max`
        return []
    return [most - taken + free] if most < _NO_LIMIT else []
