"""The devices, and JAX's configuration: cores, flags, the compilation cache, meshes, dtypes.

`configure` must be called before the first computation; nothing else in catdog sets a flag or looks for a
device.
"""

import contextlib
import math
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catdog.errors import CacheError
from catdog.workspace import Workspace

if TYPE_CHECKING:
    import jax
    import numpy as np
    from jax.sharding import Mesh


# jaxlib 0.10.0 and 0.10.1 give some products with a following reduction to a library that computes them
# wrongly, or crashes, from 16,385 rows on (https://github.com/jax-ml/jax/issues/39103 and related). This flag
# excludes reductions. Other versions may not have it, and XLA aborts on an unknown flag.
_YNN_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
_YNN_VERSIONS = ("0.10.0", "0.10.1")

_QUOTA = Path("/sys/fs/cgroup/cpu.max")

# Enough for some hundreds of different trainings. JAX has a limit of its own, but a process that is killed at
# the wrong moment leaves an entry without a time stamp, and from then on JAX only warns and caches nothing.
_COMPILED_BYTES = 256 * 2**20


def set_flags() -> None:
    """Set the flags that JAX reads when it is imported and when it first looks for a device.

    The user's own settings win. Safe to call again.
    """
    from importlib.metadata import version  # slow to import: half of the time of `catdog --help`

    # The GPU may have other work: take memory as it is needed, not 75 % at once.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # XLA's log is not for the user of a command: real errors are raised. On some processors it logs an error
    # for every program from the cache: https://github.com/jax-ml/jax/issues/38445.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    flags = os.environ.get("XLA_FLAGS", "")
    if version("jaxlib") in _YNN_VERSIONS and _YNN_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_YNN_FLAG}=-reduce".strip()


def configure(cache_dir: Path | None) -> None:
    """Set the flags, then import JAX, with a private compilation cache below `cache_dir`.

    Safe to call again.

    Args:
        cache_dir: None caches no compiled programs.

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
                "the cache {folder} cannot be written: {reason}. The results of this command are not cached. "
                "Free some space, or choose another folder with --cache-dir or CATDOG_CACHE_DIR.",
                folder=cache_dir,
                reason=error,
            ) from error
        jax.config.update("jax_compilation_cache_dir", str(folder))
        # Compiling the many small programs takes longer than the large one: cache them all.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        # Another process may be writing the entry: then the program is compiled here. Or the disk is full: of
        # that the feature cache warns too.
        entry = "Error (reading|writing) persistent compilation cache entry"
        warnings.filterwarnings("ignore", entry, UserWarning)


def opened(workspace: Workspace) -> Workspace:
    """Configure JAX for a workspace; where its cache cannot be written, warn once and cache nothing."""
    try:
        configure(workspace.cache)
        return workspace
    except CacheError as error:
        workspace.features.warn(error.message)
        configure(None)
        return replace(workspace, features=replace(workspace.features, writable=False))


def compiled_folder(cache_dir: Path) -> Path:
    """The folder of compiled programs."""
    return cache_dir / "compiled"


def trim_compiled(folder: Path, limit: int) -> int:
    """Delete the least recently used programs, until the rest takes at most `limit` bytes.

    And those that a full disk has left empty: JAX writes no program whose file is there. Only the files of
    JAX's cache count; a file that cannot be deleted stays. The time of the last use is the file system's; on
    some it is the time of writing.

    Returns:
        The bytes before.
    """
    entries = []
    for path in folder.glob("*-cache") if folder.is_dir() else ():
        with contextlib.suppress(OSError):  # another process trims too
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode):
                used = max(facts.st_atime, facts.st_mtime) if facts.st_size else 0
                entries.append((used, facts.st_size, path))
    total = left = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if left <= limit and size:
            break
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            left -= size
    return total


def usable_cores(quota: Path = _QUOTA) -> int:
    """Cores that this process may use; in a container or a scheduler's job fewer than the machine has.

    Args:
        quota: Linux' file with the quota of a control group (version 2): `200000 100000` is two cores.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        time, period = quota.read_text().split()
        return max(1, min(cores, math.ceil(int(time) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # not Linux, or `max`: no limit
        return cores


def compute_dtype() -> str:
    """The dtype of activations: bfloat16, but float32 on a CPU, which is slow in bfloat16."""
    import jax

    return "float32" if jax.default_backend() == "cpu" else "bfloat16"


def exact() -> Any:
    """JAX's CPU, which computes in float32 as it is; where JAX may not use it, the first device."""
    import jax

    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS names others only
        return jax.local_devices()[0]


def describe() -> str:
    """The devices for a run's record: `2 × cpu` or `1 × NVIDIA H100`."""
    import jax

    devices = jax.devices()
    return f"{len(devices)} × {devices[0].device_kind}"


def local_mesh() -> "Mesh":
    """The devices of this process along one axis, `data`; the compiler shards intermediate arrays."""
    import jax

    devices = jax.local_devices()
    return jax.make_mesh(
        (len(devices),), ("data",), axis_types=(jax.sharding.AxisType.Auto,), devices=devices
    )


_spreads = False


@contextlib.contextmanager
def spread() -> Iterator[None]:
    """Within the block, `data_mesh` has the devices of all processes, which all compute the same programs."""
    global _spreads
    _spreads = True
    try:
        yield
    finally:
        _spreads = False


def is_spread() -> bool:
    """Whether this is within `spread`."""
    return _spreads


def data_mesh() -> "Mesh":
    """The devices that compute together along one axis, `data`: those of this process, but see `spread`."""
    import jax

    if not _spreads:
        return local_mesh()
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))


def replicate(mesh: "Mesh", tree: Any) -> Any:
    """Copy every array of `tree` to every device of the mesh; of several processes, that of the first."""
    import jax

    sharding = _sharding(mesh)
    if not mesh.is_multi_process:
        return jax.device_put(tree, sharding)
    import numpy as np
    from jax.experimental.multihost_utils import broadcast_one_to_all

    def copied(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and leaf.sharding == sharding:
            return leaf
        of_first = np.asarray(broadcast_one_to_all(np.asarray(leaf)))
        return jax.make_array_from_callback(of_first.shape, sharding, lambda index: of_first[index])

    return jax.tree.map(copied, tree)


def put_rows(
    mesh: "Mesh", rows: "np.ndarray", read: "Callable[[np.ndarray], np.ndarray]", *, batch_axis: int = 0
) -> "jax.Array":
    """`read(rows)` on the mesh: axis `batch_axis` is split among the devices.

    A process reads only the rows of its own devices.

    Args:
        rows: any shape.
        read: gives an array (*rows.shape, ...).
    """
    import jax

    if not mesh.is_multi_process:
        return put_batch(mesh, read(rows), batch_axis=batch_axis)
    sharding = _sharding(mesh, *[None] * batch_axis, "data")
    import numpy as np

    slices = sharding.addressable_devices_indices_map(rows.shape).values()
    starts = {part[batch_axis].start or 0: part[batch_axis] for part in slices if part}
    places = np.concatenate([np.arange(rows.shape[batch_axis])[starts[start]] for start in sorted(starts)])
    own = read(np.take(rows, places, axis=batch_axis))
    shape = (*rows.shape, *own.shape[rows.ndim :])
    return jax.make_array_from_process_local_data(sharding, own, shape)


def put_batch(mesh: "Mesh", array: "np.ndarray", *, batch_axis: int = 0) -> "jax.Array":
    """Copy a host array to the mesh: only axis `batch_axis` is split among the devices."""
    import jax

    return jax.device_put(array, _sharding(mesh, *[None] * batch_axis, "data"))


def to_host(array: "jax.Array") -> "np.ndarray":
    """The whole array, also where its parts are on the devices of several processes."""
    import jax
    import numpy as np

    if not (array.is_fully_addressable or array.is_fully_replicated):
        array = jax.jit(lambda x: x, out_shardings=_sharding(data_mesh()))(array)
    return np.asarray(array)


def connect() -> None:
    """Connect the devices of all processes, where all have just met.

    XLA gives up when a process comes 30 seconds later than the first to what some devices compute together
    for the first time. From then on it waits half an hour: the disk of another process may stand still.
    """
    import numpy as np

    from_all(np.zeros(1, np.uint8))
    if _spreads:
        mesh = data_mesh()
        to_host(put_rows(mesh, np.zeros(mesh.size, np.uint8), np.asarray))


def from_all(array: "np.ndarray") -> "np.ndarray":
    """(processes, *shape): an array of the same shape and dtype from each process."""
    import numpy as np
    from jax.experimental.multihost_utils import process_allgather

    return np.asarray(process_allgather(array))


def everywhere(mesh: "Mesh", tree: Any) -> Any:
    """In a compiled program: each device of several processes has the whole of every array."""
    import jax

    if not mesh.is_multi_process:
        return tree
    return jax.lax.with_sharding_constraint(tree, _sharding(mesh))


def _sharding(mesh: "Mesh", *axes: str | None) -> "jax.sharding.NamedSharding":
    """The first axes of an array along those of the mesh; without any, each device has all of it."""
    import jax

    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))
