"""Do Winograd's convolutions answer as the definition does? Every photo of a folder, both ways.

    python tests/benchmarks/same_predictions.py DATA [--model RUN]

Takes a run that was trained on DATA (without --model, the newest under ./runs) and gives it the features of
each photo from Winograd's convolutions and from XLA's own. Prints how far features and probabilities are
apart and on how many photos the answers differ. Two cores need about a tenth of a second a photo.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from catdog import devices
from catdog.data import decoded, scan
from catdog.features.features import Features
from catdog.features.forward import condense, logits, make_suffix
from catdog.features.prefix import Prefix
from catdog.model import frozen, outputs
from catdog.model.preprocess import preprocess
from catdog.runs import Run, newest_run, shipped_run
from catdog.weights import source as weights
from catdog.workspace import Workspace, default_cache_dir

_BATCH = 8


def main() -> None:
    """Compute, compare, print."""
    parser = argparse.ArgumentParser(description="Compare answers of two convolutions.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    devices.configure(default_cache_dir())
    run = Run(arguments.model) if arguments.model else newest_run(Path("runs")) or shipped_run()
    tensors, saved = run.read_model()
    source = weights.find_weights(
        saved.weights, preprocessing=saved.preprocessing, workspace=Workspace.below(default_cache_dir())
    )
    prefix = Prefix(source, saved.head, unfreeze=saved.unfreeze)
    program, arrays = frozen.direct(prefix.layers, prefix.fixed_tensors(), dtype="float32")
    by_definition = jax.jit(lambda arrays, pixels: program(arrays, preprocess(pixels, prefix.preprocessing)))
    paths = [photo.path for side in scan(arguments.data).splits.values() for photo in side]
    both: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    batch: list[np.ndarray] = []
    for photo in decoded(paths, saved.decoding, workers=devices.usable_cores()):
        if photo.pixels is not None:
            batch.append(photo.pixels)
        if batch and (len(batch) == _BATCH or photo.index == len(paths) - 1):
            pixels = np.stack(batch)
            both[0].append(np.asarray(prefix(pixels)))
            both[1].append(np.asarray(by_definition(arrays, jnp.asarray(pixels)), both[0][-1].dtype))
            batch = []
            print(f"\r{photo.index + 1} of {len(paths)} photos", end="", flush=True)
    print()
    suffix = make_suffix(prefix, saved.head, len(saved.classes), size=saved.decoding.size)
    params, constants = suffix.from_tensors(tensors)
    ours, theirs = (np.concatenate(parts) for parts in both)
    shares = [
        np.asarray(outputs.probabilities(jnp.asarray(answers), suffix.output))
        for features in (ours, theirs)
        for rows in [condense(suffix, constants, [Features.in_memory(features)])]
        for answers in [logits(suffix, params, constants, rows)]
    ]
    spread = np.abs(ours.astype(np.float32) - theirs).max() / theirs.max()
    differing = int((shares[0].argmax(1) != shares[1].argmax(1)).sum())
    print(f"features, as they are kept: largest difference {spread:.1e} of the largest value")
    print(f"probabilities: largest difference {np.abs(shares[0] - shares[1]).max():.1e}")
    print(f"answers that differ: {differing} of {len(ours)}")


if __name__ == "__main__":
    main()
