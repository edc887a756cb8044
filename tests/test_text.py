"""Paths, counts and sizes in sentences."""

from collections import Counter
from pathlib import Path

import pytest

from catdog.text import bytes_for_people, bytes_from_people, kinds, message, relative, relative_path, spelt

DATA = Path("/photos/DATA")


def test_paths_inside_the_folder_are_relative_and_others_stay() -> None:
    inner = message("{path} is empty", path=DATA / "cats" / "1.jpg")
    sentence = message(
        "{folder}, {other}: {reason}, {count}", folder=DATA, other=Path("/x"), reason=inner, count=2
    )
    assert str(relative(sentence, DATA)) == "/photos/DATA, /x: cats/1.jpg is empty, 2"
    assert str(sentence) == "/photos/DATA, /x: /photos/DATA/cats/1.jpg is empty, 2"
    assert relative_path(Path("/photos/DATA2/1.jpg"), DATA) == Path("/photos/DATA2/1.jpg")
    assert relative_path(Path("train/1.jpg"), Path(".")) == Path("train/1.jpg")


def test_the_most_common_extensions() -> None:
    assert str(kinds(Counter({".txt": 2, ".cr2": 400}))) == ".cr2 400, .txt 2"
    assert (
        str(kinds(Counter({".txt": 2, "": 3, ".a": 1, ".b": 1, ".c": 1})))
        == ".txt 2, .a 1, .b 1, no extension 3"
    )
    assert str(kinds(Counter([""]))) == "no extension 1"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_550_000, "1.6 MB"),
        (10**9, "1.0 GB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    assert bytes_for_people(count) == shown


@pytest.mark.parametrize("text", ["", "20 GiB", "-1", "much", "1,5 MB"])
def test_what_is_not_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="expected a size such as 20GB or 500MB"):
        bytes_from_people(text)


def test_letters_that_cannot_be_drawn() -> None:
    assert spelt("a가 é", str.isascii) == "a[U+AC00] [U+00E9]"
