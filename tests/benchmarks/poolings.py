"""Which pooling of which blocks is best for a head, and does bfloat16 change its accuracy?

    python tests/benchmarks/poolings.py FOLDER ... [--size 320] [--seeds 2] [--precision]

The maps behind block3, block4 and block5 are pooled by mean, maximum and generalized mean (p = 3), with
and without unit length. Each photo is predicted by a softmax layer that was not fitted to it (5 folds, the L2
penalty chosen within each). The first row is the head `gem`; other rows have the difference of their log loss
(nats) to it, with its standard error over photos. --precision compares `gem` on features computed in bfloat16
with `gem` on those in full float32 instead; it is of use on a GPU. Prints Markdown. Photos are only read.
"""

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from accuracy import Data
from flax import nnx

from catdog import devices
from catdog.config import Decoding
from catdog.data import folds_by_content
from catdog.data.decode import decode
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.frozen import direct
from catdog.model.preprocess import preprocess
from catdog.training.logistic import Samples, cross_validate
from catdog.weights.source import find_weights, read_tensors

_ENDS = [
    number for number, layer in enumerate(CONVOLUTIONS, 1) if layer.name[5:] in ("3_pool", "4_pool", "5_pool")
]
_BATCH = 16

Pooled = list[np.ndarray]  # of block3, block4, block5: (photos, 3, channels): mean, maximum, generalized mean


def main() -> None:
    """Compute, cross-validate, print."""
    parser = argparse.ArgumentParser(description="Poolings and precisions, cross-validated.")
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--precision", action="store_true")
    arguments = parser.parse_args()
    devices.set_flags()
    for folder in arguments.data:
        data = Data(folder.name, folder)
        if arguments.precision:
            variants = {
                dtype: _unit(pooled(data, arguments.size, dtype)[2][:, 2])
                for dtype in ("float32", "bfloat16")
            }
        else:
            variants = dict(_variants(pooled(data, arguments.size, "float32")))
        print(
            f"\n| {data.name}, {arguments.size} pixels | accuracy | log loss | difference of the log loss |"
        )
        print("| --- | --- | --- | --- |")
        base = None
        for name, vectors in variants.items():
            scored = [_score(data, _held_out(data, vectors, seed)) for seed in range(arguments.seeds)]
            base = base or scored
            print(_row(name, scored, base), flush=True)


def pooled(data: Data, size: int, dtype: str) -> Pooled:
    """Of all photos, computed with activations of `dtype`; float32 products are full ones on a GPU too."""
    source = find_weights("builtin")
    program, state = direct(CONVOLUTIONS, read_tensors(source, CONVOLUTIONS), dtype=dtype)

    @jax.jit
    def of_batch(pixels_bhwc: jax.Array) -> list[jax.Array]:
        network = nnx.merge(program.graphdef, state)
        maps, start, found = preprocess(pixels_bhwc, source.preprocessing, dtype), 0, []
        for end in _ENDS:
            maps = network(maps, deterministic=True, start=start, stop=end)
            rows = maps.reshape(len(maps), -1, maps.shape[-1]).astype(jnp.float32)
            found.append(jnp.stack([rows.mean(1), rows.max(1), jnp.cbrt((rows**3).mean(1))], axis=1))
            start = end
        return found

    batches = []
    with ThreadPoolExecutor(devices.usable_cores()) as pool, jax.default_matmul_precision("highest"):
        decoded = pool.map(partial(decode, decoding=Decoding(size, "squash", 0)), data.paths)
        photos = list(decoded)
        for row in range(0, len(photos), _BATCH):
            part = np.stack(photos[row : row + _BATCH])
            padded = np.concatenate([part, np.zeros((_BATCH - len(part), *part.shape[1:]), np.uint8)])
            batches.append([np.asarray(block)[: len(part)] for block in of_batch(padded)])
    return [np.concatenate(blocks) for blocks in zip(*batches, strict=True)]


def _variants(blocks: Pooled) -> Iterator[tuple[str, np.ndarray]]:
    block3, block4, block5 = blocks
    kinds: dict[str, Callable[[np.ndarray], list[np.ndarray]]] = {
        "generalized mean": lambda block: [block[:, 2]],
        "mean": lambda block: [block[:, 0]],
        "maximum": lambda block: [block[:, 1]],
        "mean and maximum": lambda block: [block[:, 0], block[:, 1]],
    }
    for name, parts in kinds.items():
        yield f"block5, {name}, unit length", np.concatenate([_unit(part) for part in parts(block5)], axis=1)
        yield f"block5, {name}", np.concatenate([part / part.std() for part in parts(block5)], axis=1)
    of3, of4, of5 = (_unit(block[:, 2]) for block in (block3, block4, block5))
    name = "generalized mean, unit length"
    yield f"block4 and 5, {name}", np.concatenate([of4, of5], axis=1)
    yield f"block4 (halved) and 5, {name}", np.concatenate([of4 / 2, of5], axis=1)
    yield f"block3, 4 and 5, {name}", np.concatenate([of3, of4, of5], axis=1)


def _unit(vectors_nc: np.ndarray) -> np.ndarray:
    return vectors_nc / np.maximum(np.linalg.norm(vectors_nc, axis=1, keepdims=True), 1e-9)


def _held_out(data: Data, vectors_nc: np.ndarray, seed: int) -> np.ndarray:
    """Logits (photos, classes) of layers that were not fitted to the photo."""
    folds, classes = data.folds(seed), len(data.classes)
    logits = np.zeros((len(folds), classes))

    def samples(rows: np.ndarray) -> Samples:
        labels = data.labels[rows].astype(np.int32)
        return Samples(vectors_nc[rows].astype(np.float32), labels, np.ones(len(rows)), classes, "category")

    for fold in range(5):
        fitted, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        digests = [data.digests[row] for row in fitted]
        inner = np.array(folds_by_content(data.labels[fitted].tolist(), digests, count=5))
        penalty = cross_validate(samples(fitted), inner, lambda _: None).l2
        layer = samples(fitted).fit(np.zeros((vectors_nc.shape[1] + 1, classes)), penalty)
        logits[held_out] = samples(held_out).logits(layer)
    return logits


def _score(data: Data, logits_nk: np.ndarray) -> tuple[float, np.ndarray]:
    """Accuracy, and the log loss of each photo."""
    logs = logits_nk - np.logaddexp.reduce(logits_nk, axis=1, keepdims=True)
    accuracy = float((logits_nk.argmax(axis=1) == data.labels).mean())
    return accuracy, -logs[np.arange(len(logs)), data.labels]


def _row(name: str, scored: list[tuple[float, np.ndarray]], base: list[tuple[float, np.ndarray]]) -> str:
    accuracies, losses = [accuracy for accuracy, _ in scored], [found.mean() for _, found in scored]
    ranges = (f"{np.mean(of):.4f} ({min(of):.4f} to {max(of):.4f})" for of in (accuracies, losses))
    change = np.mean([found - first for (_, found), (_, first) in zip(scored, base, strict=True)], axis=0)
    paired = "" if scored is base else f"{change.mean():+.4f} ± {change.std() / len(change) ** 0.5:.4f}"
    return f"| {name} | {' | '.join(ranges)} | {paired} |"


if __name__ == "__main__":
    main()
