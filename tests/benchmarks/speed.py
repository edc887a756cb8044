"""How fast is catdog, and how fast are others, on this machine?

    python tests/benchmarks/speed.py DATA [--quick] [--json FILE] [--only extraction,job,input,start]

DATA has train/CLASS/ and valid/CLASS/. Measures, one process after the other and in turns: the extraction
of features by catdog, XLA, Keras, PyTorch and ONNX Runtime; the whole job against the lecture's program in
Keras (lecture.py); the input side; and how long commands take to start. Prints Markdown: medians, and
ratios to the first row, which are medians of the ratios within a turn. Writes JSON with every single
figure. `--quick` takes under three minutes.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
from extractors import EXTRACTORS, lacking, on_gpu
from PIL import Image

from catdog import devices

HERE = Path(__file__).parent
LECTURE_EPOCHS = (2, 10)
_PACKAGES = ("catdog-cli", "jax", "jaxlib", "keras", "torch", "onnxruntime", "pillow")


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    turns: int
    job_turns: int
    seconds: float  # that each extractor is measured for
    memory: int  # photos that are extracted from memory
    train: int  # photos of the job
    valid: int
    input: int  # photos of the input side


FULL = Plan(turns=3, job_turns=1, seconds=8, memory=64, train=320, valid=80, input=2000)
QUICK = Plan(turns=1, job_turns=1, seconds=2, memory=32, train=16, valid=8, input=500)
_GPU_MEMORY = 2048


@dataclass
class Table:
    """Figures of one kind: name → one figure a turn."""

    title: str
    unit: str
    ratio: str  # what the ratio to the first row means
    figures: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    first_is_divided: bool = False  # by the others, for the ratio; else they are divided by it

    def add(self, name: str, figure: float) -> None:
        """One more turn's."""
        self.figures.setdefault(name, []).append(figure)
        print(f"  {self.title}: {name}: {figure:.3g} {self.unit}", file=sys.stderr, flush=True)

    def markdown(self) -> str:
        """The table; the first row is what the others are compared with."""
        first = next(iter(self.figures.values()))
        lines = [f"| {self.title} | {self.unit} | {self.ratio} |", "| --- | --- | --- |"]
        for name, figures in self.figures.items():
            ratios = [
                one / other if self.first_is_divided else other / one
                for one, other in zip(first, figures, strict=True)
            ]
            ratio = "" if figures is first else f"{statistics.median(ratios):.2f}"
            figure = statistics.median(figures)
            amount = f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
            lines.append(f"| {name} | {amount} | {ratio} |")
        lines += [f"| {name} | {why} | |" for name, why in self.absent.items()]
        return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Speed of catdog beside others.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, default=Path("speed.json"))
    parser.add_argument("--only", default="extraction,input,start,job")
    parser.add_argument("--extractor", help=argparse.SUPPRESS)  # this process measures one, and prints it
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    plan = QUICK if arguments.quick else FULL
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


def describe() -> str:
    """The machine and the versions, in one line."""
    processor = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        names = [line for line in facts.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in _PACKAGES
        if importlib.util.find_spec({"catdog-cli": "catdog", "pillow": "PIL"}.get(name, name))
    ]
    probe = "from catdog import devices; devices.set_flags(); print(devices.describe())"
    found = _python("-c", probe)
    cores, python = devices.usable_cores(), platform.python_version()
    return f"{processor}, {cores} cores, {found}; Python {python}, {', '.join(versions)}"


def extraction(data: Path, plan: Plan, folder: Path) -> Iterable[Table]:
    """Photos in memory → pool5."""
    table = Table("features, photos from memory", "photos/s", "catdog is ahead by", first_is_divided=True)
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
            quick = ["--quick"] if plan == QUICK else []
            found = json.loads(_python(HERE / "speed.py", data, "--extractor", name, *quick))
            print(f"  {found}", file=sys.stderr)
            table.add(name, max(found["rates"].values()))
            if found["error"] > (1e-3 if found["dtype"] == "float32" and not on_gpu() else 0.05):
                raise SystemExit(f"{name} computes something else: relative error {found['error']:.1e}")
    yield table


def _extraction_rates(name: str, data: Path, plan: Plan) -> dict[str, Any]:
    devices.set_flags()
    from catdog.config import Decoding
    from catdog.data import decode
    from catdog.model import frozen, weights
    from catdog.model.architecture import CONVOLUTIONS
    from catdog.model.preprocess import preprocess

    paths = sorted((data / "valid").rglob("*.jpg"))[: plan.memory]
    pixels = np.stack([decode(path, Decoding()) for path in paths])
    if on_gpu():
        pixels = np.resize(pixels, (_GPU_MEMORY, *pixels.shape[1:]))
    tensors = weights.read_tensors(weights.find_weights("builtin"), CONVOLUTIONS)
    # numpy's arrays and jax' have what preprocess needs in common; a peer is given float32.
    ready = np.asarray(preprocess(pixels, "caffe"))  # pyright: ignore[reportArgumentType]
    images = pixels if name == "catdog" else ready
    rates, found = {}, np.empty(0)
    for arrangement, extract in EXTRACTORS[name][1](tensors):
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


def job(data: Path, plan: Plan, folder: Path) -> Iterable[Table]:
    """The whole job as a user waits for it: nothing cached, from the command to its end."""
    few = folder / "few"
    for split, count in (("train", plan.train), ("valid", plan.valid)):
        labels = sorted(path for path in (data / split).iterdir() if path.is_dir())
        for label in labels:
            (few / split / label.name).mkdir(parents=True)
            for path in sorted(label.iterdir())[: count // len(labels)]:
                shutil.copy(path, few / split / label.name)
    weights_file = folder / "whole.safetensors"
    _python("-c", _WHOLE_FILE, weights_file)
    recipe = ["--weights", weights_file, "--head", "imagenet", "--dropout", 0]
    photos = f"{plan.train} + {plan.valid} photos"
    for epochs in LECTURE_EPOCHS:
        table = Table(f"the lecture's job, {epochs} epochs, {photos}", "s", "catdog is ahead by")
        for _ in range(plan.job_turns):
            table.add("catdog", _job(few, folder, "--epochs", epochs, *recipe))
            table.add("catdog, default head", _job(few, folder, "--epochs", epochs))
            if importlib.util.find_spec("keras"):
                environment = {"KERAS_BACKEND": "jax"}
                table.add("Keras", _seconds([HERE / "lecture.py", few, epochs], **environment))
            else:
                table.absent["Keras"] = "keras not installed"
        yield table


_WHOLE_FILE = """
import sys
import numpy as np
from safetensors.numpy import save_file
from catdog.model.architecture import vgg16
from catdog.model.layers import tensor_shapes
random = np.random.default_rng(0)
shapes = {f"{layer.name}/{name}": shape for layer in vgg16() for name, shape in tensor_shapes(layer).items()}
save_file({
    name: random.standard_normal(shape, np.float32) * np.float32((2 / np.prod(shape[:-1])) ** 0.5)
    for name, shape in shapes.items()
}, sys.argv[1], {"preprocessing": "caffe"})
"""


def _job(few: Path, folder: Path, *options: object) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        places = ["--cache-dir", Path(place) / "cache", "--runs-dir", Path(place) / "runs"]
        return _seconds(["-m", "catdog", "train", few, *places, *options])


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
    from catdog.model.weights import find_weights

    class Free(Prefix):
        def __call__(self, pixels_bhwc: np.ndarray) -> Any:
            shape = (len(pixels_bhwc), *self.output_shape(pixels_bhwc.shape[1]))
            return np.broadcast_to(pixels_bhwc[:, :1, :1, :1].astype(np.float16), shape)

    free = Free(find_weights("builtin"), Head(), unfreeze="head", memo_dir=None)
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        began = time.monotonic()
        extract(paths, free, Decoding(), cache_root=Path(cache), workers=devices.usable_cores())
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
    commands: dict[str, list[Any]] = {
        'python -c "import jax, flax.nnx"': ["-c", "import jax, flax.nnx"],
        "catdog --help": ["-m", "catdog", "--help"],
        "catdog predict PHOTO, a new photo": ["-m", "catdog", "predict", folder / "new.jpg", *places],
        "catdog train, features cached": ["-m", "catdog", "train", few, *places],
    }
    content = photo.read_bytes()
    table = Table("start, nothing left to compile", "s", "of the import alone")
    _seconds(commands["catdog train, features cached"])  # what predict answers with
    for turn in range(plan.turns + 2):
        (folder / "new.jpg").write_bytes(content + str(turn).encode())  # whose features nobody has computed
        for name, command in commands.items():
            seconds = _seconds(command)
            if turn:  # the first time, it does compile
                table.add(name, seconds)
    yield table


def _seconds(arguments: list[Any], **environment: str) -> float:
    began = time.monotonic()
    _python(*arguments, **environment)
    return time.monotonic() - began


def _python(*arguments: object, **environment: str) -> str:
    """What a Python process prints; it ends this one with its errors where it fails."""
    command = [sys.executable, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, cwd=HERE)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
    return result.stdout.strip()


if __name__ == "__main__":
    main()
