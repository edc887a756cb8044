"""Views that each epoch draws from pixels: as Pillow makes them, reproducible, resumed to the same bits."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from catdog import interrupt
from catdog.config import Decoding, Head, TrainOptions
from catdog.data import decode
from catdog.data.views import relit, view_in_epoch
from catdog.errors import OptionError
from catdog.features.features import Features
from catdog.model.architecture import CONVOLUTIONS, head
from catdog.model.suffix import Suffix, Tensors
from catdog.runs import Run
from catdog.training import step as step_module
from catdog.training.drawn import DrawnViews, draw
from catdog.training.events import Event, Sums
from catdog.training.optimizers import OPTIMIZERS
from catdog.training.options import NewRun, Resume
from catdog.training.step import Trainer, TrainState
from catdog.training.train import train as train_run
from catdog.weights import source as weights
from tests.conftest import ROOT
from tests.model.rounding import relative_error
from tests.pictures import draw_pictures
from tests.process import command_line_signals
from tests.training.test_views import _cached
from tests.training.whole import train
from tests.workspaces import two_workers

PHOTOS, SIDE = 13, 8
DIGESTS = tuple(hashlib.sha256(bytes([number])).hexdigest() for number in range(PHOTOS))
DRAWN = DrawnViews(3, DIGESTS)


def test_views_are_those_of_pillow() -> None:
    size, paths = 96, sorted((ROOT / "sample_data" / "photos").iterdir())
    photos = np.stack([decode(path, Decoding(size)) for path in paths])
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    views = DrawnViews(0, digests).in_epoch(1, np.arange(len(paths)))
    unlit, mirrored = views.copy(), np.tile(np.array([1, 0, 0, 1, 1, 1, 1], np.float32), (len(paths), 1))
    unlit[:, 4:] = 1
    drawing = jax.jit(draw)
    cropped, drawn = (np.asarray(drawing(photos, chosen)).astype(int) for chosen in (unlit, views))
    for photo, digest, of_part, of_view in zip(photos, digests, cropped, drawn, strict=True):
        view = view_in_epoch(0, 1, digest)
        box = view.within((0, 0, size, size))
        part = np.asarray(Image.fromarray(photo).resize((size, size), Image.Resampling.BILINEAR, box=box))
        assert view.light is not None
        turn = slice(None, None, -1 if view.mirrored else 1)
        # Pillow rounds a crop twice, to whole levels; the light multiplies that by at most 1.2 three times.
        assert abs(of_part - part[:, turn]).max() <= 1
        difference = abs(of_view - relit(part, view.light)[:, turn])
        assert difference.max() <= 2
        assert difference.mean() < 0.5
    assert_array_equal(drawing(photos, mirrored), photos[:, :, ::-1])
    assert_array_equal(drawing(photos, mirrored[:, [2, 1, 0, *range(3, 7)]]), photos)


def test_a_view_depends_on_the_seed_the_epoch_and_the_content_alone() -> None:
    photos = np.arange(PHOTOS)
    views = DRAWN.in_epoch(1, photos)
    turned = DrawnViews(3, DIGESTS[::-1])
    assert_array_equal(turned.in_epoch(1, photos[::-1].reshape(1, PHOTOS))[0], views)
    assert_array_equal(DRAWN.in_epoch(1, photos[4:6]), views[4:6])
    others = (DRAWN.in_epoch(2, photos), DrawnViews(4, DIGESTS).in_epoch(1, photos))
    assert len(np.unique(np.concatenate([views, *others]), axis=0)) == 3 * PHOTOS
    assert {*np.sign(views[:, 2] - views[:, 0])} == {-1, 1}  # some are mirrored
    # Written down once: another machine, and a resumed run, must draw the same.
    expected = [0.9744415, 0.0007172, 0.0092621, 0.9955750, 0.9663001, 0.8946129, 1.1289681]
    assert views[0] == pytest.approx(expected, abs=1e-7)


def _data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, PHOTOS).astype(np.int32)
    return random.integers(0, 256, (PHOTOS, SIDE, SIDE, 3), np.uint8), labels


def _trainer(**options: Any) -> tuple[Trainer, Tensors, Tensors]:
    new = Head("fc", (4,), dropout=0.0)
    suffix = Suffix(
        head(new, 2, features=(SIDE, SIDE, 3)), "category", preprocessing="caffe", dtype="float32"
    )
    params, constants = suffix.initial(0)
    constants |= {"rescale/scale": jnp.float32(100.0)}
    chosen = {"batch_size": 4, "photos": PHOTOS, "seed": 3, "drawn": DRAWN} | options
    return Trainer(suffix, OPTIMIZERS["sgd"], learning_rate=1e-2, **chosen), params, constants


def _trained(trainer: Trainer, params: Tensors, constants: Tensors, **rest: Any) -> tuple[TrainState, Sums]:
    photos, labels = _data()
    features = Features.in_memory(rest.pop("photos", photos))
    state = rest.pop("state", None) or trainer.initial({name: value.copy() for name, value in params.items()})
    given: dict[str, Any] = {"epoch": 1, "report": lambda _: None} | rest
    return trainer.epoch(state, constants, features, labels, **given)


def test_an_epoch_trains_on_the_views_that_it_draws_stopped_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_module, "_CHUNK_BYTES", 1)  # chunks of one batch
    photos, _ = _data()
    trainer, params, constants = _trainer()
    found, sums = _trained(trainer, params, constants)
    calls = iter([False, False, False, False, True])  # asked twice a chunk
    state, before = _trained(trainer, params, constants, stop=lambda: next(calls))
    assert before.photos == 8
    resumed, after = _trained(trainer, params, constants, state=state, since=before)
    assert after == sums
    jax.tree.map(assert_array_equal, resumed, found)

    plain, *_ = _trainer(drawn=None)
    views = np.asarray(jax.jit(draw)(photos, DRAWN.in_epoch(1, np.arange(PHOTOS))))
    expected, expected_sums = _trained(plain, params, constants, photos=views)
    assert sums.loss == pytest.approx(expected_sums.loss, rel=1e-6)
    for name, value in found.params.items():
        assert relative_error(value, expected.params[name]) < 1e-6
    assert sums.loss != pytest.approx(_trained(plain, params, constants)[1].loss, rel=1e-3)


# A training on two devices; argument 1 is where its parameters go.
_ON_TWO = """
import sys
import jax
import numpy as np
from tests.training.test_drawn import _trained, _trainer
assert jax.device_count() == 2
np.savez(sys.argv[1], **_trained(*_trainer())[0].params)
"""


@pytest.mark.slow
def test_two_devices_draw_the_same_views(tmp_path: Path) -> None:
    path = tmp_path / "params.npz"
    environment = {"JAX_NUM_CPU_DEVICES": "2", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", _ON_TWO, str(path)]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | environment)
    found = np.load(path)
    for name, value in _trained(*_trainer())[0].params.items():
        assert relative_error(found[name], value) < 1e-5, name


@pytest.mark.parametrize(
    ("changes", "draws"),
    [
        ({"unfreeze": "all", "views": 1}, True),
        ({"unfreeze": "block1", "views": 3, "head": "fc"}, True),
        ({"unfreeze": "all"}, False),
        ({"unfreeze": "block2", "views": 3}, False),
        ({"views": 3}, False),
    ],
)
def test_views_are_drawn_where_the_features_are_pixels(
    changes: dict[str, Any], draws: bool, tmp_path: Path
) -> None:
    options = NewRun(tmp_path, **changes).complete(weights.find_weights("builtin"))
    assert options.draws_views is draws
    earlier = {name: value for name, value in options.to_json().items() if name != "draws_views"}
    assert TrainOptions.from_json(earlier).draws_views is False  # a run of before has views in its cache


def test_too_many_views_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="at most 32 views, found 33: each takes as much time as the photo"):
        NewRun(tmp_path, views=33)


@pytest.mark.slow
def test_a_training_of_all_layers_learns_and_resumes_within_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    draw_pictures(data / "train", {"circles": 6, "squares": 6}, seed=1, size=32)
    draw_pictures(data / "valid", {"circles": 3, "squares": 3}, seed=2, size=32)
    monkeypatch.setattr(step_module, "_CHUNK_BYTES", 1)
    options: dict[str, Any] = {"optimizer": None, "lr": None, "batch_size": 4, "views": 1, "l2": 0.01}
    options |= {"mixup": 0.2, "label_smoothing": 0.05}
    whole = train(data, tmp_path, "all", **options)
    assert _cached(tmp_path / "cache") == {0: 18, 1: 6}
    assert whole.read_model()[1].views == 1
    _, first, second = whole.history()
    assert second.loss < first.loss

    def stop(event: Event) -> None:
        if isinstance(event, Sums):
            os.kill(os.getpid(), signal.SIGTERM)

    with command_line_signals(monkeypatch):
        with pytest.raises(interrupt.Preempted):
            train(data, tmp_path, "all", report=stop, name="stopped", **options)
        interrupt.seen()
        interrupt._preempted = False
    stopped = Run(tmp_path / "runs" / "stopped")
    assert (stopped.read_state() or ({}, {}))[1]["photos"] == 8  # of the first epoch
    again = train_run(Resume(stopped.folder), two_workers(tmp_path / "cache"))
    state, progress = whole.read_state() or ({}, {})
    resumed, same = again.read_state() or ({}, {})
    assert progress == same
    assert state.keys() == resumed.keys()
    for name, value in state.items():
        assert_array_equal(resumed[name], value)
    pretrained = weights.read_tensors(weights.find_weights("builtin"), CONVOLUTIONS)
    new = {"predictions/kernel", "predictions/bias", "rescale/scale"}
    assert whole.read_model()[0].keys() == pretrained.keys() | new
    assert state["tensors/rescale/scale"] == whole.read_model()[0]["rescale/scale"]
    for name, value in pretrained.items():
        assert not np.array_equal(state[f"tensors/{name}"], value), name
