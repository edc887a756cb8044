"""The split of a photo depends on its content, and on nothing else."""

import hashlib
import random
from pathlib import Path

import pytest

from catdog.data import Photo, fingerprint, is_validation, scan, split_by_content
from catdog.errors import OptionError
from catdog.workspace import Workspace


def digest_of(content: object) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()


def labelled(label: str, *contents: object) -> list[tuple[Photo, str]]:
    return [(Photo(Path(f"{label}.{c}.jpg"), label), digest_of(c)) for c in contents]


def validates(photos: list[tuple[Photo, str]], fraction: float = 0.2) -> dict[tuple[Path, str], bool]:
    """Whether each photo validates. Checks on the way that no photo is lost or counted twice."""
    train, valid = split_by_content(photos, fraction=fraction)
    assert sorted(train + valid) == list(range(len(photos)))
    assert train == sorted(train) and valid == sorted(valid)
    return {(photo.path, digest): i in set(valid) for i, (photo, digest) in enumerate(photos)}


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.9])
def test_the_fraction_that_validates(fraction: float):
    drawn = sum(is_validation(digest_of(i), fraction=fraction) for i in range(20_000))
    assert drawn / 20_000 == pytest.approx(fraction, abs=0.01)


def test_the_rule_never_changes():
    # The SHA-256 of "catdog split 1:" and 64 zeros begins with fa9a9548877c6 in hexadecimal, which
    # is 0.97892… as a fraction. A split that was saved must come out the same in every version.
    position = 0xFA9A9548877C6 / 16**13
    assert not is_validation("0" * 64, fraction=position)
    assert is_validation("0" * 64, fraction=position + 1e-12)


def test_a_larger_fraction_only_moves_photos_into_validation():
    digests = [digest_of(i) for i in range(1000)]
    small = {d for d in digests if is_validation(d, fraction=0.2)}
    large = {d for d in digests if is_validation(d, fraction=0.3)}
    assert small < large


def test_adding_and_removing_photos_moves_no_other():
    before = labelled("cat", *range(100)) + labelled("dog", *range(100, 200))
    after = before[10:] + labelled("cat", *range(200, 300)) + labelled("emu", *range(300, 400))
    random.Random(0).shuffle(after)
    old, new = validates(before), validates(after)
    assert all(new[key] == valid for key, valid in old.items() if key in new)


def test_moving_and_renaming_moves_no_photo(tmp_path: Path):
    for index in range(60):
        first = tmp_path / "one" / ("cat" if index % 2 else "dog") / f"{index}.jpg"
        second = tmp_path / "two/deeper" / ("cat" if index % 2 else "dog") / f"{99 - index}.jpeg"
        for path in (first, second):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes([index]) * 10)

    def validating(root: Path) -> set[bytes]:
        photos = scan(root).splits["all"]
        digests = fingerprint([photo.path for photo in photos], workspace=Workspace(workers=2)).digests
        pairs = [(photo, digests[photo.path]) for photo in photos]
        return {photos[i].path.read_bytes() for i in split_by_content(pairs, fraction=0.2)[1]}

    first = validating(tmp_path / "one")
    assert 0 < len(first) < 60
    assert validating(tmp_path / "two/deeper") == first


def test_exact_duplicates_stay_in_one_split_even_with_two_labels():
    photos = labelled("cat", *range(50), *range(50)) + labelled("dog", *range(25, 75))
    by_content: dict[str, set[bool]] = {}
    for (_, digest), is_valid in validates(photos).items():
        by_content.setdefault(digest, set()).add(is_valid)
    train, valid = split_by_content(photos, fraction=0.2)
    assert {photos[i][1] for i in train}.isdisjoint(photos[i][1] for i in valid)
    assert all(len(found) == 1 for found in by_content.values())


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.99])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_every_class_of_two_contents_is_in_both_splits(fraction: float, size: int):
    photos = [pair for c in range(30) for pair in labelled(f"c{c}", *((c, i) for i in range(size)))]
    train, valid = split_by_content(photos, fraction=fraction)
    everything = {f"c{c}" for c in range(30)}
    assert {photos[i][0].label for i in train} == everything
    assert {photos[i][0].label for i in valid} == everything


def test_only_one_content_moves_for_a_small_class_with_its_duplicates():
    contents = [i for i in range(200) if not is_validation(digest_of(i), fraction=0.2)][:6]
    photos = labelled("cat", *contents, *contents)
    train, valid = split_by_content(photos, fraction=0.2)
    assert len(valid) == 2 and len({photos[i][1] for i in valid}) == 1
    moved = photos[valid[0]][1]

    def needed(digest: str) -> float:
        return next(f / 1000 for f in range(1, 1000) if is_validation(digest, fraction=f / 1000))

    assert needed(moved) == min(needed(digest) for _, digest in photos)


def test_a_single_content_trains():
    for content in range(20):
        photos = labelled("cat", content, content)
        assert set(validates(photos).values()) == {False}


def test_adding_to_a_class_that_has_both_splits_by_content_moves_no_photo():
    for start in range(0, 3000, 10):
        small = [*range(start, start + 5)]
        if len({is_validation(digest_of(i), fraction=0.2) for i in small}) < 2:
            continue
        before = validates(labelled("cat", *small))
        after = validates(labelled("cat", *small, *range(start + 5, start + 10)))
        assert all(after[key] == valid for key, valid in before.items())


def test_a_small_class_has_one_exception_at_most():
    exceptions = 0
    for start in range(0, 5000, 5):
        found = validates(labelled("cat", *range(start, start + 5)))
        odd = [
            digest
            for (_, digest), is_valid in found.items()
            if is_valid != is_validation(digest, fraction=0.2)
        ]
        assert len(odd) <= 1
        exceptions += len(odd)
    assert exceptions / 1000 == pytest.approx(0.8**5, abs=0.04)  # as the module says: a third


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.95])
def test_every_class_has_a_photo_to_train_on_whatever_it_shares_with_others(fraction: float):
    draw = random.Random(1)
    for _ in range(300):
        photos = [
            pair for label in "abcde" for pair in labelled(label, *draw.sample(range(8), draw.randint(1, 3)))
        ]
        train, _ = split_by_content(photos, fraction=fraction)
        assert {photos[i][0].label for i in train} == set("abcde")


def test_helping_one_class_takes_nothing_from_another():
    training = [i for i in range(400) if not is_validation(digest_of(i), fraction=0.2)]
    for shared, own, other in zip(training[::3], training[1::3], training[2::3], strict=False):
        photos = labelled("a", shared, own) + labelled("b", shared, other)
        train, valid = split_by_content(photos, fraction=0.2)
        assert {photos[i][0].label for i in train} == {photos[i][0].label for i in valid} == {"a", "b"}


def test_no_photos():
    assert split_by_content([], fraction=0.2) == ([], [])


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_fraction_is_above_0_and_below_1(fraction: float):
    with pytest.raises(OptionError, match="expected a validation fraction above 0 and below 1"):
        is_validation("0" * 64, fraction=fraction)
    with pytest.raises(OptionError):
        split_by_content([], fraction=fraction)
