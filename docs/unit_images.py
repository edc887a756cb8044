"""Makes the images in the package that show what units of VGG16 look for.

    python docs/unit_images.py trial FOLDER      four recipes on some units of each block, as PNG files
    python docs/unit_images.py pixels FILE       the images of all chosen units, as a safetensors file
    python docs/unit_images.py pack FILE         puts those into the package, as JPEG

The first two compute on the device that JAX finds; --size, --steps and --units make them smaller. The units
of a layer are those that are most often among the strongest for the photos of sample_data.
"""

import argparse
import json
import time
import zipfile
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from catdog.config import Decoding
from catdog.data import decode
from catdog.data.overlay import to_jpeg
from catdog.insight.synthetic import Arrays, Recipe, UnitScore, synthesize
from catdog.insight.unit_images import ABOUT, FILE, layer_digest
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.convolution import convolve3x3, max_pool2x2
from catdog.model.layers import Conv
from catdog.model.preprocess import preprocess
from catdog.weights.source import BUILTIN, find_weights, read_tensors

ROOT = Path(__file__).parents[1]
PACKED = ROOT / "catdog" / "pretrained" / FILE
STEPS, ROWS = 256, 64  # images that are computed together
# Of each block: pixels of an image, units of a layer.
BLOCKS = {"block1": (32, 64), "block2": (48, 48), "block3": (64, 48), "block4": (96, 48), "block5": (128, 48)}
RECIPES = {
    "no waves": Recipe(decay=0, decorrelated=0, jitter=0, turn=0, zoom=0),
    "waves and colours": Recipe(jitter=0, turn=0, zoom=0),
    "moved a little": Recipe(),
    "moved more": Recipe(decay=1.3, jitter=12, turn=20, zoom=0.2),
}
STRONGEST, PHOTO_SIDE, PHOTO_ROWS = 12, 224, 38
QUALITY = 70  # of the JPEG files: together less than 3 MB


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Images of what the units of VGG16 look for.")
    parser.add_argument("what", choices=["trial", "pixels", "pack"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--size", type=int, help="pixels of all images")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--units", type=int, help="of each layer")
    parser.add_argument("--photos", type=int, help="that choose the units")
    options = parser.parse_args()
    if options.what == "pack":
        return pack(options.path)
    began = time.monotonic()
    read = read_tensors(find_weights(BUILTIN), CONVOLUTIONS)
    tensors = {name: jnp.asarray(tensor, jnp.float32) for name, tensor in read.items()}
    chosen = favourites(tensors, options.photos)
    print(f"units chosen: {time.monotonic() - began:.0f} s", flush=True)
    saved: dict[str, np.ndarray] = {}
    for block, (size, count) in BLOCKS.items():
        names = [layer.name for layer in CONVOLUTIONS if isinstance(layer, Conv) and layer.stage == block]
        last = [layer.name for layer in CONVOLUTIONS].index(names[-1])
        find = partial(
            synthesize,
            UnitScore(CONVOLUTIONS[: last + 1], tuple(names)),
            tensors,
            size=options.size or size,
            steps=options.steps,
            preprocessing="caffe",
        )
        if options.what == "trial":
            units = [(len(names) - 1, int(unit)) for unit in chosen[names[-1]][: options.units or 16]]
            recipes = Recipe(*(np.tile(field, len(units)) for field in zip(*RECIPES.values(), strict=True)))
            found = find(np.repeat(units, len(RECIPES), axis=0), recipe=recipes)
            options.path.mkdir(parents=True, exist_ok=True)
            _sheet(found.pixels, len(RECIPES)).save(options.path / f"{block}.png")
            scores = found.after.reshape(-1, len(RECIPES))
            print(block, "units", [unit for _, unit in units], *RECIPES, scores.round(1).tolist(), sep="\n")
        else:
            count = options.units or count
            targets = np.array(
                [(layer, unit) for layer, name in enumerate(names) for unit in chosen[name][:count]]
            )
            found = [find(targets[row : row + ROWS], recipe=Recipe()) for row in range(0, len(targets), ROWS)]
            pixels, before, after = (np.concatenate(parts) for parts in zip(*found, strict=True))
            for layer, name in enumerate(names):
                mine = targets[:, 0] == layer
                saved |= {f"{name}/pixels": pixels[mine], f"{name}/units": targets[mine, 1].astype(np.int32)}
                saved |= {f"{name}/before": before[mine], f"{name}/after": after[mine]}
        print(f"{block}: {time.monotonic() - began:.0f} s", flush=True)
    if saved:
        about = {"recipe": json.dumps(Recipe()._asdict()), "steps": str(options.steps)}
        save_file(saved, options.path, about)


def favourites(tensors: Arrays, photos: int | None) -> dict[str, np.ndarray]:
    """The units of each convolution: those first that are most often among the strongest of a photo."""
    paths = sorted((ROOT / "sample_data").rglob("*.jpg"))[:photos]
    pixels = np.stack([decode(path, Decoding(PHOTO_SIDE)) for path in paths])
    parts = [_largest(tensors, pixels[row : row + PHOTO_ROWS]) for row in range(0, len(pixels), PHOTO_ROWS)]
    chosen = {}
    for name in parts[0]:
        largest = np.concatenate([part[name] for part in parts])
        strongest = np.argsort(-largest, axis=1, kind="stable")[:, :STRONGEST]
        counts = np.bincount(strongest.ravel(), minlength=largest.shape[1])
        chosen[name] = np.lexsort((-largest.mean(axis=0), -counts))
    return chosen


@jax.jit
def _largest(tensors: Arrays, pixels_bhwc: jax.Array) -> dict[str, jax.Array]:
    x_bhwc, found = preprocess(pixels_bhwc, "caffe"), {}
    for layer in CONVOLUTIONS:
        if isinstance(layer, Conv):
            convolved = convolve3x3(x_bhwc, tensors[f"{layer.name}/kernel"], tensors[f"{layer.name}/bias"])
            x_bhwc = jax.nn.relu(convolved)
            found[layer.name] = x_bhwc.max(axis=(1, 2))
        else:
            x_bhwc = max_pool2x2(x_bhwc)
    return found


def _sheet(pixels: np.ndarray, columns: int) -> Image.Image:
    padded = np.pad(pixels, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255)
    return Image.fromarray(
        np.vstack([np.hstack(list(row)) for row in padded.reshape(-1, columns, *padded.shape[1:])])
    )


def pack(file: Path) -> None:
    """Write the package's file: `LAYER/UNIT.jpg`, and `about.json`."""
    with safe_open(file, "numpy") as read, zipfile.ZipFile(PACKED, "w") as packed:
        about = {name: json.loads(value) for name, value in read.metadata().items()}
        names = sorted({name.partition("/")[0] for name in read.keys()})
        tensors = read_tensors(find_weights(BUILTIN), CONVOLUTIONS)
        about |= {"layers": {name: layer_digest(name, tensors) for name in names}}
        _add(packed, ABOUT, json.dumps(about).encode())
        for name in names:
            units, pixels = read.get_tensor(f"{name}/units"), read.get_tensor(f"{name}/pixels")
            _, count = BLOCKS[name.partition("_")[0]]
            for unit, image in zip(units[:count].tolist(), pixels[:count], strict=True):
                _add(packed, f"{name}/{unit}.jpg", to_jpeg(image, quality=QUALITY))
    print(f"{PACKED.name}: {PACKED.stat().st_size:,} bytes")


def _add(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    packed.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)


if __name__ == "__main__":
    main()
