"""The checks of features: near-duplicates, outliers and label errors, planted among random vectors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog.checks import label_errors, parts, photos
from catdog.checks import near_duplicates as near
from catdog.checks.label_errors import FOLDS, find_label_errors, least_agreement
from catdog.checks.near_duplicates import NEIGHBOURS, find_near_duplicates
from catdog.checks.outliers import LEAST_SCORE, outlier_scores
from catdog.checks.pooled import Pooled
from catdog.data.exact_duplicates import Placed
from catdog.progress import Progress
from catdog.workspace import FeatureCache, Workspace


def _features(count: int, *, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sparse, not negative, with a part that each class has in common: as the last convolutions give them."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    common = random.gamma(0.3, 1, (classes, 512))
    return (common[labels] + random.gamma(0.3, 1, (count, 512))).astype(np.float32), labels


def test_changed_photos_are_near_duplicates_and_no_others() -> None:
    features, labels = _features(300)
    noise = np.random.default_rng(1).normal(1, 0.1, (10, 512)).astype(np.float32)
    found = find_near_duplicates(np.vstack([features, features[:10] * noise]), np.append(labels, labels[:10]))
    assert set(found.groups) == {(number, 300 + number) for number in range(10)}
    assert min(found.similarities) > 0.9


def test_a_near_duplicate_with_another_label_is_found() -> None:
    features, labels = _features(300)
    found = find_near_duplicates(np.vstack([features, features[:1] * 1.1]), np.append(labels, 1 - labels[0]))
    assert found.groups == ((0, 300),)


def test_blocks_make_no_difference() -> None:
    features, labels = _features(1300)  # more than two blocks of a class
    copied = np.vstack([features, features[:3]])
    found = find_near_duplicates(copied, np.append(labels, labels[:3]))
    assert set(found.groups) == {(0, 1300), (1, 1301), (2, 1302)}


def test_few_photos_are_no_trouble() -> None:
    for count in (0, 1, 2, 3):
        features, labels = _features(count)
        assert find_near_duplicates(features, labels).groups == ()


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand photos are many."""
    monkeypatch.setattr(parts, "MOST_PHOTOS", 500)
    monkeypatch.setattr(near, "MOST_PHOTOS", 500)
    monkeypatch.setattr(parts, "_HOME", 32)
    monkeypatch.setattr(parts, "_VISITORS", 128)
    monkeypatch.setattr(parts, "_CENTRES", 8)


@pytest.mark.usefixtures("small_parts")
def test_of_many_photos_neighbours_alone_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = _features(1500, classes=20)
    noise = np.random.default_rng(1).normal(1, 0.1, (40, 512)).astype(np.float32)
    odd = np.zeros((1, 512), np.float32)
    odd[0, :5] = 3
    means = np.vstack([features, features[:40] * noise, odd])
    of_class = np.append(labels, [*labels[:40], 0])
    found = find_near_duplicates(means, of_class)
    assert set(found.groups) == {(number, 1500 + number) for number in range(40)}
    scores = outlier_scores(found.neighbours)
    assert found.firsts[scores > LEAST_SCORE].tolist() == [1540]
    monkeypatch.setattr(parts, "MOST_PHOTOS", 2000)
    exact = find_near_duplicates(means, of_class)
    assert exact.groups == found.groups
    assert np.mean(np.abs(exact.neighbours - found.neighbours) < 1e-6) > 0.9


@pytest.mark.usefixtures("small_parts")
def test_a_photo_is_at_home_in_one_part_which_is_small() -> None:
    random = np.random.default_rng(0)
    same = np.repeat(random.normal(size=(3, 16)).astype(np.float32), [1000, 30, 1], axis=0)
    for vectors in (random.normal(size=(1031, 16)).astype(np.float32), same):
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        found = list(parts.parts(units.__getitem__, len(units)))
        assert sorted(np.concatenate([part.home for part in found])) == list(range(len(units)))
        assert all(np.isin(part.home, part.photos).all() for part in found)
        assert all((np.diff(part.photos) > 0).all() for part in found)
        assert max(len(part.home) for part in found) <= 32
        assert max(len(part.photos) for part in found) <= 32 + 8 * 32


def test_an_outlier_is_far_from_all_and_nothing_else_is() -> None:
    features, labels = _features(200)
    odd = np.zeros((1, 512), np.float32)
    odd[0, :5] = 3
    scores = outlier_scores(find_near_duplicates(np.vstack([features, odd]), np.append(labels, 0)).neighbours)
    assert np.flatnonzero(scores > LEAST_SCORE).tolist() == [200]


def _fifth(means: np.ndarray) -> np.ndarray:
    """The cosine of each row with the `NEIGHBOURS`th most similar one, written down plainly."""
    roots = np.sqrt(means)
    units = roots / np.linalg.norm(roots, axis=1, keepdims=True)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    return np.sort(cosines, axis=1)[:, -min(NEIGHBOURS, len(means) - 1)]


def test_photos_are_compared_once_with_progress_throughout() -> None:
    """A film of 70 pictures, and pairs: of each group one picture remains, with neighbours among those."""
    features, labels = _features(300)
    noise = np.random.default_rng(1).normal(1, 0.02, (90, 512)).astype(np.float32)
    copied = np.append(np.zeros(69, np.int64), np.arange(1, 22))
    means, of_class = np.vstack([features, features[copied] * noise]), np.append(labels, labels[copied])
    reported: list[Progress] = []
    found = find_near_duplicates(means, of_class, report=reported.append)
    assert sorted(map(len, found.groups)) == [2] * 21 + [70]
    assert found.firsts.tolist() == list(range(300))
    np.testing.assert_allclose(found.neighbours, _fifth(means[:300]), rtol=1e-5)
    # Compared again: only photos whose most similar photos are nearly all in the film, such as its first.
    assert 390 < reported[-1].total <= 395
    assert reported[-1].done == reported[-1].total
    assert [now.done for now in reported] == sorted({now.done for now in reported})
    assert {now.total for now in reported[:-1]} == {390}


def test_many_classes_are_no_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    unit, rows = near._unit, [0]

    def counted(vectors: np.ndarray) -> np.ndarray:
        rows[0] += len(vectors)
        return unit(vectors)

    monkeypatch.setattr(near, "_unit", counted)
    features, labels = _features(1200, classes=150)
    found = find_near_duplicates(
        np.vstack([features, features[:3] * 1.1]), np.append(labels, [labels[0], 5, 6])
    )
    assert sorted(found.groups) == [(0, 1200), (1, 1201), (2, 1202)]
    assert rows[0] < 3 * 1203


def test_neighbours_of_a_handful_of_pictures() -> None:
    features, labels = _features(4)
    for pictures in (1, 2, 4):
        means = np.repeat(features[:pictures], 30, axis=0)
        found = find_near_duplicates(means, np.repeat(labels[:pictures], 30))
        assert found.firsts.tolist() == [30 * number for number in range(pictures)]
        expected = _fifth(features[:pictures]) if pictures > 1 else [1.0]
        np.testing.assert_allclose(found.neighbours, expected, rtol=1e-5)


def test_the_features_are_compared_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    features, labels = _features(60)
    odd = np.zeros((1, 512), np.float32)
    odd[0, :5] = 3
    means = np.vstack([features, features[:2] * 1.1, odd])
    placed = [
        Placed(Path(f"{row}.jpg"), "ab"[label], "train", str(row))
        for row, label in enumerate(np.append(labels, [*labels[:2], 0]))
    ]
    pooled = Pooled(np.arange(len(means)), means, means)
    monkeypatch.setattr(photos, "pool", lambda *_, **__: pooled)
    calls: list[int] = []

    def counted(means: np.ndarray, *arguments: Any, **options: Any) -> Any:
        calls.append(len(means))
        return find_near_duplicates(means, *arguments, **options)

    monkeypatch.setattr(near, "find_near_duplicates", counted)
    found = photos.check_photos(placed, workspace=Workspace(features=FeatureCache(tmp_path), workers=1))
    assert {outlier.photo.path.name for outlier in found.outliers} == {"62.jpg"}
    groups = {tuple(photo.path.name for photo in group.photos) for group in found.near_duplicates}
    assert groups == {("0.jpg", "60.jpg"), ("1.jpg", "61.jpg")}
    assert calls == [63]


@pytest.mark.parametrize(("most", "at_once"), [(2**24, 2**22), (600, 100)])
def test_flipped_labels_are_label_errors(monkeypatch: pytest.MonkeyPatch, most: int, at_once: int) -> None:
    """Of models that are trained on all photos, or on 200 of them, in one step or in many."""
    monkeypatch.setattr(label_errors, "_MOST", most)
    monkeypatch.setattr(label_errors, "_AT_ONCE", at_once)
    features, labels = _features(300, classes=3)
    flipped = [0, 50, 100, 150, 200]
    wrong = labels.copy()
    wrong[flipped] = (wrong[flipped] + 1) % 3
    found = find_label_errors([features], wrong, np.arange(300))
    assert sorted(found.photos.tolist()) == flipped
    assert found.suggested.tolist() == labels[found.photos].tolist()
    assert found.agreement > least_agreement(3)


def test_random_labels_have_too_low_an_agreement() -> None:
    features, _ = _features(200)
    random = np.random.default_rng(0).integers(0, 2, 200)
    assert find_label_errors([features], random, np.arange(200)).agreement < least_agreement(2)


def test_near_duplicates_are_in_one_fold() -> None:
    """A photo `FOLDS` times with the wrong label: no model learns from one and predicts another."""
    features, labels = _features(200)
    repeated = np.vstack([features, np.repeat(features[:1], FOLDS, axis=0)])
    given = np.append(labels, [1 - labels[0]] * FOLDS)
    given[0] = 1 - labels[0]
    groups = np.append(np.arange(200), [0] * FOLDS)
    found = set(find_label_errors([repeated], given, groups).photos.tolist())
    assert {0, *range(200, 200 + FOLDS)} <= found


def test_what_is_not_checked_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def unchecked(labels: str) -> dict[str, str]:
        placed = [Placed(Path(f"{row}.jpg"), label, "train", str(row)) for row, label in enumerate(labels)]
        means, _ = _features(len(labels))
        monkeypatch.setattr(photos, "pool", lambda *_, **__: Pooled(np.arange(len(means)), means, means))
        found = photos.check_photos(placed, workspace=Workspace())
        return {check: str(reason) for check, reason in found.unchecked.items()}

    few = "outliers were not checked: that needs at least 20 different photos, found 10"
    assert unchecked("a" * 10) == {
        "outliers": few,
        "label_errors": "label errors were not checked: that needs at least two classes",
    }
    assert unchecked("a" * 6 + "b" * 4) == {
        "outliers": few,
        "label_errors": "label errors were not checked: the class b has fewer than 5 different photos "
        "(near-duplicates count once)",
    }
    assert unchecked("ab" * 20) == {}
    accuracy = unchecked("aabb" * 10)["label_errors"]  # half of them under the label of the other class
    assert accuracy.startswith("label errors were not checked: the cross-validation accuracy on these photos")
