"""Peak memory and time of a training on as many photos as you like.

    python tests/benchmarks/memory.py [--photos 23000] [--epochs 3] [--cold] [-- OPTIONS OF catdog train]
    python tests/benchmarks/memory.py --extract DATA [--photos 23000] [...]

The first makes tiny pictures and random features for them in a temporary folder (50 kB a photo), and trains
with all features in the cache; `--cold` first makes the system forget the files, as after a restart. The
second repeats the photos of DATA, each with a few bytes behind its end that make it another file, and
computes the features of all of them. Either runs `catdog train` in a process of its own and prints that
one's peak resident memory, its time, and the median time of an epoch. The accuracy means nothing. In between,
the first opens the cache and looks all photos up, in a process of its own too, and prints the same.
"""

import argparse
import hashlib
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

import numpy as np
from PIL import Image

from catdog import devices
from catdog.config import Decoding, Head
from catdog.features.prefix import Prefix
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.runs import Run
from catdog.weights.source import find_weights
from catdog.workspace import FeatureCache

_CLASSES = ("cats", "dogs")
_LIMIT = 2**60


def main() -> None:
    """Fill, train, print."""
    parser = argparse.ArgumentParser(description="Peak memory and time of a training.")
    parser.add_argument("--photos", type=int, default=23_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--cold", action="store_true", help="forget cached files before the training")
    parser.add_argument("--extract", type=Path, metavar="DATA", help="compute the features of real photos")
    parser.add_argument("options", nargs="*", help="options of catdog train, after --")
    parser.add_argument("--look-up", type=Path, help=argparse.SUPPRESS)  # this process does that alone
    arguments = parser.parse_args()
    if arguments.look_up:
        _look_up(arguments.look_up)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.extract:
            _repeat(arguments.extract, folder, arguments.photos)
        else:
            _fill(folder, arguments.photos)
            _run([sys.executable, __file__, "--look-up", str(folder)])
        if arguments.cold:
            _forget(folder)
        command = [sys.executable, "-m", "catdog", "train", "data", "--epochs", str(arguments.epochs)]
        command += ["--cache-limit", str(_LIMIT), "--quality", "fast"]  # as in `_store`
        command += ["--cache-dir", str(folder / "cache"), *arguments.options]
        began = time.monotonic()
        peak = _run(command, cwd=folder)
        seconds = time.monotonic() - began
        (run,) = (folder / "runs").iterdir()
        epoch = statistics.median(record.seconds for record in Run(run).history())
    print(f"{arguments.photos} photos: peak resident memory {peak / 1e9:.2f} GB, {seconds:.1f} s in all")
    print(f"an epoch: {epoch:.2f} s")


def _run(command: list[str], cwd: Path | None = None) -> int:
    """Run a process to its end; the bytes of its peak resident memory, as Linux counts them."""
    process = subprocess.Popen(command, cwd=cwd)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}")
    return usage.ru_maxrss * 1024


def _fill(folder: Path, photos: int) -> None:
    """So many training photos and a tenth of that for validation, half of each class."""
    devices.configure(folder / "cache")
    random = np.random.default_rng(0)
    store = _store(folder)
    key = store.key
    with ShardWriter(store) as writer:
        for split, count in (("train", photos), ("valid", photos // 10)):
            for number in range(count):
                label = _CLASSES[number % 2]
                content = _picture(f"{split} {number}")
                _put(folder / "data" / split / label / f"{number}.png", content)
                tensor = 10 * random.random(key.shape, np.float32) + number % 2
                writer.add(hashlib.sha256(content).hexdigest(), tensor.astype(np.float16))


def _look_up(folder: Path) -> None:
    """Print how long the cache takes to open, to find all photos, and to check their tensors."""
    digests = [
        digest.hex()
        for path in sorted((folder / "cache" / "features").rglob("*.index.npy"))
        for digest in map(bytes, np.load(path)["digest"])
    ]
    store, began = _store(folder), time.monotonic()
    store.refresh()
    assert store.missing([digests[-1], "00" * 32]) == ["00" * 32]
    opened = time.monotonic() - began
    store, began = _store(folder), time.monotonic()
    assert len(store.features(digests)) == len(digests)
    found = time.monotonic() - began
    began = time.monotonic()
    assert store.missing(digests) == []
    checked = time.monotonic() - began
    print(f"{len(digests)} photos in the cache: opened, and one found, in {opened:.2f} s")
    print(f"all found in {found:.2f} s, read and held against their checksums in {checked:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak resident memory of that {peak / 1e9:.2f} GB", flush=True)


def _store(folder: Path) -> FeatureStore:
    key = Prefix(find_weights("builtin"), Head(), unfreeze="head").key(Decoding())
    return FeatureStore(FeatureCache(folder / "cache" / "features", _LIMIT), key)


def _repeat(data: Path, folder: Path, photos: int) -> None:
    """The same from real photos, which a JPEG decoder reads up to their end."""
    for split, count in (("train", photos), ("valid", photos // 10)):
        labels = sorted(path for path in (data / split).iterdir() if path.is_dir())
        for label in labels:
            paths = cycle(sorted(label.glob("*.jpg")))
            for number, path in zip(range(count // len(labels)), paths, strict=False):
                content = path.read_bytes() + f"{split} {number}".encode()
                _put(folder / "data" / split / label.name / f"{number}.jpg", content)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _forget(folder: Path) -> None:
    """Write everything out and let the system drop its copy of it."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _picture(seed: str) -> bytes:
    pixels = hashlib.sha256(seed.encode()).digest()[:12]
    file = io.BytesIO()
    Image.frombytes("RGB", (2, 2), pixels).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
