"""Heat maps: against Keras' convolutions and JAX's gradient, and on photos whose content is known."""

from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import catdog
from catdog import hosts
from catdog.api import Model
from catdog.config import Decoding
from catdog.data import decode
from catdog.data.overlay import lay_over
from catdog.errors import PhotoError
from catdog.hosts import Group
from catdog.model.architecture import CONVOLUTIONS
from catdog.runs import shipped_run
from catdog.weights.source import find_weights, read_tensors

SIZE = shipped_run().config.options.decoding.size
SAMPLE = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(scope="module")
def model(cache_dir: Path) -> Model:
    return catdog.load(cache_dir=cache_dir)


@pytest.mark.slow
@pytest.mark.peer
def test_heat_is_what_keras_gives(model: Model, keras: ModuleType) -> None:
    tensors = read_tensors(find_weights("builtin"), CONVOLUTIONS, memo_dir=None)
    twin = keras.applications.VGG16(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    for layer in twin.layers:
        if layer.weights:
            layer.set_weights([tensors[f"{layer.name}/{part}"] for part in ("kernel", "bias")])
    until = keras.Model(twin.inputs[0], twin.get_layer("block5_conv3").output)
    pool = twin.get_layer("block5_pool")
    own, _ = shipped_run().read_model()
    photos = sorted((SAMPLE / "photos").glob("*.jpg"))[:2]
    for photo in photos:
        pixels = decode(photo, Decoding(SIZE)).astype(np.float32)[None, :, :, ::-1]
        activations = jnp.asarray(until(pixels - np.array([103.939, 116.779, 123.68], np.float32)))

        def logit(activations: jax.Array, label: int) -> jax.Array:
            means = jnp.cbrt(jnp.maximum((pool(activations) ** 3).mean((1, 2)), 1e-6))
            units = means / jnp.linalg.norm(means)
            return (units @ own["predictions/kernel"] + own["predictions/bias"])[0, label]

        for label in range(2):
            weights = jax.grad(logit)(activations, label).mean(axis=(1, 2))
            heat = np.maximum((activations * weights[:, None, None]).sum(axis=-1)[0], 0)
            ours = model._classifier.heat_maps([photo], [label])[0]
            np.testing.assert_allclose(ours, heat / heat.max(), atol=5e-3)  # features are cached as float16


@pytest.mark.slow
def test_heat_lies_on_the_animal(dogscats: Path, model: Model, tmp_path: Path) -> None:
    """A cat on the left and a dog on the right: each class is found on its own half."""
    fractions = {"cats": [], "dogs": []}
    pairs = zip(*(sorted((dogscats / "valid" / name).iterdir())[:12] for name in fractions), strict=True)
    paths = []
    for number, (cat, dog) in enumerate(pairs):
        both = Image.new("RGB", (448, 224))
        for place, photo in ((0, cat), (224, dog)):
            both.paste(Image.open(photo).convert("RGB").resize((224, 224)), (place, 0))
        paths.append(tmp_path / f"{number}.png")
        both.save(paths[-1])
    for label, name in enumerate(model.classes):
        for heat in model._classifier.heat_maps(paths, [label] * len(paths)):
            middle = heat.shape[1] // 2
            half = heat[:, :middle] if name == "cats" else heat[:, middle:]
            fractions[name].append(half.sum() / max(heat.sum(), 1e-6))
    for name, of_photos in fractions.items():
        assert np.median(of_photos) > 0.8, (name, of_photos)


def test_one_of_several_processes_looks_at_its_photos_alone(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "_group", Group(0, 2))  # the other one would be asked, and cannot be
    with pytest.raises(PhotoError, match="the file does not exist"):
        model._classifier.heat_maps([tmp_path / "missing.jpg"], [0])


@pytest.mark.parametrize(
    ("resize", "shape", "expected"),
    [
        ("squash", (100, 200), (slice(0, 50), slice(0, 100))),
        ("pad", (100, 200), (slice(0, 50), slice(0, 100))),
        ("crop", (100, 200), (slice(0, 50), slice(50, 100))),
        ("crop", (200, 100), (slice(50, 100), slice(0, 50))),
    ],
)
def test_heat_is_laid_over_the_square_that_the_network_gets(
    resize, shape: tuple[int, int], expected: tuple[slice, slice]
) -> None:
    heat = np.zeros((14, 14), np.float32)
    heat[:7, :7] = 1
    grey = np.full((*shape, 3), 100, np.uint8)
    laid = lay_over(grey, heat, Decoding(resize=resize))
    changed = np.zeros(shape, bool)
    changed[expected] = True
    differs = (laid != grey).any(axis=-1)
    assert laid.shape == grey.shape
    assert (differs == changed).mean() > 0.85  # its edge is soft
    assert np.array_equal(lay_over(grey, np.zeros((14, 14), np.float32), Decoding(resize=resize)), grey)
