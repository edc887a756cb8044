"""The lecture's program in today's Keras: VGG16, its last layer replaced, everything else frozen.

    KERAS_BACKEND=jax python tests/benchmarks/lecture.py DATA EPOCHS

DATA has train/CLASS/ and valid/CLASS/. The weights are random: they make no difference to the time, and the
published file is not to be had everywhere. speed.py measures this as a process.
"""

import math
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from catdog import devices

BATCH = 64


class Folder(keras.utils.PyDataset):
    """Batches of photos and one-hot labels, read and resized as they are asked for, in a thread a core."""

    def __init__(self, root: Path):
        super().__init__(workers=devices.usable_cores())
        classes = sorted(path.name for path in root.iterdir())
        self.photos = [
            (path, number) for number, name in enumerate(classes) for path in sorted((root / name).iterdir())
        ]
        np.random.default_rng(0).shuffle(self.photos)
        self.classes = len(classes)

    def __len__(self) -> int:
        return math.ceil(len(self.photos) / BATCH)

    @property
    def labels(self) -> np.ndarray:
        """One-hot, (photos, classes), in the order of the batches."""
        return np.eye(self.classes, dtype=np.float32)[[label for _, label in self.photos]]

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        some = self.photos[index * BATCH : (index + 1) * BATCH]
        pixels = [
            keras.utils.img_to_array(keras.utils.load_img(path, target_size=(224, 224))) for path, _ in some
        ]
        images: Any = keras.applications.vgg16.preprocess_input(np.stack(pixels))
        return images, np.eye(self.classes, dtype=np.float32)[[label for _, label in some]]


def main() -> None:
    """Train as the lecture does."""
    data, epochs = Path(sys.argv[1]), int(sys.argv[2])
    train, valid = Folder(data / "train"), Folder(data / "valid")
    make: Any = keras.applications.VGG16  # its annotations know no None
    vgg16 = make(weights=None)
    model: Any = keras.Sequential(vgg16.layers[:-1])
    for layer in model.layers:
        layer.trainable = False
    model.add(keras.layers.Dense(train.classes, activation="softmax"))
    model.compile(keras.optimizers.Adam(0.001), loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, validation_data=valid, epochs=epochs, verbose=2)


if __name__ == "__main__":
    main()
