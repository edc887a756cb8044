"""`catdog export`: each format is used by the program that it is for, and gives the run's own answers."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from catdog.cli import run as run_cli
from catdog.export.whole import whole_network
from catdog.model import outputs
from catdog.model.architecture import body
from catdog.model.network import Network
from catdog.model.preprocess import preprocess
from catdog.runs import Run
from catdog.weights.source import find_weights, read_tensors
from catdog.workspace import Workspace
from tests.cli.conftest import Cli
from tests.conftest import KERAS_WARNS
from tests.weights_files import PHOTOS, real_photos

pytestmark = pytest.mark.slow

MADE = {
    "gem": ("--size", "96"),
    "concat": ("--head", "concat", "--size", "96"),
    "fc": ("--head", "fc", "--fc-units", "16,8", "--epochs", "2"),
    "yes-no": ("--head", "fc", "--fc-units", "8", "--output", "binary", "--epochs", "2"),
    "crop": ("--resize", "crop", "--size", "96", "--epochs", "2"),
}
IMAGENET = "imagenet"


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory, few: Path, whole_run: Run) -> Callable[[str], Run]:
    """The run of a name among MADE, trained when it is first asked for; or the one with the head imagenet."""
    runs = tmp_path_factory.mktemp("exported")

    def get(name: str) -> Run:
        if name == IMAGENET:
            return whole_run
        run = Run(runs / name)
        if not run.folder.exists():
            assert run_cli(["train", str(few), "--runs-dir", str(runs), "--name", name, *MADE[name]]) == 0
        return run

    return get


@pytest.fixture(scope="module")
def concat(
    run_of: Callable[[str], Run], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Path]]:
    """The run `concat`, found by its name, as a file of each format, by suffix. Not to be changed."""
    folder, run = tmp_path_factory.mktemp("files"), run_of("concat")
    files = {suffix: folder / f"model.{suffix}" for suffix in ("safetensors", "h5", "onnx")}
    for path in files.values():
        assert run_cli(["export", run.folder.name, str(path), "--runs-dir", str(run.folder.parent)]) == 0
    yield files
    for path in files.values():
        path.unlink()


@pytest.fixture(scope="module")
def expected_of(run_of: Callable[[str], Run]) -> Callable[[str], np.ndarray]:
    """What the run of a name says of PHOTOS, see `float32_answers`; computed once."""
    return cache(lambda name: float32_answers(run_of(name)))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Names for exported files, which are deleted at once: pytest keeps its folders, and these are large."""
    made: list[Path] = []

    def get(name: str) -> Path:
        made.append(tmp_path / name)
        return made[-1]

    yield get
    for path in made:
        path.unlink(missing_ok=True)


def answers(cli: Cli, model: Path, *options: str) -> dict[str, dict[str, float]]:
    """Photo → class → probability, as `catdog predict` says."""
    result = cli("predict", *PHOTOS, "--model", model, "--format", "json", "--top-k", 2, *options)
    assert result.status == 0, result.err
    return {
        Path(row["path"]).name: {one["label"]: one["probability"] for one in row["top"]}
        for row in json.loads(result.out)
    }


def as_array(found: dict[str, dict[str, float]], classes: tuple[str, ...]) -> np.ndarray:
    """(photos, classes), in the order of PHOTOS."""
    return np.array([[found[path.name][label] for label in classes] for path in PHOTOS])


def float32_answers(run: Run) -> np.ndarray:
    """What the run's network says of PHOTOS, (photos, classes), where nothing is rounded to float16.

    `catdog predict` keeps what the convolutions say as float16, which moves a probability by up to 1e-4.
    """
    network = whole_network(run, workspace=Workspace())
    module = Network(network.layers, rngs=None)
    module.assign(network.tensors)
    photos = jnp.asarray(real_photos(network.spec.decoding.size, network.spec.decoding.resize))
    logits = module(preprocess(photos, network.spec.preprocessing), deterministic=True)
    return np.asarray(outputs.probabilities(logits, network.spec.head.output))


@pytest.mark.parametrize("name", [*MADE, IMAGENET])
def test_onnxruntime_answers_as_the_run_does(
    name: str,
    run_of: Callable[[str], Run],
    expected_of: Callable[[str], np.ndarray],
    file: Callable[[str], Path],
    cli: Cli,
) -> None:
    run, path = run_of(name), file("model.onnx")
    result = cli("export", run.folder, path)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"Wrote {path}: onnx, ")

    session: Any = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map["catdog"])
    assert facts["classes"] == ["cats", "dogs"] == list(run.config.classes)
    assert facts["preprocessing"] == "caffe"
    photos = real_photos(facts["decoding"]["size"], facts["decoding"]["resize"])
    (all_at_once,) = session.run(["probabilities"], {"photos": photos})
    (first,) = session.run(["probabilities"], {"photos": photos[:1]})
    expected = expected_of(name)
    assert np.ptp(expected[:, 0]) > 0.01, "a model that says the same of every photo shows nothing"
    np.testing.assert_allclose(all_at_once, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(first, expected[:1], rtol=0, atol=1e-4)
    said = as_array(answers(cli, run.folder), run.config.classes)
    np.testing.assert_allclose(all_at_once, said, rtol=0, atol=5e-4)


def keras_network(keras: ModuleType, name: str, size: int) -> Any:
    """The network that the README says to build for a head."""
    if name == IMAGENET:
        return keras.applications.VGG16(weights=None, classes=2)
    base = keras.applications.VGG16(weights=None, include_top=False, input_shape=(size, size, 3))
    layers = keras.layers
    x = base.output
    if name == "concat":
        x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    elif name == "gem":
        mean = keras.ops.mean(keras.ops.power(x, 3), axis=(1, 2))
        pooled = keras.ops.power(keras.ops.maximum(mean, 1e-6), 1 / 3)
        x = pooled / keras.ops.sqrt(keras.ops.sum(pooled * pooled, axis=1, keepdims=True))
    else:
        x = layers.Flatten()(x)
        x = layers.Dense(16, "relu")(x)
        x = layers.Dense(8, "relu")(x)
    return keras.Model(base.input, layers.Dense(2, "softmax")(x))


@pytest.mark.peer
@KERAS_WARNS
@pytest.mark.parametrize("name", ["gem", "concat", "fc", IMAGENET])
def test_keras_loads_the_weights_and_answers_as_the_run_does(
    name: str,
    run_of: Callable[[str], Run],
    expected_of: Callable[[str], np.ndarray],
    file: Callable[[str], Path],
    cli: Cli,
    keras: ModuleType,
) -> None:
    run, path = run_of(name), file("model.h5")
    assert cli("export", run.folder, path).status == 0
    size = run.read_model()[1].decoding.size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.initializers.GlorotUniform, "__call__", keras.initializers.Zeros.__call__)
        network = keras_network(keras, name, size)
    network.load_weights(path)
    photos = real_photos(size)
    inputs = keras.applications.vgg16.preprocess_input(photos.astype(np.float32))
    found = network.predict(inputs, verbose=0)
    np.testing.assert_allclose(found, expected_of(name), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["concat", "fc"])
def test_our_own_file_stands_alone(
    name: str, run_of: Callable[[str], Run], file: Callable[[str], Path], cli: Cli
) -> None:
    run, path = run_of(name), file("model.safetensors")
    # To the last bit without the temperature, which the file has in its last layer.
    assert cli("export", run.folder, path, "--no-calibrate").status == 0
    assert answers(cli, path) == answers(cli, run.folder, "--no-calibrate")


def test_it_needs_the_weights_file_no_more(whole_run: Run, file: Callable[[str], Path], cli: Cli) -> None:
    path = file("model.safetensors")
    assert cli("export", whole_run.folder, path, "--no-calibrate").status == 0
    expected = answers(cli, whole_run.folder, "--no-calibrate")
    weights = Path(whole_run.config.options.weights)
    hidden = weights.with_name("hidden")
    os.rename(weights, hidden)
    try:
        assert cli("predict", PHOTOS[0], "--model", whole_run.folder).status == 1
        assert answers(cli, path) == expected
    finally:
        os.rename(hidden, weights)


def test_what_it_was_trained_to_is_in_the_file(
    tmp_path: Path, few: Path, file: Callable[[str], Path], cli: Cli
) -> None:
    """Behind the freeze boundary the run's convolutions are in the file, not those that shipped."""
    options = ("--unfreeze", "block5", "--epochs", 1, "--lr", "0.0001", "--name", "deep", "--size", 96)
    assert cli("train", few, *options).status == 0
    path = file("model.safetensors")
    assert cli("export", "runs/deep", path).status == 0
    trained, _ = Run(tmp_path / "runs" / "deep").read_model()
    with safe_open(path, "numpy") as exported:
        for name in ("block5_conv1/kernel", "block5_conv3/bias"):
            np.testing.assert_array_equal(exported.get_tensor(name), trained[name])
    expected = as_array(answers(cli, Path("runs/deep")), ("cats", "dogs"))
    found = as_array(answers(cli, path), ("cats", "dogs"))
    # The features at the boundary are float16: at another one they are rounded elsewhere.
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


def test_torchvisions_names_and_layout(whole_run: Run, file: Callable[[str], Path], cli: Cli) -> None:
    path = file("torchvision.safetensors")
    assert cli("export", whole_run.folder, path, "--format", "torchvision").status == 0
    with safe_open(path, "numpy") as exported:
        shapes = {name: tuple(exported.get_slice(name).get_shape()) for name in exported.keys()}
    assert len(shapes) == 32
    assert shapes["features.28.weight"] == (512, 512, 3, 3)
    assert shapes["classifier.0.weight"] == (4096, 25088)
    assert shapes["classifier.6.weight"] == (2, 4096)
    pretrained = body(whole_run.config.options.head)
    ours = read_tensors(find_weights(whole_run.config.options.weights), pretrained)
    theirs = read_tensors(find_weights(str(path)), pretrained)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        np.testing.assert_array_equal(theirs[name], tensor)
    refused = cli("predict", PHOTOS[0], "--model", path)
    assert refused.status == 1
    assert "with --format catdog can be used as a model" in refused.err


def test_a_head_that_torchvision_has_not_is_refused(
    run_of: Callable[[str], Run], file: Callable[[str], Path], cli: Cli
) -> None:
    path = file("model.safetensors")
    result = cli("export", run_of("concat").folder, path, "--format", "torchvision")
    assert result.status == 1
    assert "VGG16 has fc1 and fc2, and a run with the head concat does not" in result.err
    assert not path.exists()
    assert list(path.parent.iterdir()) == []


def test_what_is_exported_can_be_fine_tuned_again(
    run_of: Callable[[str], Run], concat: dict[str, Path]
) -> None:
    layers = body(run_of("concat").config.options.head)
    builtin = read_tensors(find_weights("builtin"), layers)
    for form in ("safetensors", "h5"):
        source = find_weights(str(concat[form]))
        assert source.preprocessing == "caffe"
        tensors = read_tensors(source, layers)
        for name, tensor in builtin.items():
            np.testing.assert_array_equal(tensors[name], tensor.astype(np.float32))


def test_a_file_that_is_there_is_kept(
    run_of: Callable[[str], Run], file: Callable[[str], Path], cli: Cli
) -> None:
    path = file("model.safetensors")
    path.write_bytes(b"mine")
    result = cli("export", run_of("concat").folder, path)
    assert (result.status, path.read_bytes()) == (1, b"mine")
    assert result.err.startswith(f"catdog: error: {path} exists already")
    assert cli("export", run_of("concat").folder, path, "--force").status == 0
    assert path.stat().st_size > 50_000_000


@pytest.mark.parametrize(
    ("name", "module", "advice"),
    [("m.onnx", "onnx", "catdog-cli[onnx]"), ("m.h5", "h5py", "catdog-cli[keras]")],
)
def test_a_library_that_is_missing_is_named(
    name: str,
    module: str,
    advice: str,
    run_of: Callable[[str], Run],
    file: Callable[[str], Path],
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = cli("export", run_of("concat").folder, file(name))
    assert result.status == 1
    assert f"pip install '{advice}'" in result.err


def test_the_name_that_keras_3_reads_otherwise_is_refused(
    run_of: Callable[[str], Run], file: Callable[[str], Path], cli: Cli
) -> None:
    result = cli("export", run_of("concat").folder, file("cats.weights.h5"))
    assert result.status == 1
    assert result.err.endswith("name it cats.h5\n")


def test_the_runs_own_folder_is_left_alone(run_of: Callable[[str], Run], cli: Cli) -> None:
    run = run_of("concat")
    before = run.model_path.read_bytes()
    result = cli("export", run.folder, run.model_path, "--force")
    assert (result.status, run.model_path.read_bytes()) == (1, before)
    assert "is in the folder of the run" in result.err


def test_who_may_read_it_is_as_for_any_new_file(concat: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    for path in concat.values():
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def hostile(facts: dict[str, Any] | str, tensors: dict[str, np.ndarray], path: Path) -> Path:
    text = facts if isinstance(facts, str) else json.dumps(facts)
    save_file(tensors, path, {"catdog": text})
    return path


SOUND = {
    "classes": ["a", "b"],
    "preprocessing": "caffe",
    "head": {"kind": "linear", "fc_units": [], "dropout": 0.5, "output": "category"},
    "decoding": {"size": 224, "resize": "squash"},
}


@pytest.mark.parametrize(
    ("facts", "tensors"),
    [
        ("[" * 100_000, {}),
        ("[]", {}),
        ({"classes": ["a"]}, {}),
        (SOUND | {"decoding": {"size": 100_000, "resize": "squash"}}, {}),
        (SOUND | {"classes": []}, {}),
        (SOUND, {}),
        (SOUND, {"head/predictions/kernel": np.zeros((0, 2), np.float32)}),
        (SOUND, {"head/predictions/kernel": np.zeros((2, 0), np.float32)}),
    ],
    ids=["deep", "no object", "too little", "huge photos", "no class", "no layers", "no rows", "no columns"],
)
def test_a_file_that_lies_about_itself_is_refused(
    facts: dict[str, Any] | str, tensors: dict[str, np.ndarray], cli: Cli
) -> None:
    path = hostile(facts, tensors, Path("m.safetensors"))
    result = cli("predict", PHOTOS[0], "--model", path)
    assert result.status == 1
    assert result.err.startswith("catdog: error: ")


def test_a_name_that_says_no_format_is_refused(
    run_of: Callable[[str], Run], file: Callable[[str], Path], cli: Cli
) -> None:
    result = cli("export", run_of("concat").folder, file("model.pkl"))
    assert result.status == 1
    assert "expected a FILE that ends in .safetensors, .h5, .onnx, found 'model.pkl'" in result.err


def test_an_exported_file_is_no_run(concat: dict[str, Path], cli: Cli) -> None:
    again = cli("export", concat["safetensors"], "again.safetensors")
    assert again.status == 1
    assert f"{concat['safetensors']} is an exported file" in again.err


def test_a_folder_that_cannot_be_written_is_named(run_of: Callable[[str], Run], cli: Cli) -> None:
    Path("file").write_text("no folder")
    result = cli("export", run_of("concat").folder, "file/model.safetensors")
    assert result.status == 1
    assert "file/model.safetensors cannot be written: " in result.err


def test_a_file_that_catdog_did_not_write_is_no_model(cli: Cli, tmp_path: Path) -> None:
    other = find_weights("builtin").path
    result = cli("predict", PHOTOS[0], "--model", other)
    assert result.status == 1
    assert (
        f"expected a run folder, or a .safetensors file that `catdog export` wrote, found {other}"
        in result.err
    )
