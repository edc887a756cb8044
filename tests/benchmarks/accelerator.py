"""How fast is catdog on a GPU, and what bounds it?

    python tests/benchmarks/accelerator.py DATA [--photos 23000] [--only device,files,epochs,job,cores]

Cuts as many JPEG files of 500 × 375 pixels as asked for out of the photos below DATA (a folder a class), and
measures on them, each part in a process of its own: the extraction from memory, beside Keras and PyTorch; the
way from a file to the cache; epochs of the head, of block5 and of everything; the whole job; extraction on
1, 2, 4, ... cores of the processor. Prints Markdown.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measuring import describe
from PIL import Image

from catdog import devices

_SIDES = (500, 375)  # of a photo, pixels: the mean of Kaggle's dogs against cats
_SECONDS = 2.0  # that a rate is measured for
_IN_MEMORY, _BATCH = 2048, 256  # photos
_FLOP = 30.7e9  # of VGG16's convolutions for a photo of 224 × 224 pixels, a multiply-add counted as two


def main() -> None:
    """Make the photos, measure each part in a process of its own."""
    parser = argparse.ArgumentParser(description="Speed of catdog on a GPU.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=23000)
    parser.add_argument("--only", default="device,files,epochs,job,cores")
    parser.add_argument("--part", choices=[*_PARTS], help=argparse.SUPPRESS)  # this process measures it
    arguments = parser.parse_args()
    if arguments.part:
        for row in _PARTS[arguments.part](arguments.data):
            print(f"| {' | '.join(row)} |", flush=True)
        return
    print(describe(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        make_photos(arguments.data, folder / "photos", arguments.photos)
        print(f"{arguments.photos} photos made in {time.monotonic() - began:.1f} s", flush=True)
        for part in arguments.only.split(","):
            print(f"\n| {part} | |\n| --- | --- |", flush=True)
            command = [sys.executable, __file__, str(folder / "photos"), "--part", part]
            subprocess.run(command, cwd=folder, env=os.environ | {"TMPDIR": name}, check=False)


def make_photos(data: Path, folder: Path, count: int) -> None:
    """Cut different photos out of those of a data set with a folder a class, two classes or more."""
    classes = {path.parent.name for path in data.rglob("*.jpg")}
    paths = {name: sorted(data.rglob(f"{name}/*.jpg")) for name in sorted(classes)}
    for name in paths:
        (folder / name).mkdir(parents=True)
    numbers = range(count)
    chosen = [sorted(paths)[number % len(paths)] for number in numbers]
    sources = [paths[name][number // len(paths) % len(paths[name])] for number, name in enumerate(chosen)]
    targets = [folder / name / f"{number:06}.jpg" for number, name in enumerate(chosen)]
    with ProcessPoolExecutor(devices.usable_cores()) as pool:
        for _ in pool.map(_cut, sources, targets, numbers, chunksize=64):
            pass


def _cut(source: Path, target: Path, number: int) -> None:
    random = np.random.default_rng(number)
    with Image.open(source) as photo:
        width, height = photo.size
        left, top = random.uniform(0, 0.2, 2) * photo.size
        right, bottom = photo.size - random.uniform(0, 0.2, 2) * photo.size
        box = (left, top, max(right, left + 1), max(bottom, top + 1))
        sides = _SIDES if width >= height else (_SIDES[1], _SIDES[0])
        photo.convert("RGB").resize(sides, Image.Resampling.BILINEAR, box).save(target, quality=90)


Rows = Iterator[tuple[str, ...]]


def device(data: Path) -> Rows:
    """Photos in memory → pool5."""
    devices.set_flags()
    import jax

    from catdog.config import Decoding
    from catdog.data import decoded

    yield jax.devices()[0].device_kind, f"{devices.usable_cores()} cores"
    paths = sorted(data.rglob("*.jpg"))[:_IN_MEMORY]
    for size in (224, 320):
        stream = decoded(paths, Decoding(size), workers=devices.usable_cores())
        pixels_bhwc = np.stack([photo.pixels for photo in stream if photo.pixels is not None])
        yield from _programs(pixels_bhwc)
        yield from _copies(pixels_bhwc)
        memory = jax.devices()[0].memory_stats() or {}
        yield f"{size} pixels, memory at most", f"{memory.get('peak_bytes_in_use', 0) / 2**30:.1f} GiB"
        if size == 224:
            yield from _peers(pixels_bhwc)


def _programs(pixels_bhwc: np.ndarray) -> Rows:
    """The convolutions alone, photos on the device, and how far their features are from full float32."""
    import jax

    from catdog.model import frozen
    from catdog.model.architecture import CONVOLUTIONS
    from catdog.model.preprocess import preprocess
    from catdog.weights import source as weights

    tensors = weights.read_tensors(weights.find_weights("builtin"), CONVOLUTIONS)
    size = pixels_bhwc.shape[1]
    parts = [jax.device_put(part) for part in np.split(pixels_bhwc[: 4 * _BATCH], 4)]
    with jax.default_matmul_precision("highest"):
        program, arrays = frozen.direct(CONVOLUTIONS, tensors, dtype="float32")
        ready = preprocess(parts[0][:32], "caffe", "float32")
        exact = np.asarray(jax.jit(program)(arrays, ready), np.float32)
    for dtype in ("bfloat16", "float32"):
        program, arrays = frozen.direct(CONVOLUTIONS, tensors, dtype=dtype)

        @jax.jit
        def compiled(arrays: Any, photos: Any, program: Any = program) -> Any:
            return program(arrays, preprocess(photos, "caffe", program.dtype)).astype("float16")

        began = time.monotonic()
        found = np.asarray(compiled(arrays, parts[0])[:32], np.float32)
        first = time.monotonic() - began
        rate = _rate(partial(_all_parts, compiled, arrays, parts))
        name = f"{size} pixels, {dtype}"
        flops = rate * _FLOP * (size / 224) ** 2
        speed = f"{rate:,.0f} photos/s, {flops / 1e12:.0f} TFLOP/s; first call {first:.1f} s"
        yield f"{name}, photos on the device, batches of {_BATCH}", speed
        lengths = np.sqrt((found**2).sum((1, 2, 3)) * (exact**2).sum((1, 2, 3)))
        cosine = ((found * exact).sum((1, 2, 3)) / lengths).min()
        largest = np.abs(found - exact).max() / exact.max()
        yield f"{name}, beside full float32", f"at most {largest:.1e} of the largest, cosine {cosine:.6f}"


def _all_parts(compiled: Any, arrays: Any, parts: list[Any]) -> int:
    import jax

    jax.block_until_ready([compiled(arrays, part) for part in parts])
    return sum(map(len, parts))


def _copies(pixels_bhwc: np.ndarray) -> Rows:
    """To the device and back."""
    import jax

    size = pixels_bhwc.shape[1]
    rate = _rate(lambda: len(jax.block_until_ready(jax.device_put(pixels_bhwc))))
    yield f"{size} pixels, copied to the device", f"{rate:,.0f} photos/s"
    maps = jax.numpy.ones((len(pixels_bhwc), size // 32, size // 32, 512), "float16")
    rate = _rate(lambda: len(np.asarray(maps + 1)))
    yield f"{size} pixels, features copied back", f"{rate:,.0f} photos/s"


def _peers(pixels_bhwc: np.ndarray) -> Rows:
    from extractors import EXTRACTORS, lacking

    from catdog.model.architecture import CONVOLUTIONS
    from catdog.model.preprocess import preprocess
    from catdog.weights import source as weights

    tensors = weights.read_tensors(weights.find_weights("builtin"), CONVOLUTIONS)
    ready = np.asarray(preprocess(pixels_bhwc, "caffe"))  # pyright: ignore[reportArgumentType]
    for name in ("catdog", "Keras", "PyTorch", "PyTorch bfloat16"):
        if missing := lacking(name):
            yield name, f"{', '.join(missing)} not installed"
            continue
        images = pixels_bhwc if name == "catdog" else ready
        for _, extract in EXTRACTORS[name][1](tensors, 224):
            rate = _rate(partial(_extracted, extract, images))
            yield f"{name}, from memory to memory", f"{rate:,.0f} photos/s"


def _extracted(extract: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> int:
    return len(extract(images))


def files(data: Path) -> Rows:
    """The parts of the way from a file to the cache."""
    devices.set_flags()
    from catdog.config import Decoding, Head
    from catdog.data import decoded, fingerprint, probe_all
    from catdog.features.extract import extract
    from catdog.features.prefix import Prefix
    from catdog.weights.source import find_weights
    from catdog.workspace import FeatureCache, Workspace

    paths = sorted(data.rglob("*.jpg"))
    cores = devices.usable_cores()
    prints = fingerprint(paths, workspace=Workspace(workers=cores))
    for path in paths:
        path.read_bytes()
    some, rest = paths[:4096], paths[_BATCH : 8192 + _BATCH]
    yield (
        "hashed",
        f"{_once(lambda: len(fingerprint(paths, workspace=Workspace(workers=cores)).digests)):,.0f} photos/s",
    )
    yield "headers read", f"{_once(lambda: len(some) - len(probe_all(some, workers=cores))):,.0f} photos/s"
    for workers in (1, 4, 8, 16):
        for size in (224, 320) if workers == 16 else (224,):

            def decode(workers: int = workers, size: int = size) -> int:
                few = some[: 512 * workers]
                stream = decoded(few, Decoding(size), workers=workers, digests=prints.digests, ahead=512)
                return sum(photo.pixels is not None for photo in stream)

            rate = max(_once(decode), _once(decode))  # the first time, processes are started
            yield f"decoded to {size} pixels by {workers} workers", f"{rate:,.0f} photos/s"

    class Free(Prefix):
        def __call__(self, pixels_bhwc: np.ndarray) -> Any:
            shape = (len(pixels_bhwc), *self.output_shape(pixels_bhwc.shape[1]))
            return np.broadcast_to(pixels_bhwc[:, :1, :1, :1].astype(np.float16), shape)

    source = find_weights("builtin")
    for size in (224, 320):
        for name, prefix in (
            ("convolutions that cost nothing", Free(source, Head(), unfreeze="head")),
            ("all of it", Prefix(source, Head(), unfreeze="head")),
        ):
            with tempfile.TemporaryDirectory() as cache:
                workspace = Workspace(features=FeatureCache(Path(cache)), workers=cores)
                if name == "all of it":
                    extract(paths[:_BATCH], prefix, Decoding(size), workspace=workspace)  # compiles

                def run(workspace: Workspace = workspace, prefix: Prefix = prefix, size: int = size) -> int:
                    digests = dict(prints.digests)
                    found = extract(rest, prefix, Decoding(size), workspace=workspace, digests=digests)
                    return len(found.photos)

                yield f"{size} pixels, to the cache, {name}", f"{_once(run):,.0f} photos/s"


def epochs(data: Path) -> Rows:
    """Epochs of the head, of block5 and of everything, 2,048 photos, 224 pixels."""
    few = data.parent / "few"
    for number, path in enumerate(sorted(data.rglob("*.jpg"))[::5][:2304]):
        split = "valid" if number % 9 == 0 else "train"
        target = few / split / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(path)
    variants: dict[str, list[str]] = {
        "head": ["--optimizer", "adam"],
        "block5": ["--unfreeze", "block5"],
        "all": ["--unfreeze", "all"],
        "all, batches of 256": ["--unfreeze", "all", "--batch-size", "256"],
    }
    for name, options in variants.items():
        command = ["train", str(few), "--size", "224", "--epochs", "3", "--folds", "0", "--name", "run"]
        began = time.monotonic()
        run = _catdog(*command, *options, "--cache-dir", str(data.parent / "cache"), runs=data.parent / name)
        seconds = time.monotonic() - began
        if run is None:
            yield name, "failed"
            continue
        rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
        best = min(row["seconds"] for row in rows if row["epoch"])
        yield (
            name,
            f"an epoch with validation {best:.2f} s, {2048 / best:,.0f} photos/s; command {seconds:.1f} s; "
            f"validation loss {rows[-1]['val_loss']:.3f}",
        )


_LIKE_THE_LECTURE = ["--quality", "fast", "--optimizer", "adam"]


def job(data: Path) -> Rows:
    """The whole job: from the command to its end."""
    for name, options in {
        "defaults, nothing cached": [],
        "defaults, all cached": [],
        "224 pixels, Adam, 2 epochs, nothing cached": [*_LIKE_THE_LECTURE, "--epochs", "2"],
    }.items():
        began = time.monotonic()
        run = _catdog(
            *["train", str(data), "--cache-dir", str(data.parent / "cache-job"), "--name", "run", *options],
            runs=data.parent / f"runs {name}",
        )
        seconds = time.monotonic() - began
        yield name, f"{seconds:.1f} s" if run else "failed"


def cores(data: Path) -> Rows:
    """Extraction on the processor, on 1, 2, 4, ... cores."""
    program = """
import sys, time
import numpy as np
from catdog import devices
devices.set_flags()
from extractors import EXTRACTORS
from catdog.model.architecture import CONVOLUTIONS
from catdog.weights import source
tensors = source.read_tensors(source.find_weights("builtin"), CONVOLUTIONS)
pixels = np.random.default_rng(0).integers(0, 256, (32 * devices.usable_cores(), 224, 224, 3), np.uint8)
[(_, extract)] = EXTRACTORS["catdog"][1](tensors, 224)
extract(pixels[: 4 * devices.usable_cores()])
began, done = time.monotonic(), 0
while time.monotonic() - began < 4:
    extract(pixels)
    done += len(pixels)
print(done / (time.monotonic() - began))
"""
    alone = None
    count = 1
    while count <= devices.usable_cores():
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}",
        }
        command = ["taskset", "-c", f"0-{count - 1}", sys.executable, "-c", program]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            yield f"{count} cores", ran.stderr[-300:]
        else:
            rate = float(ran.stdout)
            alone = alone or rate
            yield f"{count} cores", f"{rate:.1f} photos/s, {rate / alone / count:.0%} of {count} × one core"
        count *= 2


def _catdog(*arguments: str, runs: Path) -> Path | None:
    """Run a command; its run folder, or None with the end of what it said."""
    command = [sys.executable, "-m", "catdog", *arguments, "--runs-dir", str(runs)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        print(ran.stdout[-500:], ran.stderr[-1500:], file=sys.stderr, flush=True)
        return None
    return runs / "run"


def _rate(function: Callable[[], int]) -> float:
    """Photos a second of a function that returns how many it took, called for some seconds."""
    function()
    began, done = time.monotonic(), 0
    while time.monotonic() - began < _SECONDS:
        done += function()
    return done / (time.monotonic() - began)


def _once(function: Callable[[], int]) -> float:
    began = time.monotonic()
    return function() / (time.monotonic() - began)


_PARTS: dict[str, Callable[[Path], Rows]] = {
    "device": device,
    "files": files,
    "epochs": epochs,
    "job": job,
    "cores": cores,
}

if __name__ == "__main__":
    main()
