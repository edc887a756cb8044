"""What commands leave in the cache and elsewhere, and what they do where it cannot take anything."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog import devices
from tests.cli.conftest import SAMPLE, Cli, files_below
from tests.process import catdog

ROOT = Path(__file__).parents[2]
PHOTO = next((SAMPLE / "photos").glob("*.jpg"))


def _pictures(folder: Path, count: int, *, side: int = 40) -> Path:
    """Two classes that differ in colour, `count` pictures each."""
    random = np.random.default_rng(count)
    for label, colour in (("reds", (200, 30, 30)), ("blues", (30, 30, 200))):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(colour + random.normal(0, 25, (side, side, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def test_no_cache_writes_nothing(
    cli: Cli, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    cache = ("--cache-dir", tmp_path / "cache", "--no-cache")
    assert cli("train", few, "--epochs", 1, *cache).status == 0
    evaluated = cli("evaluate", *cache)
    assert (evaluated.status, "Computing features: 4/4" in evaluated.err) == (0, True)
    assert cli("predict", PHOTO, *cache).status == 0
    assert not (tmp_path / "cache").exists()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_no_cache_leaves_nothing_behind_when_it_is_killed(few: Path, tmp_path: Path, stop: int) -> None:
    places = {"TMPDIR": str(tmp_path / "tmp"), "CATDOG_CACHE_DIR": str(tmp_path / "cache")}
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "catdog", "train", str(few), "--no-cache", "--quality", "fast"]
    training = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | places, stderr=subprocess.PIPE, text=True
    )
    assert training.stderr
    for line in training.stderr:
        if "Loading the network" in line:
            break
    time.sleep(0.5)
    training.send_signal(stop)
    training.communicate()
    assert training.returncode == (75 if stop == signal.SIGTERM else -stop)
    assert not list((tmp_path / "tmp").iterdir())
    assert not (tmp_path / "cache").exists()


def test_features_that_do_not_fit_in_memory_are_refused_before_they_are_computed(
    cli: Cli, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catdog.features.room.available_bytes", lambda: 30_000)
    refused = cli("train", few, "--no-cache")
    assert refused.status == 1
    assert "the features of 12 photos take 24.6 kB" in refused.err
    assert "21.0 kB of memory" in refused.err
    assert "--no-cache" in refused.err
    assert "Loading" not in refused.err


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_costs_one_warning(cli: Cli, few: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for arguments in (("train", few, "--epochs", 1), ("evaluate",), ("predict", PHOTO)):
        result = cli(*arguments, "--cache-dir", tmp_path / "file" / "cache")
        assert result.status == 0, result.err
        assert result.err.count("warning: ") == 1
        assert f"the cache {tmp_path / 'file' / 'cache'} cannot be written: " in result.err
    assert (tmp_path / "file").read_text() == "no folder"


@pytest.mark.slow
def test_a_full_disk_costs_one_warning(few: Path, tmp_path: Path) -> None:
    """No file may be larger than 60 kB: features are, runs are not."""
    code = (
        "import resource, sys\n"
        "from catdog.cli import run\n"
        "from catdog import devices\n"
        "devices.configure(None)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    trained = subprocess.run(
        [sys.executable, "-c", code, "train", str(few), "--epochs", "2", "--cache-dir", "cache"],
        cwd=tmp_path,
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert trained.returncode == 0, trained.stderr
    assert "Epoch 2/2" in trained.stdout
    assert trained.stderr.count("warning: ") == 1
    assert "features cannot be cached" in trained.stderr
    assert "File too large" in trained.stderr
    assert not list((tmp_path / "cache" / "features").rglob("*.npy"))


@pytest.mark.slow
def test_a_limit_holds_when_the_command_has_ended(cli: Cli, tmp_path: Path) -> None:
    data, other = _pictures(tmp_path / "data", 12), _pictures(tmp_path / "other", 4)
    cache = ("--cache-dir", tmp_path / "cache", "--cache-limit")
    trained = cli("train", data, "--name", "limited", "--epochs", 1, *cache, "500kB")
    assert trained.status == 0, trained.err
    assert "the maps of 24 photos take 1.2 MB, but the cache may use 500.0 kB. Pooled" in trained.err
    features = tmp_path / "cache" / "features"
    assert sum(map(len, files_below(features).values())) <= 500_000
    # Within the limit, what was not used for longest makes room.
    assert cli("predict", other / "reds", *cache, "250kB").status == 0
    kept = cli("predict", other / "blues", "--format", "json", *cache, "250kB")
    again = cli("predict", other / "blues", "--format", "json", *cache, "250kB")
    assert sum(map(len, files_below(features).values())) <= 250_000
    assert kept.out == again.out
    assert "Loading the network" in kept.err
    assert "Loading the network" not in again.err
    assert cli("predict", PHOTO, *cache, "many").status == 2
    assert "20GB" in cli("predict", PHOTO, *cache, "many").err


@pytest.mark.slow
def test_many_small_predictions_and_a_training_with_few_open_files(cache_dir: Path, tmp_path: Path) -> None:
    """What made `train` compute everything three times and fail: more shards than files that may be open."""
    data = _pictures(tmp_path / "data", 40)
    code = (
        "import os, resource, sys\n"
        "from pathlib import Path\n"
        "import catdog\n"
        "model = catdog.load()\n"
        "photos = sorted(Path('data').rglob('*.png'))\n"
        "model.predict([photos[0]])\n"
        "limit = len(os.listdir('/dev/fd')) + 70\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))\n"
        "for photo in photos:\n"
        "    [answer] = model.predict([photo])\n"
        "    assert answer.error is None, answer\n"
    )
    places = {
        "CATDOG_CACHE_DIR": str(tmp_path / "cache"),
        "JAX_COMPILATION_CACHE_DIR": str(devices.compiled_folder(cache_dir)),
    }
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | places, check=True)
    assert len(list((tmp_path / "cache" / "features").rglob("*.npy"))) < 80
    trained = catdog("train", data, "--epochs", 1, cwd=tmp_path, **places)
    assert trained.returncode == 0, trained.stderr
    assert "Loading the network" not in trained.stderr


def test_a_folder_that_no_system_accepts_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for folder, reason in (("a" * 300, "File name too long"), ("loop", "Too many levels of symbolic links")):
        result = cli("inspect", "--cache", "--cache-dir", tmp_path / folder)
        assert result.status == 1
        assert f"cannot be used: {reason}. Name another one with --cache-dir" in result.err
