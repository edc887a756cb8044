"""How fast is catdog, and how fast are others, on this machine?

    python tests/benchmarks/speed.py DATA [--quick] [--size 224] [--json FILE]
                                         [--only extraction,job,input,start]

DATA has train/CLASS/ and valid/CLASS/. Measures, one process after the other and in turns: the extraction of
features by catdog, XLA, Keras, PyTorch and ONNX Runtime; the whole job beside two programs in Keras, the
lecture's (lecture.py) and one that computes features once (features_once.py); the input side; and how long
commands take to start. Prints Markdown: medians, and ratios to the first row, which are medians of the ratios
within a turn. Writes JSON with every single figure. `--quick` takes about four minutes.
`--size` is that of the photos whose features are extracted from memory.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from extractors import EXTRACTORS, lacking, of_size, on_gpu
from job import job
from measuring import FULL, HERE, QUICK, Plan, Table, describe, python, time_of
from PIL import Image

from catdog import devices

_GPU_MEMORY = 2048


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Speed of catdog beside others.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--json", type=Path, default=Path("speed.json"))
    parser.add_argument("--only", default="extraction,input,start,job")
    parser.add_argument("--extractor", help=argparse.SUPPRESS)  # this process measures one, and prints it
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    plan = replace(QUICK if arguments.quick else FULL, size=arguments.size)
    if arguments.extractor:
        print(json.dumps(_extraction_rates(arguments.extractor, data, plan)))
        return
    parts: dict[str, Callable[[Path, Plan, Path], Iterable[Table]]] = {
        "extraction": extraction,
        "input": input_side,
        "start": start,
        "job": job,
    }
    print(machine := describe(), flush=True)
    tables: list[Table] = []
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            for table in parts[name](data, plan, Path(folder)):
                print(f"\n{table.markdown()}", flush=True)
                tables.append(table)
                facts = {"machine": machine, "plan": asdict(plan), "tables": [asdict(one) for one in tables]}
                arguments.json.write_text(json.dumps(facts, indent=1, ensure_ascii=False))


def extraction(data: Path, plan: Plan, folder: Path) -> Iterable[Table]:
    """Photos in memory → pool5."""
    table = Table(
        f"features, photos of {plan.size} pixels from memory",
        "photos/s",
        "catdog is ahead by",
        first_is_divided=True,
    )
    present = []
    for name in EXTRACTORS:
        if missing := lacking(name):
            table.absent[name] = f"{', '.join(missing)} not installed"
        elif name == "XLA bfloat16" and not on_gpu():
            table.absent[name] = "on a CPU it computes in float32"
        else:
            present.append(name)
    for _ in range(plan.turns):
        for name in present:
            quick = ["--quick"] if plan == replace(QUICK, size=plan.size) else []
            size = ["--size", plan.size]
            found = json.loads(python(HERE / "speed.py", data, "--extractor", name, *size, *quick))
            print(f"  {found}", file=sys.stderr)
            table.add(name, max(found["rates"].values()))
            if found["error"] > (1e-3 if found["dtype"] == "float32" and not on_gpu() else 0.05):
                raise SystemExit(f"{name} computes something else: relative error {found['error']:.1e}")
    yield table


def _extraction_rates(name: str, data: Path, plan: Plan) -> dict[str, Any]:
    devices.set_flags()
    from catdog.config import Decoding
    from catdog.data import decode
    from catdog.model import frozen
    from catdog.model.architecture import CONVOLUTIONS
    from catdog.model.preprocess import preprocess
    from catdog.weights import source as weights

    paths = sorted((data / "valid").rglob("*.jpg"))[: of_size(plan.memory, plan.size)]
    pixels = np.stack([decode(path, Decoding(size=plan.size)) for path in paths])
    if on_gpu():
        pixels = np.resize(pixels, (_GPU_MEMORY, *pixels.shape[1:]))
    tensors = weights.read_tensors(weights.find_weights("builtin"), CONVOLUTIONS)
    # numpy's arrays and jax' have what preprocess needs in common; a peer is given float32.
    ready = np.asarray(preprocess(pixels, "caffe"))  # pyright: ignore[reportArgumentType]
    images = pixels if name == "catdog" else ready
    rates, found = {}, np.empty(0)
    for arrangement, extract in EXTRACTORS[name][1](tensors, plan.size):
        found = extract(images)
        times, end = [], time.monotonic() + plan.seconds
        while time.monotonic() < end:
            began = time.monotonic()
            extract(images)
            times.append(time.monotonic() - began)
        rates[arrangement] = len(images) / statistics.median(times)
    program, arrays = frozen.direct(CONVOLUTIONS, tensors, dtype="float32")
    with jax.default_matmul_precision("highest"):
        expected = np.asarray(jax.jit(program)(arrays, ready[:4]))
    error = float(np.abs(found[:4].astype(np.float32) - expected).max() / expected.max())
    half = "bfloat16" in name or (name == "catdog" and on_gpu())
    return {"rates": rates, "error": error, "dtype": "bfloat16" if half else "float32"}


def input_side(data: Path, plan: Plan, folder: Path) -> Iterable[Table]:
    """From files to arrays, and to the cache with convolutions that cost nothing."""
    big = folder / "big"
    big.mkdir()
    paths = sorted(data.rglob("*.jpg"))
    step = max(1, len(paths) // plan.input)
    paths = paths[::step][: plan.input]
    for number, path in enumerate(paths[:32]):
        with Image.open(path) as photo:
            photo.resize((4000, 3000), Image.Resampling.BICUBIC).save(big / f"{number}.jpg", quality=90)
    large = sorted(big.iterdir())
    for path in (*paths, *large):
        path.read_bytes()  # the disk is not what is compared
    for name, some in ((f"{len(paths)} photos of DATA", paths), ("32 photos of 12 megapixels", large)):
        table = Table(f"input side, {name}", "photos/s", "of Pillow's rate")
        for _ in range(plan.turns):
            for what, function in _INPUT.items():
                table.add(what, len(some) / function(some, folder))
        yield table


def _decode(paths: list[Path], folder: Path) -> float:
    from catdog.config import Decoding
    from catdog.data import decoded

    began = time.monotonic()
    for photo in decoded(paths, Decoding(), workers=devices.usable_cores()):
        assert photo.pixels is not None, photo.reason
    return time.monotonic() - began


def _decode_whole(paths: list[Path], folder: Path) -> float:
    """Pillow by itself, every pixel decoded, in as many threads."""
    from catdog.data.parallel import ordered_map

    def one(path: Path) -> np.ndarray:
        with Image.open(path) as photo:
            return np.asarray(photo.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))

    began = time.monotonic()
    for _ in ordered_map(one, paths, workers=devices.usable_cores()):
        pass
    return time.monotonic() - began


def _extract(paths: list[Path], folder: Path) -> float:
    """All of `catdog train` up to the first epoch, but the convolutions."""
    from catdog.config import Decoding, Head
    from catdog.features.extract import extract
    from catdog.features.prefix import Prefix
    from catdog.weights.source import find_weights
    from catdog.workspace import FeatureCache, Workspace

    class Free(Prefix):
        def __call__(self, pixels_bhwc: np.ndarray) -> Any:
            shape = (len(pixels_bhwc), *self.output_shape(pixels_bhwc.shape[1]))
            return np.broadcast_to(pixels_bhwc[:, :1, :1, :1].astype(np.float16), shape)

    free = Free(find_weights("builtin"), Head(), unfreeze="head")
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        began = time.monotonic()
        extract(
            paths,
            free,
            Decoding(),
            workspace=Workspace(features=FeatureCache(Path(cache)), workers=devices.usable_cores()),
        )
        return time.monotonic() - began


_INPUT = {
    "Pillow by itself, every pixel decoded": _decode_whole,
    "catdog, decoded": _decode,
    "catdog, hashed, decoded, free features cached": _extract,
}


def start(data: Path, plan: Plan, folder: Path) -> Iterable[Table]:
    """Commands that have nothing to compute, with programs and features cached."""
    few = folder / "few"
    for label in sorted(path for path in (data / "train").iterdir() if path.is_dir()):
        (few / label.name).mkdir(parents=True)
        for path in sorted(label.iterdir())[:16]:
            shutil.copy(path, few / label.name)
    photo = next(path for path in sorted((data / "valid").rglob("*.jpg")))
    places = ["--cache-dir", folder / "cache", "--runs-dir", folder / "runs"]
    like_before = ["--quality", "fast", "--optimizer", "adam"]  # as in docs/numbers.md
    commands: dict[str, list[Any]] = {
        'python -c "import jax, flax.nnx"': ["-c", "import jax, flax.nnx"],
        "catdog --help": ["-m", "catdog", "--help"],
        "catdog predict PHOTO, a new photo": ["-m", "catdog", "predict", folder / "new.jpg", *places],
        "catdog train, features cached": ["-m", "catdog", "train", few, *places, *like_before],
    }
    content = photo.read_bytes()
    table = Table("start, nothing left to compile", "s", "of the import alone")
    time_of(commands["catdog train, features cached"])  # what predict answers with
    for turn in range(plan.turns + 2):
        (folder / "new.jpg").write_bytes(content + str(turn).encode())  # whose features nobody has computed
        for name, command in commands.items():
            seconds = time_of(command)
            if turn:  # the first time, it does compile
                table.add(name, seconds)
    yield table


if __name__ == "__main__":
    main()
