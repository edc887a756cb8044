"""Exact duplicates: found wherever they are planted, and nothing else."""

from pathlib import Path
from random import Random

from catdog.data.exact_duplicates import Placed, find_exact_duplicates


def _placed(name: str, digest: str, split: str = "train", label: str = "cats") -> Placed:
    return Placed(Path(split) / label / name, label, split, digest)


def test_nothing_is_found_where_nothing_is() -> None:
    found = find_exact_duplicates(_placed(str(number), str(number)) for number in range(10))
    assert (found.groups, found.leaks, found.conflicting_labels, *found.remarks()) == ((), (), ())


def test_duplicates_in_one_folder_are_no_leak_and_have_no_conflicting_labels() -> None:
    found = find_exact_duplicates(
        [_placed("a", "1"), _placed("b", "2"), _placed("c", "1"), _placed("d", "1")]
    )
    assert [[photo.path.name for photo in group] for group in found.groups] == [["a", "c", "d"]]
    assert found.leaks == found.conflicting_labels == ()
    assert [*map(str, found.remarks())] == ["exact duplicates: 2, such as train/cats/a and train/cats/c"]


def test_a_leak_needs_training_and_names_a_file_of_each_split() -> None:
    leak = [_placed("a", "1"), _placed("a2", "1"), _placed("b", "1", "valid")]
    no_leak = [_placed("c", "2", "valid"), _placed("d", "2", "test")]
    found = find_exact_duplicates([*leak, *no_leak])
    assert found.leaks == (tuple(leak),)
    assert str([*found.remarks()][1]) == (
        "exact duplicates in training and in another split: 1, such as train/cats/a and valid/cats/b. "
        "This is a leak: the metrics will be too good"
    )


def test_the_same_photo_with_two_labels() -> None:
    group = [_placed("a", "1"), _placed("a", "1", label="dogs")]
    found = find_exact_duplicates(group)
    assert found.conflicting_labels == (tuple(group),)
    assert str([*found.remarks()][1]) == (
        "exact duplicates with conflicting labels: 1, such as train/cats/a and train/dogs/a"
    )


def test_everything_that_is_planted_is_found() -> None:
    random = Random(0)
    photos = [_placed(str(number), str(number), random.choice(["train", "valid"])) for number in range(500)]
    planted = {
        number: _placed(f"duplicate {number}", str(number), "valid")
        for number in random.sample(range(500), 40)
    }
    mixed = [*photos, *planted.values()]
    random.shuffle(mixed)
    found = find_exact_duplicates(mixed)
    assert {group[0].digest for group in found.groups} == {str(number) for number in planted}
    expected = {str(number) for number in planted if photos[number].split == "train"}
    assert {group[0].digest for group in found.leaks} == expected
