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
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from catdog import devices
from catdog.model import frozen, winograd
from catdog.model.architecture import CONVOLUTIONS
from catdog.model.convolution import convolve3x3, max_pool2x2
from catdog.model.layers import Conv, MaxPool
from catdog.weights import source as weights

_SECONDS = 1.5
_SIDE = 224


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Where the time goes.")
    parser.add_argument("--photos", type=int, default=8)
    photos = parser.parse_args().photos
    if hasattr(
        os, "sched_setaffinity"
    ):  # JAX makes a thread for each core that it sees when it is first used
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    devices.set_flags()
    random = np.random.default_rng(0)
    tensors = weights.read_tensors(weights.find_weights("builtin"), CONVOLUTIONS)
    print("| layer, one photo on one core | map | Winograd, ms | XLA, ms | ratio |")
    print("| --- | --- | --- | --- | --- |")
    side, total = _SIDE, np.zeros(2)
    layers = [layer for layer in CONVOLUTIONS if isinstance(layer, Conv)]
    pooled = {before.name for before, layer in pairwise(CONVOLUTIONS) if isinstance(layer, MaxPool)}
    for group in (layers[:2], *([layer] for layer in layers[2:])):  # the first two run as one
        pools = tuple(layer.name in pooled for layer in group)
        direct = [
            (
                jnp.asarray(tensors[f"{layer.name}/kernel"], jnp.float32),
                jnp.asarray(tensors[f"{layer.name}/bias"]),
            )
            for layer in group
        ]
        kernel, bias = direct[-1]
        ours = [*direct[:-1], (jnp.asarray(winograd.transform_kernel(np.asarray(kernel))), bias)]
        shape = (photos, side, side, group[0].channels_in)
        x_bhwc = jnp.asarray(random.standard_normal(shape, np.float32))
        times = [
            _milliseconds(partial(function, pools), x_bhwc, arguments) / photos
            for function, arguments in ((_mapped, ours), (_direct, direct))
        ]
        total += times
        name = " + ".join(layer.name for layer in group) + (", pool" if pools[-1] else "")
        print(_row(name, f"{side}×{side}×{group[0].channels_in}", *times))
        side //= 2 if pools[-1] else 1
    print(_row("sum", "", *total))
    program, arrays = frozen.for_cpu(CONVOLUTIONS, tensors)
    images = jnp.asarray(random.standard_normal((photos, _SIDE, _SIDE, 3), np.float32) * 60)
    whole = _milliseconds(program, arrays, images) / photos
    print(f"\nThe whole program: {whole:.1f} ms a photo. Its operations:\n")
    kinds = _profile(jax.jit(program), arrays, images)
    print("| operation | ms a photo | share |")
    print("| --- | --- | --- |")
    for kind, milliseconds in kinds.most_common(8):
        share = milliseconds / sum(kinds.values())
        print(f"| {kind} | {milliseconds / photos:.1f} | {share:.0%} |")


def _row(name: str, shape: str, ours: float, xla: float) -> str:
    return f"| {name} | {shape} | {ours:.2f} | {xla:.2f} | {xla / ours:.2f} |"


_Tensors = list[tuple[jax.Array, jax.Array]]  # kernel and bias of each convolution


def _mapped(pools: tuple[bool, ...], x_bhwc: jax.Array, tensors: _Tensors) -> jax.Array:
    if len(tensors) == 2:
        twice = partial(winograd.convolve_twice, pool=pools[-1])
        return jax.lax.map(lambda x_hwc: twice(x_hwc, *tensors[0], *tensors[1]), x_bhwc)
    groups = x_bhwc.reshape(-1, winograd.group_size(*x_bhwc.shape[1:3]), *x_bhwc.shape[1:])
    return jax.lax.map(lambda group: winograd.convolve(group, *tensors[0], pool=pools[-1]), groups)


def _direct(pools: tuple[bool, ...], x_bhwc: jax.Array, tensors: _Tensors) -> jax.Array:
    for pool, (kernel, bias) in zip(pools, tensors, strict=True):
        x_bhwc = jax.nn.relu(convolve3x3(x_bhwc, kernel, bias))
        x_bhwc = max_pool2x2(x_bhwc) if pool else x_bhwc
    return x_bhwc


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
