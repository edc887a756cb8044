"""Two simulated devices: the batch is split between them, and the numbers stay the same."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from catdog.runs import Run
from tests.process import catdog


def test_training_on_two_devices_equals_one(shapes: Path, tmp_path: Path) -> None:
    for name, flags in (("one", ""), ("two", "--xla_force_host_platform_device_count=2")):
        result = catdog(
            *("train", shapes, "--name", name, "--epochs", 5, "--batch-size", 7),
            cwd=tmp_path,
            XLA_FLAGS=flags,
            CATDOG_CACHE_DIR=str(tmp_path / name),
        )
        assert result.returncode == 0, result.stderr
    one, two = (Run(tmp_path / "runs" / name) for name in ("one", "two"))
    assert two.config.device.startswith("2 × ")
    for name, value in one.read_model()[0].items():
        np.testing.assert_allclose(two.read_model()[0][name], value, rtol=2e-3, atol=2e-4)
    for first, second in zip(one.history(), two.history(), strict=True):
        assert abs(first.val_loss - second.val_loss) < 1e-3


def test_the_batch_lies_on_both_devices() -> None:
    program = (
        "import numpy as np\n"
        "from catdog import devices\n"
        "batch = devices.put_batch(devices.data_mesh(), np.zeros((3, 4, 2)), batch_axis=1)\n"
        "assert {shard.data.shape for shard in batch.addressable_shards} == {(3, 2, 2)}\n"
        "assert devices.batch_multiple() == 2\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env={"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"},
    )
