"""--time-limit: the largest photos that are computed in time, and what it refuses."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import catdog
from catdog import devices
from catdog.errors import OptionError
from catdog.features.prefix import Prefix
from catdog.text import seconds_from_people
from catdog.training.events import Event, Remark
from catdog.training.options import SIZE_OF, NewRun
from catdog.training.photos import find_photos
from catdog.training.time_limit import _seconds
from catdog.weights.source import find_weights
from tests.workspaces import two_workers


@pytest.mark.parametrize(
    ("limit", "size", "words"),
    [
        (0.01, 96, "even --quality fast takes longer than --time-limit: about"),
        (36_000, 160, "--time-limit takes --quality best: features of 160 pixels in about"),
    ],
)
def test_the_largest_size_that_is_fast_enough(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float, size: int, words: str
) -> None:
    monkeypatch.setattr("catdog.training.time_limit._BATCHES", 1)
    for quality, pixels in (("fast", 96), ("good", 128), ("best", 160)):
        monkeypatch.setitem(SIZE_OF, quality, pixels)
    events: list[Event] = []
    run = catdog.train(shapes, runs_dir=tmp_path / "runs", time_limit=limit, epochs=1, report=events.append)
    assert run.config.options.decoding.size == size
    assert any(words in str(event.sentence) for event in events if isinstance(event, Remark))


def test_the_features_of_views_take_their_time_too(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second for each photo of each view, on a clock of its own; measured photos are cached then."""
    seconds = [0]
    measured: list[int] = []

    def extract(paths: list[Path], *_: object, **__: object) -> None:
        seconds[0] += len(paths)
        measured.append(len(paths))

    monkeypatch.setattr("catdog.training.time_limit.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    monkeypatch.setattr("catdog.training.time_limit.extract", extract)
    monkeypatch.setattr("catdog.training.time_limit._BATCHES", 1)
    workspace = devices.opened(two_workers(tmp_path / "cache"))
    options = NewRun(shapes, size=96, views=2).complete(find_weights("builtin"))
    photos = find_photos(options, workers=1).by_digest()
    prefix = Prefix(find_weights("builtin"), options.head, unfreeze="head", workspace=workspace)
    assert _seconds(options, photos, prefix, workspace) == 3 * 64 - sum(measured)


@pytest.mark.parametrize("options", [{"size": 96}, {"unfreeze": "block5"}, {"head": "fc"}])
def test_it_chooses_the_size_of_frozen_features_alone(
    shapes: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(OptionError, match="^--time-limit chooses the size of the photos for frozen features"):
        catdog.train(shapes, runs_dir=tmp_path / "runs", time_limit=60, **options)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10m", 600), ("1h30m", 5400), ("45s", 45), ("1m5.5s", 65.5), ("90", 90)]
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_from_people(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "m", "5 minutes", "1m2h", "-3"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as 10m"):
        seconds_from_people(text)
