"""What all tests share: a cache of their own, tiny drawn data sets, the real photos where they are, Keras."""

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from catdog import devices
from catdog.model.architecture import vgg16
from tests.pictures import draw_pictures
from tests.weights_files import Tensors, random_tensors

# Before a console is made: pytest-xdist sets COLUMNS, CI services set the others.
for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "CI"):
    os.environ.pop(name, None)
devices.set_flags()  # before a test module, on being collected, makes JAX look for a device

# Keras' own, whenever it gives an array or saves one.
KERAS_WARNS = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

# These share Keras, random weights for the whole of VGG16 and a training on them, which cost half a minute.
WHOLE = (
    "tests/cli/test_downloads.py",
    "tests/cli/test_export.py",
    "tests/cli/test_pytorch.py",
    "tests/cli/test_whole_weights.py",
    "tests/features/test_prefix.py",
    "tests/inference/test_grad_cam.py",
    "tests/model/test_keras_parity.py",
    "tests/model/test_preprocess.py",
    "tests/training/test_lecture_recipe.py",
    "tests/weights/test_whole_files.py",
)

ROOT = Path(__file__).parent.parent
_REAL = ROOT.parent / "shared" / "dogscats"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives each worker whole files, as `--dist loadfile` does, and one of them all of WHOLE."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "whole" if file in WHOLE else file

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session, never the user's: what one test computes or compiles, others find.

    CATDOG_TEST_CACHE names a folder for several sessions.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all workers
    folder = Path(os.environ.get("CATDOG_TEST_CACHE") or folder / "cache")
    folder.mkdir(exist_ok=True)
    os.environ["CATDOG_CACHE_DIR"] = str(folder)
    devices.configure(folder)
    return folder


@pytest.fixture(scope="session")
def compiled() -> list[str]:
    """Grows by one with each program that XLA compiles, in whatever thread."""
    import jax.monitoring

    programs: list[str] = []

    def count(event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            programs.append(event)

    jax.monitoring.register_event_duration_secs_listener(count)  # for good: none can be taken away
    return programs


@pytest.fixture(scope="session")
def dogscats() -> Path:
    """1,600 + 400 real photos."""
    if not _REAL.is_dir():
        pytest.skip("the real photos are not beside the repository: ../shared/dogscats is absent")
    return _REAL


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with split folders and two classes: 24 + 8 pictures of each. Not to be changed."""
    root = tmp_path_factory.mktemp("shapes")
    draw_pictures(root / "train", {"circles": 24, "squares": 24}, seed=1)
    draw_pictures(root / "valid", {"circles": 8, "squares": 8}, seed=2)
    return root


@pytest.fixture
def fill() -> Iterator[Callable[[int | None], None]]:
    """No file grows beyond so many bytes: a write fails in its middle, as on a full disk. None ends it."""
    resource = pytest.importorskip("resource")  # not on Windows
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def set_limit(size: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit if size is None else size, most))

    yield set_limit
    set_limit(None)


@pytest.fixture(scope="session")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Keras; both variables are read when it is first imported, the second keeps it out of home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "jax")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        module = importlib.import_module("keras")
        assert module.backend.backend() == "jax"
        yield module


@pytest.fixture(scope="session")
def whole_tensors() -> Tensors:
    """Random weights for the whole of VGG16, 553 MB. Not to be changed."""
    return random_tensors(vgg16())


@pytest.fixture(scope="session")
def keras_vgg16(keras: ModuleType, whole_tensors: Tensors) -> Any:
    """Keras' own VGG16 with those weights, and logits for an answer. Not to be changed."""
    return keras_twin(keras, whole_tensors, side=224, classes=1000)


def keras_twin(keras: ModuleType, tensors: Tensors, *, side: int, classes: int) -> Any:
    """VGG16 as Keras builds it, for photos of `side` pixels, with these weights."""
    with pytest.MonkeyPatch.context() as patch:
        # Drawing kernels that are replaced at once takes most of a minute.
        patch.setattr(keras.initializers.GlorotUniform, "__call__", keras.initializers.Zeros.__call__)
        model = keras.applications.VGG16(
            weights=None, input_shape=(side, side, 3), classes=classes, classifier_activation=None
        )
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([tensors[f"{layer.name}/{part}"] for part in ("kernel", "bias")])
    return model
