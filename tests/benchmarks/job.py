"""The whole job beside Keras, for speed.py: from the command to its end, nothing cached, in turns."""

import importlib.util
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from measuring import HERE, Plan, Table, python, time_of

LECTURE_EPOCHS = (2, 10)
_LIKE_KERAS = ("--quality", "fast", "--optimizer", "adam")  # photos of 224 pixels, epochs of Adam


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
    python("-c", _WHOLE_FILE, weights_file)
    # Without dropout what fc2 makes of a photo never changes: it is computed once.
    recipe = ["--weights", weights_file, "--head", "imagenet", "--dropout", 0]
    photos = f"{plan.train} + {plan.valid} photos"
    has_keras = importlib.util.find_spec("keras") is not None
    for epochs in LECTURE_EPOCHS:
        # Each of Keras' programs beside what does the same here, not beside the faster of both.
        asked = f"{epochs} epochs on {photos}, nothing cached"
        once = Table(f"features once, a head: {asked}", "s", "catdog is ahead by")
        lecture = Table(f"the lecture's model: {asked}", "s", "catdog is ahead by")
        for _ in range(plan.job_turns):
            once.add("catdog, one layer by Adam", _job(few, folder, "--epochs", epochs, *_LIKE_KERAS))
            if has_keras:
                once.add("Keras, features computed once", _keras("features_once.py", few, epochs))
            lecture.add("catdog, --dropout 0", _job(few, folder, "--epochs", epochs, *recipe))
            if has_keras:
                lecture.add("Keras, the lecture's program", _keras("lecture.py", few, epochs))
        for table in (once, lecture):
            if not has_keras:
                table.absent["Keras"] = "keras not installed"
            yield table


def _keras(program: str, few: Path, epochs: int) -> float:
    return time_of([HERE / program, few, epochs], KERAS_BACKEND="jax")


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
        return time_of(["-m", "catdog", "train", few, *places, *options])
