"""Many predictions of one photo each, with few open files, and then a training on the same photos.

    python tests/benchmarks/many_predictions.py DATA [--photos 5000] [--files 256]

Makes so many photos of those below DATA, each with a few bytes behind its end that make it another file. Asks
`catdog.load().predict` for one after the other in a process that may open 256 files. Trains on all of them in
another such process, for which nothing may be left to compute.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from catdog.runs import shipped_run

_PREDICT = """
import sys
from pathlib import Path
import catdog
model = catdog.load()
for number, photo in enumerate(sorted(Path("data").rglob("*.jpg"))):
    [prediction] = model.predict([photo])
    assert prediction.error is None, prediction
    if number % 500 == 0:
        print(number, file=sys.stderr, flush=True)
"""


def _size_of_the_model() -> int:
    """Pixels, both sides, of the photos that `catdog.load()` predicts."""
    return shipped_run().read_model()[1].decoding.size


def main() -> None:
    """Make the photos, predict, train, print."""
    parser = argparse.ArgumentParser(description="Predictions of single photos, then a training.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--files", type=int, default=256, help="that a process may open (ulimit -n)")
    arguments = parser.parse_args()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (arguments.files, arguments.files))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label in ("cats", "dogs"):
            (folder / "data" / label).mkdir(parents=True)
            originals = sorted(path for path in arguments.data.rglob("*.jpg") if path.parent.name == label)
            for number, path in enumerate(islice(cycle(originals), arguments.photos // 2)):
                content = path.read_bytes() + str(number).encode()
                (folder / "data" / label / f"{number}.jpg").write_bytes(content)
        environment = os.environ | {"CATDOG_CACHE_DIR": str(folder / "cache")}
        for what, command in (
            ("predictions", ["-c", _PREDICT]),
            ("training", ["-m", "catdog", "train", "data", "--size", str(_size_of_the_model())]),
        ):
            began = time.monotonic()
            ran = subprocess.run(
                [sys.executable, *command],
                cwd=folder,
                env=environment,
                preexec_fn=limit,
                stderr=None if what == "predictions" else subprocess.PIPE,
                text=True,
                check=False,
            )
            if ran.returncode:
                sys.exit(f"{what}: {ran.stderr}")
            assert "Loading the network" not in (ran.stderr or ""), "the training computed features again"
            print(f"{what}: {time.monotonic() - began:.1f} s")
        shards = len(list((folder / "cache").rglob("*.index.npy")))
        print(f"{arguments.photos} photos in {shards} shards")


if __name__ == "__main__":
    main()
