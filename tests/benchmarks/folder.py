"""`catdog predict` over a folder: its rate beside extraction's, and its memory over very many photos.

    python tests/benchmarks/folder.py DATA [--photos 400] [--turns 3] [--many 100000]

First, in turns, photos of DATA are answered by `catdog predict` and their features computed by
`catdog.features.extract.extract`, each in a process of its own with an empty cache and a few photos more
before the clock runs, so that neither pays for a start. Prints both rates and the median ratio within a
turn. Then `catdog predict` answers `--many` links to those photos, whose features are cached by then, and
its peak resident memory is printed beside that of a tenth as many. Every photo is copied with a few bytes
behind its end, so that its content is new.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

_WARM = 8  # photos before the clock runs: the first chunk, which waits for the compiler
_LINKS = 1000  # a folder: more are slow to make on some file systems


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="catdog predict over a folder.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--extract", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.extract:
        print(_extract(sorted(arguments.data.iterdir())))
        return
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name) / "photos"
        _repeat(arguments.data, photos, _WARM + arguments.photos)
        _compare(photos, Path(name), arguments.photos, arguments.turns)
        if arguments.many:
            _remember(photos, Path(name), arguments.many)


def _compare(photos: Path, folder: Path, count: int, turns: int) -> None:
    rates: list[tuple[float, float]] = []
    for turn in range(turns):
        caches = [folder / f"cache {turn} {kind}" for kind in ("predict", "extract")]
        predicted = count / _predict(photos, caches[0], count)
        command = [sys.executable, __file__, str(photos), "--extract"]
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, env=os.environ | {"CATDOG_CACHE_DIR": str(caches[1])}
        )
        rates.append((predicted, count / float(done.stdout)))
        print(f"  turn {turn + 1}: {rates[-1][0]:.1f} and {rates[-1][1]:.1f} photos/s", file=sys.stderr)
    ratio = statistics.median(predicted / extracted for predicted, extracted in rates)
    print(f"| {count} photos, nothing cached | photos/s | of extraction's rate |")
    print("| --- | --- | --- |")
    print(f"| `catdog predict DIR` | {statistics.median(one for one, _ in rates):.1f} | {ratio:.2f} |")
    print(f"| features alone | {statistics.median(one for _, one in rates):.1f} | |")


def _predict(photos: Path, cache: Path, count: int) -> float:
    """Seconds from the row before the last `count` rows to the last row."""
    command = [sys.executable, "-m", "catdog", "predict", str(photos), "--format", "jsonl"]
    environment = os.environ | {"CATDOG_CACHE_DIR": str(cache)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=cache.parent
    ) as process:
        assert process.stdout
        for row in islice(process.stdout, _WARM):
            assert json.loads(row)["label"]
        began = time.monotonic()
        rows = sum(1 for _ in islice(process.stdout, count))
        seconds = time.monotonic() - began
    assert (process.returncode, rows) == (0, count), (process.returncode, rows)
    return seconds


def _extract(paths: list[Path]) -> float:
    """Seconds for the features of all but the first photos, in this process."""
    from catdog import devices
    from catdog.config import Head
    from catdog.features.extract import extract
    from catdog.features.prefix import Prefix
    from catdog.runs import shipped_run
    from catdog.weights.source import find_weights
    from catdog.workspace import FeatureCache, Workspace

    cache = Path(os.environ["CATDOG_CACHE_DIR"])
    devices.configure(cache)
    prefix = Prefix(find_weights("builtin"), Head(), unfreeze="head")
    workers, features = devices.usable_cores(), FeatureCache(cache / "features")
    workspace = Workspace(features=features, workers=workers)
    decoding = shipped_run().read_model()[1].decoding  # as `catdog predict` without a run
    extract(paths[:_WARM], prefix, decoding, workspace=workspace)
    began = time.monotonic()
    found = extract(paths[_WARM:], prefix, decoding, workspace=workspace)
    assert not found.skipped
    return time.monotonic() - began


def _remember(photos: Path, folder: Path, many: int) -> None:
    """Peak memory of answering so many links to photos that turn 1 has cached."""
    print("\n| photos, features cached | s | photos/s | peak memory of `catdog predict`, MB |")
    print("| --- | --- | --- | --- |")
    for count in (many // 10, many):
        links = folder / f"links {count}"
        for number, photo in enumerate(islice(cycle(sorted(photos.iterdir())), count)):
            place = links / str(number // _LINKS)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.jpg").symlink_to(photo)
        seconds, peak = _peak(links, folder / "cache 0 predict", count)
        print(f"| {count:,} | {seconds:.1f} | {count / seconds:.0f} | {peak / 1e6:.0f} |", flush=True)


def _peak(links: Path, cache: Path, count: int) -> tuple[float, int]:
    command = [sys.executable, "-m", "catdog", "predict", str(links), "--format", "jsonl"]
    environment = os.environ | {"CATDOG_CACHE_DIR": str(cache)}
    answers = links.with_suffix(".jsonl")
    began = time.monotonic()
    with answers.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, env=environment, cwd=cache.parent)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    with answers.open("rb") as rows:
        assert (process.returncode, sum(1 for _ in rows)) == (0, count)
    return seconds, used.ru_maxrss * 1024  # Linux counts in KiB


def _repeat(data: Path, folder: Path, count: int) -> None:
    folder.mkdir()
    for number, path in enumerate(islice(cycle(sorted(data.rglob("*.jpg"))), count)):
        (folder / f"{number:06}.jpg").write_bytes(path.read_bytes() + f" {number}".encode())


if __name__ == "__main__":
    main()
