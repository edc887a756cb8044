"""Arrays that a file holds: the same numbers as in memory."""

from pathlib import Path

import numpy as np
import pytest

from catdog import large
from catdog.evaluation.calibration import reliability
from catdog.evaluation.metrics import compute_metrics


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "_IN_MEMORY", 0)
    monkeypatch.setattr(large, "_BLOCK", 1000)


@pytest.mark.usefixtures("in_files")
def test_an_array_in_a_file_has_the_same_numbers(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((100, 3), np.float32)
    held = large.empty(values.shape, tmp_path)
    assert isinstance(held, np.memmap)
    assert list(tmp_path.iterdir()) == []  # it has no name
    sizes = []
    for rows in large.blocks(held):
        held[rows] = values[rows]
        sizes.append(len(held[rows]))
    assert sizes == [80, 20]
    np.testing.assert_array_equal(held, values)
    np.testing.assert_array_equal(large.by_block(lambda block: block.max(axis=1), held), values.max(axis=1))
    chosen = np.arange(0, 100, 3)
    np.testing.assert_array_equal(large.take(held, chosen, tmp_path), values[chosen])


@pytest.mark.usefixtures("in_files")
def test_without_room_it_is_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(large.os, "posix_fallocate", full)
    assert not isinstance(large.empty((5, 2), tmp_path), np.memmap)


@pytest.mark.usefixtures("in_files")
def test_metrics_are_the_same_whatever_holds_the_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    values = random.dirichlet([1, 1, 1, 1], size=200).astype(np.float32)
    labels = random.integers(0, 4, 200)
    held = large.empty(values.shape)
    held[:] = values
    monkeypatch.setattr("catdog.evaluation.metrics._COLUMN_BYTES", 1600)  # two columns at a time
    losses = -np.log(values[np.arange(200), labels])
    of_file, of_memory = (
        compute_metrics(each, labels, losses, classes=tuple("abcd")) for each in (held, values)
    )
    assert of_file == of_memory
    assert reliability(held, labels) == reliability(values, labels)
