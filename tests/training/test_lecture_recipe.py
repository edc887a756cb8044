"""The lecture's own code, as Keras 3 runs it, against ours: the same photos in the same order, 20 steps.

`pytest -n 0 -s -k lecture` prints how far apart the new layers are.
"""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from catdog.config import Head
from catdog.features.features import Features
from catdog.features.forward import condense, make_suffix
from catdog.features.prefix import Prefix
from catdog.training.events import ignore
from catdog.training.optimizers import find_optimizer
from catdog.training.step import Trainer
from catdog.weights.source import find_weights
from tests.conftest import KERAS_WARNS
from tests.weights_files import Tensors, real_photos

pytestmark = [pytest.mark.peer, pytest.mark.slow, KERAS_WARNS]

PHOTOS, BATCH, STEPS, SEED = 4, 2, 20, 5
RATE = 0.001  # a step of Adam moves a number by about this, however large its gradient is


@pytest.fixture(scope="module")
def photos() -> tuple[np.ndarray, np.ndarray]:
    """Four photos of sample_data, uint8, and which is a dog."""
    return real_photos(), np.array([0, 0, 0, 1], np.int32)


@pytest.fixture(scope="module")
def weights_file(whole_tensors: Tensors, keras_vgg16: Any, tmp_path_factory: Any) -> Iterator[str]:
    path = tmp_path_factory.mktemp("lecture") / "vgg16.weights.h5"
    keras_vgg16.save_weights(path)
    yield str(path)
    path.unlink()


def the_lecture(keras: ModuleType, vgg16: Any, photos_bhwc: np.ndarray, labels: np.ndarray) -> list[Any]:
    """VGG16 without its last layer, frozen, and a new softmax: (first kernel, first bias, kernel, bias)."""
    popped = keras.Model(vgg16.input, vgg16.layers[-2].output)
    popped.trainable = False
    new = keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([popped, new])
    model.compile(keras.optimizers.Adam(RATE), "categorical_crossentropy", metrics=["accuracy"])
    model.build((None, 224, 224, 3))
    start = [value.copy() for value in new.get_weights()]
    inputs = keras.applications.vgg16.preprocess_input(photos_bhwc.astype(np.float32))
    targets = keras.utils.to_categorical(labels, 2)
    for rows in order():
        model.train_on_batch(inputs[rows], targets[rows])
    return [*start, *new.get_weights()]


def order() -> list[np.ndarray]:
    """The photos of each step, as `Trainer.epoch` draws them."""
    epochs = range(1, STEPS * BATCH // PHOTOS + 1)
    shuffled = [np.random.default_rng([SEED, epoch]).permutation(PHOTOS) for epoch in epochs]
    return [rows for epoch in shuffled for rows in epoch.reshape(-1, BATCH)]


def test_after_20_steps_the_new_layer_is_that_of_the_lecture(
    keras: ModuleType, keras_vgg16: Any, weights_file: str, photos: tuple[np.ndarray, np.ndarray]
) -> None:
    pixels, labels = photos
    *start, kernel, bias = the_lecture(keras, keras_vgg16, pixels, labels)
    assert np.abs(kernel - start[0]).max() > 0.01, "twenty steps of Adam move it"

    head = Head("imagenet", dropout=0)
    prefix = Prefix(find_weights(weights_file), head, unfreeze="head")
    suffix = make_suffix(prefix, head, 2, size=224)
    features = Features.in_memory(np.asarray(prefix(pixels)))
    assert features.shape == (4096,)
    trainer = Trainer(
        suffix, find_optimizer("adam"), learning_rate=RATE, batch_size=BATCH, photos=PHOTOS, seed=SEED
    )
    state = trainer.initial(dict(zip(("predictions/kernel", "predictions/bias"), start, strict=True)))
    for epoch in range(1, STEPS * BATCH // PHOTOS + 1):
        state, _ = trainer.epoch(
            state, {}, condense(suffix, {}, [features]), labels, epoch=epoch, report=ignore
        )
    assert int(state.step) == STEPS
    for name, expected in (("predictions/kernel", kernel), ("predictions/bias", bias)):
        difference = np.abs(np.asarray(state.params[name]) - expected).max()
        print(f"\n{name}: largest value {np.abs(expected).max():.4f}, largest difference {difference:.1e}")
        # A tenth of one step of the twenty: the scale is that of the steps, not that of the numbers.
        np.testing.assert_allclose(state.params[name], expected, rtol=0, atol=RATE / 10)


def test_with_dropout_pool5_is_cached_and_fc1_runs_once_per_photo(
    weights_file: str, photos: tuple[np.ndarray, np.ndarray]
) -> None:
    """Dropout 0.5 between fc1, fc2 and the new layer, as the lecture's network has it."""
    with_dropout, without = Head("imagenet"), Head("imagenet", dropout=0)
    source = find_weights(weights_file)
    pixels = photos[0][:2]
    outputs = []
    for head, shape in ((with_dropout, (7, 7, 512)), (without, (4096,))):
        prefix = Prefix(source, head, unfreeze="head")
        suffix = make_suffix(prefix, head, 2, size=224)
        features = Features.in_memory(np.asarray(prefix(pixels)))
        assert features.shape == shape
        condensed = condense(suffix, prefix.frozen_arrays, [features])
        assert condensed.shape == (4096,)
        params = {
            "predictions/kernel": jnp.ones((4096, 2)) * jnp.array([1.0, -1.0]),
            "predictions/bias": jnp.zeros(2),
        }
        frozen = prefix.frozen_arrays
        assert suffix.to_save(params, frozen).keys() == params.keys()
        outputs.append(np.asarray(suffix.compiled_logits(params, frozen, condensed.gather(np.arange(2)))))
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=2e-3)  # features of the first are float16
