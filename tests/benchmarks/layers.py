"""Where the time of an extraction on a CPU goes: layer by layer, and by kind of operation.

    python tests/benchmarks/layers.py [--photos 8]

Runs on one core, each layer by itself on photos of 224×224, as Winograd's and as XLA's own convolution; and
then all of them under JAX's profiler, whose trace says how long each kind of operation took. Prints two
Markdown tables."""

import argparse
import gzip
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Before jax is imported: one core, and one thread for it.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

from catdog import devices

devices.set_flags()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from catdog.model import frozen, weights, winograd  # noqa: E402
from catdog.model.architecture import CONVOLUTIONS  # noqa: E402
from catdog.model.convolution import convolve3x3, max_pool2x2  # noqa: E402
from catdog.model.layers import Conv, MaxPool  # noqa: E402

_SECONDS = 1.5
_SIDE = 224


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Where the time goes.")
    parser.add_argument("--photos", type=int, default=8)
    photos = parser.parse_args().photos
    random = np.random.default_rng(0)
    tensors = weights.read_tensors(weights.find_weights("builtin"), CONVOLUTIONS)
    print("| layer, one photo on one core | map | Winograd, ms | XLA, ms | ratio |")
    print("| --- | --- | --- | --- | --- |")
    side, total = _SIDE, np.zeros(2)
    for number, layer in enumerate(CONVOLUTIONS):
        if not isinstance(layer, Conv):
            side //= 2
            continue
        pool = isinstance(CONVOLUTIONS[number + 1], MaxPool)
        kernel, bias = (jnp.asarray(tensors[f"{layer.name}/{part}"], jnp.float32) for part in _PARTS)
        shape = (photos, side, side, layer.channels_in)
        x_bhwc = jnp.asarray(random.standard_normal(shape, np.float32))
        times = [np.nan, _milliseconds(partial(_direct, pool=pool), x_bhwc, kernel, bias) / photos]
        if number:
            changed = jnp.asarray(winograd.transform_kernel(np.asarray(kernel)))
            times[0] = _milliseconds(partial(_mapped, pool=pool), x_bhwc, changed, bias) / photos
        else:
            times[0] = times[1]  # it is the same convolution, and in fact runs with the next
        total += times
        print(_row(f"{layer.name}{', pool' if pool else ''}", f"{side}×{side}×{layer.channels_in}", *times))
    print(_row("sum", "", *total))
    program, arrays = frozen.for_cpu(CONVOLUTIONS, tensors)
    images = jnp.asarray(random.standard_normal((photos, _SIDE, _SIDE, 3), np.float32) * 60)
    whole = _milliseconds(lambda images: program(arrays, images), images) / photos
    print(f"\nThe whole program: {whole:.1f} ms a photo. Its operations:\n")
    kinds = _profile(jax.jit(program), arrays, images)
    print("| operation | ms a photo | share |")
    print("| --- | --- | --- |")
    for kind, milliseconds in kinds.most_common(8):
        share = milliseconds / sum(kinds.values())
        print(f"| {kind} | {milliseconds / photos:.1f} | {share:.0%} |")


_PARTS = ("kernel", "bias")


def _row(name: str, shape: str, ours: float, xla: float) -> str:
    return f"| {name} | {shape} | {ours:.2f} | {xla:.2f} | {xla / ours:.2f} |"


def _mapped(x_bhwc: jax.Array, kernel: jax.Array, bias: jax.Array, *, pool: bool) -> jax.Array:
    return jax.lax.map(lambda x_hwc: winograd.convolve(x_hwc, kernel, bias, pool=pool), x_bhwc)


def _direct(x_bhwc: jax.Array, kernel: jax.Array, bias: jax.Array, *, pool: bool) -> jax.Array:
    y_bhwc = jax.nn.relu(convolve3x3(x_bhwc, kernel, bias))
    return max_pool2x2(y_bhwc) if pool else y_bhwc


def _milliseconds(function: Callable[..., jax.Array], *arguments: Any) -> float:
    compiled = jax.jit(function)
    compiled(*arguments).block_until_ready()
    times, end = [], time.monotonic() + _SECONDS
    while time.monotonic() < end or len(times) < 3:
        began = time.monotonic()
        compiled(*arguments).block_until_ready()
        times.append(time.monotonic() - began)
    return 1000 * float(np.median(times))


def _profile(compiled: Callable[..., jax.Array], *arguments: Any) -> Counter[str]:
    """Milliseconds of one call by the kind of operation, as the names in the trace have it."""
    compiled(*arguments).block_until_ready()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            compiled(*arguments).block_until_ready()
        (path,) = Path(folder).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    kinds: Counter[str] = Counter()
    for event in events:
        name = event.get("name", "").partition(".")[0]
        if "hlo_op" in event.get("args", {}) and name not in ("while", "call"):  # those hold the others
            kinds[name] += event["dur"] / 1000
    return kinds


if __name__ == "__main__":
    main()
