"""Exact copies: found wherever they are planted, and nothing else."""

from pathlib import Path
from random import Random

from catdog.data.copies import Placed, find_copies


def _placed(name: str, digest: str, split: str = "train", label: str = "cats") -> Placed:
    return Placed(Path(split) / label / name, label, split, digest)


def test_nothing_is_found_where_nothing_is() -> None:
    found = find_copies(_placed(str(number), str(number)) for number in range(10))
    assert (found.groups, found.leaks, found.contradictions, found.remarks()) == ((), (), (), ())


def test_copies_in_one_place_are_neither_leaks_nor_contradictions() -> None:
    found = find_copies([_placed("a", "1"), _placed("b", "2"), _placed("c", "1"), _placed("d", "1")])
    assert [[one.path.name for one in group] for group in found.groups] == [["a", "c", "d"]]
    assert found.leaks == found.contradictions == ()
    assert found.remarks() == ("2 files with the content of another, such as train/cats/a and train/cats/c",)


def test_a_leak_needs_training_and_names_both_files() -> None:
    leak = [_placed("a", "1"), _placed("a2", "1"), _placed("b", "1", "valid")]
    no_leak = [_placed("c", "2", "valid"), _placed("d", "2", "test")]
    found = find_copies([*leak, *no_leak])
    assert found.leaks == (tuple(leak),)
    assert (
        "a leak: 1 photo in training and in another split, such as train/cats/a and valid/cats/b"
        in (found.remarks()[1])
    )


def test_the_same_photo_under_two_labels() -> None:
    group = [_placed("a", "1"), _placed("a", "1", label="dogs")]
    found = find_copies(group)
    assert found.contradictions == (tuple(group),)
    assert found.remarks()[1] == "1 photo under two labels, such as train/cats/a and train/dogs/a"


def test_everything_that_is_planted_is_found() -> None:
    random = Random(0)
    photos = [_placed(str(number), str(number), random.choice(["train", "valid"])) for number in range(500)]
    planted = {
        number: _placed(f"copy {number}", str(number), "valid") for number in random.sample(range(500), 40)
    }
    mixed = [*photos, *planted.values()]
    random.shuffle(mixed)
    found = find_copies(mixed)
    assert {group[0].digest for group in found.groups} == {str(number) for number in planted}
    expected = {str(number) for number in planted if photos[number].split == "train"}
    assert {group[0].digest for group in found.leaks} == expected
