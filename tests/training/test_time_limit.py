"""--time-limit: the largest photos that are computed in time, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

import catdog
from catdog.errors import OptionError
from catdog.text import seconds_from_people
from catdog.training import time_limit
from catdog.training.events import Event, Remark
from catdog.training.options import SIZE_OF, NewRun
from catdog.weights.source import find_weights
from catdog.workspace import Workspace
from tests.prefixes import builtin_prefix


@pytest.mark.slow
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


def test_all_views_of_a_photo_take_their_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that each photo moves by a second."""
    now = [0.0]

    def compute(paths: list[Path], *_: Any, **options: Any) -> None:
        now[0] += len(paths)

    monkeypatch.setattr(time_limit, "extract", compute)
    monkeypatch.setattr(time_limit.time, "monotonic", lambda: now[0])
    photos = {f"{number:064x}": tmp_path / f"{number}.jpg" for number in range(100)}
    source, workspace = find_weights("builtin"), Workspace()
    alone, three = (
        time_limit._seconds(
            NewRun(tmp_path, views=views).complete(source), photos, builtin_prefix(), workspace
        )
        for views in (0, 2)
    )
    assert 0 < alone < 100
    assert three == alone + 200


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
