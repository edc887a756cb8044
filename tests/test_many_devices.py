"""Simulated devices: photos and batches are divided among them, and the numbers stay the same."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from catdog.runs import Run
from tests.model.rounding import FLOAT16_STEP, relative_error
from tests.prefixes import builtin_prefix
from tests.process import catdog

# Of the largest value: some hundred roundings of float32, since two devices add up a batch in another order.
_TOLERANCE = 1e-5


@pytest.mark.slow
def test_training_on_many_devices_equals_one(shapes: Path, tmp_path: Path) -> None:
    # Fewer photos in a batch than the most devices, and 3 in the last one. L-BFGS has no batches.
    options = ("--epochs", 5, "--size", 96, "--optimizer", "adam", "--batch-size", 5)
    runs = {}
    for count in (1, 2, 8):
        result = catdog(
            *("train", shapes, "--name", count, *options), cwd=tmp_path, JAX_NUM_CPU_DEVICES=str(count)
        )
        assert result.returncode == 0, result.stderr
        runs[count] = Run(tmp_path / "runs" / str(count))
        assert runs[count].config.device == f"{count} × cpu"
    single = runs.pop(1)
    for run in runs.values():
        for name, value in single.read_model()[0].items():
            assert relative_error(run.read_model()[0][name], value) < _TOLERANCE
        for first, second in zip(single.history(), run.history(), strict=True):
            assert first.val_loss == pytest.approx(second.val_loss, rel=_TOLERANCE)


def test_the_batch_lies_on_both_devices() -> None:
    program = (
        "import numpy as np\n"
        "from catdog import devices\n"
        "batch = devices.put_batch(devices.data_mesh(), np.zeros((3, 4, 2)), batch_axis=1)\n"
        "assert {shard.data.shape for shard in batch.addressable_shards} == {(3, 2, 2)}\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env={"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"},
    )


# The frozen prefix as an accelerator has it, on CPU devices: argument 1 is their number, 2 where features go.
_PREFIX = """
import sys
import jax
import numpy as np
from catdog.features.prefix import Prefix
from catdog.model.frozen import Direct
from tests.prefixes import builtin_prefix

count = int(sys.argv[1])
assert jax.device_count() == count
Prefix._on_cpu = False
prefix = builtin_prefix()
assert prefix.batch_size(3, calls=1) % count == 0
pixels = np.random.default_rng(1).integers(0, 256, (8, 64, 64, 3), np.uint8)
features = prefix(pixels)
program, arrays = prefix._program
assert isinstance(program, Direct)
for array in jax.tree.leaves(arrays):  # every device has all weights
    assert len(array.sharding.device_set) == count
    assert array.is_fully_replicated
shards = features.addressable_shards
assert len({shard.device for shard in shards}) == count
assert {shard.data.shape for shard in shards} == {(8 // count, 2, 2, 512)}
assert sorted(shard.index[0].start or 0 for shard in shards) == list(range(0, 8, 8 // count))
np.save(sys.argv[2], features)
"""


@pytest.mark.slow
def test_the_frozen_prefix_of_an_accelerator_is_divided_among_the_devices(tmp_path: Path) -> None:
    found = []
    for count in (1, 2, 8):
        path = tmp_path / f"{count}.npy"
        environment = {"JAX_NUM_CPU_DEVICES": str(count), "JAX_PLATFORMS": "cpu"}
        subprocess.run(
            [sys.executable, "-c", _PREFIX, str(count), str(path)],
            check=True,
            cwd=Path(__file__).parent.parent,
            env=os.environ | environment,
        )
        found.append(np.load(path))
    first, *others = found
    assert first.dtype == np.float16
    for other in others:
        assert relative_error(other, first) < FLOAT16_STEP
    pixels = np.random.default_rng(1).integers(0, 256, (8, 64, 64, 3), np.uint8)
    assert relative_error(builtin_prefix()(pixels), first) < FLOAT16_STEP
