"""The checks on features alone: near copies, outliers, wrong labels, planted among random vectors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog.checks import findings
from catdog.checks import near_duplicates as near
from catdog.checks.label_errors import FOLDS, find_contradicted, least_agreement
from catdog.checks.near_duplicates import NEIGHBOURS, find_alike
from catdog.checks.outliers import LEAST_SCORE, outlier_scores
from catdog.checks.pooled import Pooled
from catdog.data.copies import Placed
from catdog.workspace import FeatureCache, Workspace


def _features(count: int, *, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sparse, not negative, with a part that each class has in common: as the last convolutions give them."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    common = random.gamma(0.3, 1, (classes, 512))
    return (common[labels] + random.gamma(0.3, 1, (count, 512))).astype(np.float32), labels


def test_changed_photos_are_near_copies_and_no_others() -> None:
    features, labels = _features(300)
    noise = np.random.default_rng(1).normal(1, 0.1, (10, 512)).astype(np.float32)
    found = find_alike(np.vstack([features, features[:10] * noise]), np.append(labels, labels[:10]))
    assert set(found.groups) == {(number, 300 + number) for number in range(10)}
    assert min(found.similarities) > 0.9


def test_a_near_copy_under_another_label_is_found() -> None:
    features, labels = _features(300)
    found = find_alike(np.vstack([features, features[:1] * 1.1]), np.append(labels, 1 - labels[0]))
    assert found.groups == ((0, 300),)


def test_blocks_make_no_difference() -> None:
    features, labels = _features(1300)  # more than two blocks of a class
    copied = np.vstack([features, features[:3]])
    found = find_alike(copied, np.append(labels, labels[:3]))
    assert set(found.groups) == {(0, 1300), (1, 1301), (2, 1302)}


def test_few_photos_are_no_trouble() -> None:
    for count in (0, 1, 2, 3):
        features, labels = _features(count)
        assert find_alike(features, labels).groups == ()


def test_an_outlier_is_far_from_all_and_nothing_else_is() -> None:
    features, labels = _features(200)
    odd = np.zeros((1, 512), np.float32)
    odd[0, :5] = 3
    scores = outlier_scores(find_alike(np.vstack([features, odd]), np.append(labels, 0)).neighbours)
    assert np.flatnonzero(scores > LEAST_SCORE).tolist() == [200]


def _fifth(means: np.ndarray) -> np.ndarray:
    """The cosine of each row with the `NEIGHBOURS`th most similar one, written down plainly."""
    roots = np.sqrt(means)
    units = roots / np.linalg.norm(roots, axis=1, keepdims=True)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    return np.sort(cosines, axis=1)[:, -min(NEIGHBOURS, len(means) - 1)]


def test_photos_are_compared_once_and_told_of_throughout() -> None:
    """A film of 70 pictures, and pairs: of each one remains, and its neighbours are among those."""
    features, labels = _features(300)
    noise = np.random.default_rng(1).normal(1, 0.02, (90, 512)).astype(np.float32)
    copied = np.append(np.zeros(69, np.int64), np.arange(1, 22))
    means, of_class = np.vstack([features, features[copied] * noise]), np.append(labels, labels[copied])
    told: list[tuple[int, int]] = []
    found = find_alike(means, of_class, report=lambda done, total: told.append((done, total)))
    assert sorted(map(len, found.groups)) == [2] * 21 + [70]
    assert found.firsts.tolist() == list(range(300))
    np.testing.assert_allclose(found.neighbours, _fifth(means[:300]), rtol=1e-5)
    # Again only those whose closest photos are nearly all of the film: its first picture, and hardly another.
    *_, (done, total) = told
    assert 390 < total <= 395
    assert done == total
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert {total for _, total in told[:-1]} == {390}


def test_many_classes_are_no_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    unit, rows = near._unit, [0]

    def counted(vectors: np.ndarray) -> np.ndarray:
        rows[0] += len(vectors)
        return unit(vectors)

    monkeypatch.setattr(near, "_unit", counted)
    features, labels = _features(1200, classes=150)
    found = find_alike(np.vstack([features, features[:3] * 1.1]), np.append(labels, [labels[0], 5, 6]))
    assert sorted(found.groups) == [(0, 1200), (1, 1201), (2, 1202)]
    assert rows[0] < 3 * 1203


def test_neighbours_of_a_handful_of_pictures() -> None:
    features, labels = _features(4)
    for kept in (1, 2, 4):
        means = np.repeat(features[:kept], 30, axis=0)
        found = find_alike(means, np.repeat(labels[:kept], 30))
        assert found.firsts.tolist() == [30 * number for number in range(kept)]
        expected = _fifth(features[:kept]) if kept > 1 else [1.0]
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
    monkeypatch.setattr(findings, "pool", lambda *_, **__: pooled)
    calls: list[int] = []

    def counted(means: np.ndarray, *arguments: Any, **options: Any) -> Any:
        calls.append(len(means))
        return find_alike(means, *arguments, **options)

    monkeypatch.setattr(near, "find_alike", counted)
    found = findings.look_closely(placed, workspace=Workspace(features=FeatureCache(tmp_path), workers=1))
    assert {one.photo.path.name for one in found.outliers} == {"62.jpg"}
    groups = {tuple(one.path.name for one in group.photos) for group in found.near_copies}
    assert groups == {("0.jpg", "60.jpg"), ("1.jpg", "61.jpg")}
    assert calls == [63]


def test_flipped_labels_are_contradicted() -> None:
    features, labels = _features(300, classes=3)
    flipped = [0, 50, 100, 150, 200]
    wrong = labels.copy()
    wrong[flipped] = (wrong[flipped] + 1) % 3
    found = find_contradicted(features, wrong, np.arange(300))
    assert sorted(found.photos.tolist()) == flipped
    assert found.suggested.tolist() == labels[found.photos].tolist()
    assert found.agreement > least_agreement(3)


def test_labels_drawn_by_lot_contradict_nothing() -> None:
    features, _ = _features(200)
    lots = np.random.default_rng(0).integers(0, 2, 200)
    assert find_contradicted(features, lots, np.arange(200)).agreement < least_agreement(2)


def test_near_copies_do_not_vouch_for_each_other() -> None:
    """A photo that is there `FOLDS` times under the wrong label: kept together, none has seen another."""
    features, labels = _features(200)
    copies = np.vstack([features, np.repeat(features[:1], FOLDS, axis=0)])
    given = np.append(labels, [1 - labels[0]] * FOLDS)
    given[0] = 1 - labels[0]
    groups = np.append(np.arange(200), [0] * FOLDS)
    found = set(find_contradicted(copies, given, groups).photos.tolist())
    assert {0, *range(200, 200 + FOLDS)} <= found
