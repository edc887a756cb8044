"""Time and peak memory of finding and reading many photos, the first time and the second.

    python tests/benchmarks/many_photos.py [--photos 10000] [--classes 1000] [--bytes 20000] [--data FOLDER]

Makes so many files (PNGs of 2 x 2 pixels, with bytes behind their end up to the size of a usual photo) in a
temporary folder, or in `--data`, which stays and is used again. Each step runs in a process of its own.
"""

import argparse
import hashlib
import io
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from catdog.data import fingerprint, scan, split_by_content
from catdog.workspace import Workspace

_FOLDER = 1000  # photos of a class that are in a folder of their own


def main() -> None:
    """Make the photos; measure each step."""
    parser = argparse.ArgumentParser(description="Time and peak memory of finding and reading many photos.")
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=20_000, help="of a file")
    parser.add_argument("--data", type=Path, help="keep the photos in this folder")
    parser.add_argument("--step", choices=("scan", "hash", "again", "rehash"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        _measure(given.step, given.data)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = given.data or Path(name)
        if not (folder / "data").exists():
            make(folder / "data", given.photos, given.classes, given.bytes)
            time.sleep(3)  # younger files are not remembered
        for step in ("scan", "hash", "again", "rehash"):
            subprocess.run([sys.executable, __file__, "--step", step, "--data", str(folder)], check=True)


def make(folder: Path, photos: int, classes: int, size: int) -> None:
    """So many different files of `size` bytes, the classes in turn."""
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, "PNG")
    start = file.getvalue()
    filling = hashlib.shake_256(b"catdog").digest(size)
    for number in range(photos):
        place = folder / f"class {number % classes:04}" / f"{number // (classes * _FOLDER):03}"
        if number < classes * _FOLDER or not number % (classes * _FOLDER):
            place.mkdir(parents=True, exist_ok=True)
        content = start + f"{number:012}".encode() + filling
        (place / f"{number}.png").write_bytes(content[:size])


def _measure(step: str, folder: Path) -> None:
    began = time.monotonic()
    data = scan(folder / "data")
    photos = data.splits["all"]
    print(f"{step}: {len(photos):,} photos found in {time.monotonic() - began:.2f} s", end="")
    if step != "scan":
        began = time.monotonic()
        workspace = Workspace.below(folder / "cache", workers=2, rehash=step in ("hash", "rehash"))
        digests = fingerprint([photo.path for photo in photos], workspace=workspace).digests
        print(f", hashed in {time.monotonic() - began:.2f} s", end="")
        began = time.monotonic()
        train, _ = split_by_content([(photo, digests[photo.path]) for photo in photos], fraction=0.2)
        print(f", split in {time.monotonic() - began:.2f} s ({len(train):,} train)", end="")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f", peak resident memory {peak / 1e6:,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
