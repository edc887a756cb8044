"""Peak memory of a training whose features are all in the cache, for as many photos as you like.

    python tests/benchmarks/memory.py [--photos 23000] [--epochs 3] [-- OPTIONS OF catdog train]

Makes tiny pictures and random features for them in a temporary folder (50 kB a photo), then runs `catdog
train` on them in a process of its own and prints its peak resident memory. The accuracy means nothing.
"""

import argparse
import hashlib
import io
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from catdog import devices
from catdog.config import Decoding, Head
from catdog.features.prefix import Prefix
from catdog.features.store import FeatureStore, ShardWriter
from catdog.model.weights import find_weights

_CLASSES = ("cats", "dogs")


def main() -> None:
    """Fill, train, print."""
    parser = argparse.ArgumentParser(description="Peak memory of a cached training.")
    parser.add_argument("--photos", type=int, default=23_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("options", nargs="*", help="options of catdog train, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _fill(folder, arguments.photos)
        command = [sys.executable, "-m", "catdog", "train", "data", "--epochs", str(arguments.epochs)]
        environment = os.environ | {"CATDOG_CACHE_DIR": str(folder / "cache")}
        subprocess.run([*command, *arguments.options], cwd=folder, env=environment, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024  # Linux counts in KiB
    print(f"{arguments.photos} photos: peak resident memory {peak / 1e9:.2f} GB")


def _fill(folder: Path, photos: int) -> None:
    """So many training photos and a tenth of that for validation, half of each class."""
    devices.configure(folder / "cache")
    key = Prefix(find_weights("builtin"), Head(), unfreeze="head", memo_dir=None).key(Decoding())
    random = np.random.default_rng(0)
    with ShardWriter(FeatureStore(folder / "cache" / "features", key)) as writer:
        for split, count in (("train", photos), ("valid", photos // 10)):
            for number in range(count):
                label = _CLASSES[number % 2]
                content = _picture(f"{split} {number}")
                path = folder / "data" / split / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                tensor = 10 * random.random(key.shape, np.float32) + number % 2
                writer.add(hashlib.sha256(content).hexdigest(), tensor.astype(np.float16))


def _picture(seed: str) -> bytes:
    pixels = hashlib.sha256(seed.encode()).digest()[:12]
    file = io.BytesIO()
    Image.frombytes("RGB", (2, 2), pixels).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
