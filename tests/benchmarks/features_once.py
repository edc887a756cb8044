"""What a sensible user of Keras writes: features of VGG16 computed once, and a softmax layer trained on them.

    KERAS_BACKEND=jax python tests/benchmarks/features_once.py DATA EPOCHS

DATA has train/CLASS/ and valid/CLASS/. The weights are random, as in lecture.py, whose way of reading photos
this shares. speed.py measures this as a process.
"""

import sys
from pathlib import Path
from typing import Any

import keras
from lecture import BATCH, Folder


def main() -> None:
    """Compute features, then train a head on them."""
    data, epochs = Path(sys.argv[1]), int(sys.argv[2])
    train, valid = Folder(data / "train"), Folder(data / "valid")
    make: Any = keras.applications.VGG16  # its annotations know no None
    vgg16 = make(include_top=False, weights=None, pooling="avg", input_shape=(224, 224, 3))
    features = {folder: vgg16.predict(folder, verbose=0) for folder in (train, valid)}
    head: Any = keras.Sequential([keras.layers.Dense(train.classes, activation="softmax")])
    head.compile(keras.optimizers.Adam(0.001), loss="categorical_crossentropy", metrics=["accuracy"])
    head.fit(
        features[train],
        train.labels,
        batch_size=BATCH,
        validation_data=(features[valid], valid.labels),
        epochs=epochs,
        verbose=2,
    )


if __name__ == "__main__":
    main()
