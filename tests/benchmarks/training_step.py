"""How long training the suffix takes on this machine, beside Keras and PyTorch.

    python tests/benchmarks/training_step.py [--photos 64] [--batch 64] [--turns 3] [--stages block5,block4]

All layers from a stage on are trained, with a global mean and a softmax layer of two classes behind them,
Adam, float32, photos of 224 pixels. Each program starts from the activations before the stage (for block1 the
photos), which catdog caches; the peers get them for nothing too. A turn measures each program once, in a
process of its own: an epoch after one that compiles. Prints Markdown: milliseconds a photo, and the peak
memory of the process.
"""

import argparse
import importlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import takewhile
from statistics import median
from typing import Any

import numpy as np
from measuring import describe

from catdog.config import Head
from catdog.model.architecture import CONVOLUTIONS, head
from catdog.model.architecture import describe as shapes
from catdog.model.layers import Conv, Layer
from catdog.weights.source import find_weights, read_tensors

_CLASSES, _RATE = 2, 1e-5
Layers = tuple[Layer, ...]
Tensors = dict[str, np.ndarray]
Epoch = Callable[[], object]  # trains on all photos once


def main() -> None:
    """Measure in turns, print."""
    parser = argparse.ArgumentParser(description="Training steps of the suffix.")
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--stages", default="block5,block4,block1")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)  # this process measures it
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(_measured(arguments.part[0], arguments.part[1], arguments.photos, arguments.batch)))
        return
    print(describe(), flush=True)
    peers = [name for name in _PROGRAMS if name != "torch" or importlib.util.find_spec("torch")]
    print("\n| trained from | program | ms a photo | catdog is faster by | peak memory, GB |")
    print("| --- | --- | --- | --- | --- |")
    for stage in arguments.stages.split(","):
        turns: list[dict[str, list[float]]] = []
        for _ in range(arguments.turns):
            turns.append({})
            for name in peers:
                command = [sys.executable, __file__, "--part", name, stage]
                command += ["--photos", str(arguments.photos), "--batch", str(arguments.batch)]
                ran = subprocess.run(command, capture_output=True, text=True, check=True)
                turns[-1][name] = json.loads(ran.stdout.splitlines()[-1])
        for name in peers:
            seconds = median(turn[name][0] for turn in turns)
            ratio = median(turn[name][0] / turn["catdog"][0] for turn in turns)
            memory = max(turn[name][1] for turn in turns)
            beside = "" if name == "catdog" else f"{ratio:.2f}"
            print(f"| {stage} | {name} | {1000 * seconds:.0f} | {beside} | {memory:.2f} |", flush=True)


def _measured(program: str, stage: str, photos: int, batch: int) -> tuple[float, float]:
    """Seconds a photo, and the peak memory in GB."""
    before = tuple(takewhile(lambda layer: not layer.name.startswith(stage), CONVOLUTIONS))
    trained = CONVOLUTIONS[len(before) :]
    shape = shapes(before, input_shape=(224, 224, 3))[-1].output_shape if before else (224, 224, 3)
    random = np.random.default_rng(0)
    inputs = random.random((photos, *shape), np.float32) * 4
    labels = random.integers(0, _CLASSES, photos).astype(np.int32)
    tensors = read_tensors(find_weights("builtin"), trained)
    epoch = _PROGRAMS[program](trained, tensors, inputs, labels, batch)
    epoch()
    began = time.perf_counter()
    epoch()
    seconds = (time.perf_counter() - began) / photos
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _catdog(layers: Layers, tensors: Tensors, inputs: np.ndarray, labels: np.ndarray, batch: int) -> Epoch:
    from catdog import devices

    devices.set_flags()
    import jax.numpy as jnp

    from catdog.features.features import Features
    from catdog.model import winograd
    from catdog.model.suffix import Suffix
    from catdog.training.optimizers import OPTIMIZERS
    from catdog.training.step import Trainer

    new = head(Head("linear", (), 0.0, "category", None), _CLASSES)
    suffix = Suffix(
        (*layers, *new), "category", preprocessing="none", dtype="float32", convolve=winograd.convolve_batch
    )
    trainer = Trainer(
        suffix, OPTIMIZERS["adam"], learning_rate=_RATE, batch_size=batch, photos=len(labels), seed=0
    )
    params, constants = suffix.initial(0)
    params |= {name: jnp.asarray(tensor, jnp.float32) for name, tensor in tensors.items()}
    features, state = Features.in_memory(inputs), trainer.initial(params)

    def epoch() -> None:
        nonlocal state
        state, sums = trainer.epoch(state, constants, features, labels, epoch=1, report=lambda _: None)
        assert np.isfinite(sums.loss)

    return epoch


def _keras(layers: Layers, tensors: Tensors, inputs: np.ndarray, labels: np.ndarray, batch: int) -> Epoch:
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    parts: list[Any] = [keras.Input(inputs.shape[1:])]
    for layer in layers:
        if isinstance(layer, Conv):
            parts.append(keras.layers.Conv2D(layer.channels_out, 3, padding="same", activation="relu"))
        else:
            parts.append(keras.layers.MaxPooling2D())
    parts += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(_CLASSES, activation="softmax")]
    model: Any = keras.Sequential(parts)
    for layer, built in zip(layers, model.layers, strict=False):  # the head is behind them
        if isinstance(layer, Conv):
            parts = [tensors[f"{layer.name}/{part}"].astype(np.float32) for part in ("kernel", "bias")]
            built.set_weights(parts)
    model.compile(keras.optimizers.Adam(_RATE), "sparse_categorical_crossentropy")
    return lambda: model.fit(inputs, labels, batch_size=batch, epochs=1, verbose=0)


def _torch(layers: Layers, tensors: Tensors, inputs: np.ndarray, labels: np.ndarray, batch: int) -> Epoch:
    torch: Any = importlib.import_module("torch")
    modules: list[Any] = []
    for layer in layers:
        if isinstance(layer, Conv):
            built = torch.nn.Conv2d(layer.channels_in, layer.channels_out, 3, padding=1)
            kernel = tensors[f"{layer.name}/kernel"].astype(np.float32).transpose(3, 2, 0, 1)
            built.weight.data = torch.from_numpy(np.ascontiguousarray(kernel))
            built.bias.data = torch.from_numpy(tensors[f"{layer.name}/bias"].astype(np.float32))
            modules += [built, torch.nn.ReLU()]
        else:
            modules.append(torch.nn.MaxPool2d(2))
    modules += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(512, _CLASSES)]
    network = torch.nn.Sequential(*modules).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
    # NHWC in memory, NCHW by name: what PyTorch calls channels last.
    photos, targets = torch.from_numpy(inputs).permute(0, 3, 1, 2), torch.from_numpy(labels).long()

    def epoch() -> None:
        for rows in torch.randperm(len(targets)).split(batch):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(photos[rows]), targets[rows]).backward()
            optimizer.step()

    return epoch


_PROGRAMS = {"catdog": _catdog, "keras": _keras, "torch": _torch}

if __name__ == "__main__":
    main()
