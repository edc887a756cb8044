"""What there is to compute on, and JAX's configuration: cores, flags, the compilation cache, meshes, dtypes.

`configure` must run before the first computation; nothing else in catdog sets a flag or reads a device.
"""

import contextlib
import math
import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catdog.errors import CacheError

if TYPE_CHECKING:
    import jax
    from jax.sharding import Mesh, NamedSharding


# jaxlib 0.10.0 and 0.10.1 hand some products followed by a reduction to a library that computes them wrongly,
# or crashes, from 16,385 rows on (the family of https://github.com/jax-ml/jax/issues/39103). This keeps
# reductions out of it. Other versions may not know the flag, and XLA aborts on one that it does not know.
_YNN_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
_YNN_VERSIONS = ("0.10.0", "0.10.1")

_QUOTA = Path("/sys/fs/cgroup/cpu.max")

# Some hundreds of trainings, each with options of its own. JAX has a bound too, but a process that is killed
# at the wrong moment leaves it an entry without a time stamp, and from then on it keeps nothing and warns.
_COMPILED_BYTES = 256 * 2**20


def set_flags() -> None:
    """Set the flags that JAX reads when it is imported and when it first looks for a device.

    What the user has set wins. Safe to call again.
    """
    from importlib.metadata import version  # half of the time that `catdog --help` takes

    # A GPU may be shared with the user's other work: take memory as it is needed, not 75 % at once.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # XLA's lines are not for the user of a command: what matters is raised. On some processors it prints an
    # error for every program that comes from the cache: https://github.com/jax-ml/jax/issues/38445.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    flags = os.environ.get("XLA_FLAGS", "")
    if version("jaxlib") in _YNN_VERSIONS and _YNN_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_YNN_FLAG}=-reduce".strip()


def configure(cache_dir: Path | None) -> None:
    """Set the flags, then import JAX, with a compilation cache below `cache_dir` that only this user reads.

    Safe to call again.

    Args:
        cache_dir: None keeps no compiled programs.

    Raises:
        CacheError: the cache cannot be written.
    """
    set_flags()
    import jax

    if cache_dir and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = compiled_folder(cache_dir)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)  # compiled code is executed: nobody else may write it
            trim_compiled(folder, _COMPILED_BYTES)
        except OSError as error:
            raise CacheError(
                "nothing can be written into the cache folder {cache_dir}: {reason}. What this command "
                "computes is computed again next time. Make room, or name another place with --cache-dir or "
                "CATDOG_CACHE_DIR.",
                cache_dir=cache_dir,
                reason=error.strerror or error,
            ) from error
        jax.config.update("jax_compilation_cache_dir", str(folder))
        # The many small programs of a start cost more together than the one large.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        # Another process may be writing the entry: it is compiled here then, and nobody need know.
        warnings.filterwarnings("ignore", "Error reading persistent compilation cache entry", UserWarning)
        # The disk is full, which the feature cache says too.
        warnings.filterwarnings("ignore", "Error writing persistent compilation cache entry", UserWarning)


def compiled_folder(cache_dir: Path) -> Path:
    """Where compiled programs are kept."""
    return cache_dir / "compiled"


def trim_compiled(folder: Path, limit: int) -> int:
    """Delete the programs that were not used for longest, until the rest takes at most `limit` bytes.

    Only files that JAX names as its own count and go; what resists stays. When a program was last used, the
    file system says; on some that is when it was written.

    Returns:
        The bytes that were there before.
    """
    entries = []
    for path in folder.glob("*-cache") if folder.is_dir() else ():
        with contextlib.suppress(OSError):  # another process trims too
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode):
                entries.append((max(facts.st_atime, facts.st_mtime), facts.st_size, path))
    total = left = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if left <= limit:
            break
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            left -= size
    return total


def usable_cores(quota: Path = _QUOTA) -> int:
    """Cores that this process may use: in a container or under a scheduler fewer than the machine has.

    Args:
        quota: where Linux says how much time a control group (version 2) gets: `200000 100000` is two cores.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        time, period = quota.read_text().split()
        return max(1, min(cores, math.ceil(int(time) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no such system, or `max`: no limit
        return cores


def compute_dtype() -> str:
    """The dtype of activations: bfloat16 where hardware has it, float32 on CPU, which only emulates it."""
    import jax

    return "float32" if jax.default_backend() == "cpu" else "bfloat16"


def describe() -> str:
    """The devices in words, for a run's record: `2 × cpu` or `1 × NVIDIA H100`."""
    import jax

    devices = jax.devices()
    return f"{len(devices)} × {devices[0].device_kind}"


def data_mesh() -> "Mesh":
    """All devices along one axis, `data`; the compiler decides how intermediate arrays lie on it."""
    import jax
    from jax.sharding import AxisType

    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def batch_multiple() -> int:
    """A batch on the mesh must be a multiple of this many photos."""
    import jax

    return jax.device_count()


def sharding(mesh: "Mesh", *, batch_axis: int) -> "NamedSharding":
    """How an array lies on the mesh: axis `batch_axis` split among the devices, the others whole."""
    from jax.sharding import NamedSharding, PartitionSpec

    return NamedSharding(mesh, PartitionSpec(*[None] * batch_axis, "data"))


def replicate(mesh: "Mesh", tree: Any) -> Any:
    """Copy every array of `tree` to every device of the mesh."""
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def put_batch(mesh: "Mesh", array: Any, *, batch_axis: int = 0) -> "jax.Array":
    """Copy a host array to the mesh, split along `batch_axis`."""
    import jax

    return jax.device_put(array, sharding(mesh, batch_axis=batch_axis))
