"""Time and peak memory of every command on many photos.

    python tests/benchmarks/many_photos.py [--photos 10000] [--classes 1000] [--bytes 2000] [--size 320]
        [--vectors] [--data FOLDER] [--only scan again train ...] [-- OPTIONS OF catdog train]

Makes so many files (PNGs of 2 x 2 pixels, with bytes behind their end) in a temporary folder, or in `--data`,
which stays and is used again, and fills the feature cache for all of them: computing them is not measured. A
photo's features take 100 kB, of `--size 96` 9 kB, and with `--vectors` 6 kB; `inspect` looks for those of 320
pixels. One photo in a hundred is nearly another one. Each step runs in a process of its own; its seconds of a
core say more than its time where others use the machine too. `hash` is the first look at the files, `again`
the second; the accuracy means nothing.
"""

import argparse
import hashlib
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from catdog import devices
from catdog.config import Decoding, Head
from catdog.data import fingerprint, scan, split_by_content
from catdog.features.prefix import Prefix
from catdog.features.store import FeatureStore
from catdog.features.writer import ShardWriter
from catdog.training.options import SIZES_OF, NewRun
from catdog.weights.source import find_weights
from catdog.workspace import FeatureCache, Workspace

_STEPS = "scan hash again rehash look-up train train-again evaluate predict inspect-quick inspect".split()
_OWN, _WITHOUT_FEATURES = _STEPS[:5], _STEPS[:4]
_FOLDER = 1000  # photos of a class that are in a folder of their own
_LIMIT = 2**60
_CHANNELS = 512


def main() -> None:
    """Make the photos; measure each step."""
    parser = argparse.ArgumentParser(description="Time and peak memory of every command on many photos.")
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=2000, help="of a file")
    parser.add_argument("--size", type=int, default=SIZES_OF[NewRun.quality][0], help="pixels a side")
    parser.add_argument("--vectors", action="store_true", help="pooled vectors in the cache, not maps")
    parser.add_argument("--data", type=Path, help="keep the photos in this folder")
    parser.add_argument("--only", nargs="+", choices=_STEPS, default=_STEPS)
    parser.add_argument("options", nargs="*", help="options of catdog train, after --")
    parser.add_argument("--step", help=argparse.SUPPRESS)  # this process does that alone
    given = parser.parse_args()
    if given.step:
        if given.step == "fill":
            _fill(given.data, given.classes, given.size, given.vectors)
        else:
            _measure(given.step, given.data, given.size, given.vectors)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = (given.data or Path(name)).absolute()
        if not (folder / "data").exists():
            _make(folder / "data", given.photos, given.classes, given.bytes)
            time.sleep(3)  # younger files are not remembered
        same = ["--data", str(folder), "--classes", str(given.classes), "--size", str(given.size)]
        same += ["--vectors"] * given.vectors
        own = [sys.executable, __file__, *same, "--step"]
        if not set(given.only) <= set(_WITHOUT_FEATURES) and not (folder / "cache" / "features").exists():
            _run([*own, "fill"], folder)
        for step in given.only:
            command = [*own, step]
            if step not in _OWN:
                command = [sys.executable, "-m", "catdog", *_words(step, folder, given.size, given.options)]
            began = time.monotonic()
            used = _run(command, folder)
            print(
                f"{step}: {time.monotonic() - began:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of a core, "
                f"peak resident memory {used.ru_maxrss * 1024 / 1e9:.2f} GB",
                flush=True,
            )


def _words(step: str, folder: Path, size: int, options: list[str]) -> list[str]:
    train = ["train", "data", "--name", f"run{time.time_ns()}", "--size", str(size), *options]
    words = {
        "train": train,
        "train-again": train,
        "evaluate": ["evaluate", "--data", "data", "--split", "all"],
        "predict": ["predict", "data", "--format", "jsonl"],
        "inspect-quick": ["inspect", "data", "--quick"],
        "inspect": ["inspect", "data"],
    }[step]
    return [*words, "--cache-dir", str(folder / "cache"), "--cache-limit", str(_LIMIT)]


def _run(command: list[str], folder: Path) -> resource.struct_rusage:
    """Run a process to its end; what it used, as Linux counts it."""
    output = None if "--step" in command else subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        print(f"{' '.join(command)}: exit status {process.returncode}")
    return usage


def _make(folder: Path, photos: int, classes: int, size: int) -> None:
    """So many different files of `size` bytes, the classes in turn."""
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, "PNG")
    start = file.getvalue()
    filling = hashlib.shake_256(b"catdog").digest(size)
    for number in range(photos):
        place = folder / f"class {number % classes:04}" / f"{number // (classes * _FOLDER):03}"
        if number % (classes * _FOLDER) < classes:
            place.mkdir(parents=True, exist_ok=True)
        content = start + f"{number:012}".encode() + filling
        (place / f"{number}.png").write_bytes(content[:size])


def _fill(folder: Path, classes: int, size: int, vectors: bool) -> None:
    """Features of all photos: sparse, something of the class in them, at 64 arrangements of the places."""
    devices.configure(folder / "cache")
    stores = _stores(folder, size, vectors)
    random = np.random.default_rng(0)
    noise = random.random((64, *stores[0].key.shape), np.float32).astype(np.float16)
    of_class = random.gamma(0.3, 1, (classes, _CHANNELS))
    with ExitStack() as stack:
        writers = [stack.enter_context(ShardWriter(store)) for store in stores]
        for digest, number in _contents(folder / "data"):
            is_changed = number // classes % 100 == 1
            own = np.random.default_rng(number - classes * is_changed).gamma(0.3, 1, _CHANNELS)
            means = (own + of_class[number % classes]) * np.random.default_rng(number).normal(
                1, 0.05, _CHANNELS
            )
            if vectors:  # of `gem` and of `concat`
                means = np.maximum(means, 0).astype(np.float32)
                tensors = means / np.linalg.norm(means), np.append(means, 2 * means)
            else:
                tensors = (noise[number % 64] * means.astype(np.float16),)
            for writer, tensor in zip(writers, tensors, strict=True):
                writer.add(digest, tensor)


def _contents(folder: Path) -> Iterator[tuple[str, int]]:
    for path in folder.rglob("*.png"):
        yield hashlib.sha256(path.read_bytes()).hexdigest(), int(path.stem)


def _stores(folder: Path, size: int, vectors: bool) -> list[FeatureStore]:
    """What `catdog train` looks for; with `vectors` also what `catdog inspect` looks for."""
    cache = FeatureCache(folder / "cache" / "features", _LIMIT)
    prefixes = [Prefix(find_weights("builtin"), Head(kind), unfreeze="head") for kind in ("gem", "concat")]
    keys = [prefix.key(Decoding(size), pooled=vectors) for prefix in prefixes]
    return [FeatureStore(cache, key) for key in (keys if vectors else keys[:1])]


def _measure(step: str, folder: Path, size: int, vectors: bool) -> None:
    began = time.monotonic()
    photos = scan(folder / "data").splits["all"]
    print(f"{len(photos):,} photos found in {time.monotonic() - began:.2f} s", end="")
    if step != "scan":
        began = time.monotonic()
        workspace = Workspace.below(folder / "cache", workers=2, rehash=step in ("hash", "rehash"))
        digests = fingerprint([photo.path for photo in photos], workspace=workspace).digests
        print(f", hashed in {time.monotonic() - began:.2f} s", end="")
        began = time.monotonic()
        split_by_content([(photo, digests[photo.path]) for photo in photos], fraction=0.2)
        print(f", split in {time.monotonic() - began:.2f} s", end="")
        if step == "look-up":
            store, began = _stores(folder, size, vectors)[0], time.monotonic()
            assert len(store.features(list(digests.values()))) == len(photos)
            print(f", found in the cache in {time.monotonic() - began:.2f} s", end="")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f", peak resident memory of that {peak / 1e9:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
