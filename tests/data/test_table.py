"""Values of photos from a CSV file, and what is wrong with such files."""

from pathlib import Path

import pytest

from catdog.data import Photo, find_labelled, labels_of, named, strata, targets
from catdog.errors import DataError
from tests.pictures import draw_pictures


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six pictures in DATA/circles, and one beside the folder. Paths are relative to it."""
    draw_pictures(tmp_path / "DATA", {"circles": 6})
    draw_pictures(tmp_path, {"squares": 1})
    return tmp_path / "DATA"


def table(root: Path, *rows: str, head: str = "path,value") -> Path:
    file = root / "values.csv"
    file.write_text("\n".join([head, *rows]) + "\n", "utf-8")
    return file


def test_paths_are_relative_to_the_folder_or_to_the_file(root: Path) -> None:
    file = root.parent / "values.csv"
    file.write_text("path,value\ncircles/circles.0.png,1.50\nsquares/squares.0.png,-2\n", "utf-8")
    found = find_labelled(root, "value", file)
    inside, outside = root / "circles" / "circles.0.png", root.parent / "squares" / "squares.0.png"
    assert set(found.splits["all"]) == {Photo(inside, "1.5"), Photo(outside, "-2.0")}
    assert targets(found.splits["all"], "value", ()).tolist() == [1.5, -2.0]
    (remark,) = found.remarks
    assert str(remark).startswith("Ignored 5 photos without a row in ")


def test_paths_begin_with_the_folder_however_the_file_is_found(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = root.parent / "values.csv"
    file.write_text("path,value\nDATA/circles/circles.0.png,1\n", "utf-8")
    monkeypatch.chdir(root.parent)
    for folder in (root, Path("DATA"), Path("../") / root.parent.name / "DATA"):
        (photo,) = find_labelled(folder, "value", file).splits["all"]
        assert photo.path == folder / "circles" / "circles.0.png"


def test_other_columns_marks_and_line_ends_do_not_matter(root: Path) -> None:
    file = root / "values.csv"
    file.write_bytes("\ufeffname,value, path\r\nx,3,circles/circles.0.png\r\n\r\n".encode())
    (photo,) = find_labelled(root, "value", file).splits["all"]
    assert photo == Photo(root / "circles" / "circles.0.png", "3.0")


def test_folders_of_splits_are_splits(root: Path) -> None:
    for split in ("train", "Validation"):
        draw_pictures(root / split, {"squares": 2})
    rows = [f"{split}/squares/squares.{i}.png,{i}" for split in ("train", "Validation") for i in (0, 1)]
    splits = find_labelled(root, "value", table(root, *rows)).splits
    assert {name: len(photos) for name, photos in splits.items()} == {"train": 2, "valid": 2}
    mixed = find_labelled(root, "value", table(root, *rows, "circles/circles.0.png,7")).splits
    assert {name: len(photos) for name, photos in mixed.items()} == {"all": 5}


_FIRST = "circles/circles.0.png"


@pytest.mark.parametrize(
    ("rows", "head", "problem"),
    [
        ([f"{_FIRST},nan"], "path,value", "expected a number .*found 'nan' in line 2"),
        ([f"{_FIRST},-inf"], "path,value", "found '-inf' in line 2"),
        ([f"{_FIRST},1e40"], "path,value", "found '1e40' in line 2"),
        ([f"{_FIRST},12 cm"], "path,value", "found '12 cm' in line 2"),
        ([_FIRST, "circles/circles.1.png,x"], "path,value", r"found '' in line 2 \(such rows: 2\)"),
        (["no.png,1", f"{_FIRST},2", "nor.png,3"], "path,value", "for 2, the first is 'no.png'"),
        (["../squares/squares.0.png,1"], "path,value", "none for 1"),
        (["/etc/hostname,1"], "path,value", "none for 1"),
        (["circles,1"], "path,value", "none for 1, the first is 'circles'"),
        ([f"{_FIRST},1", f"circles/../{_FIRST},1"], "path,value", "found 1 more, the first"),
        ([], "path,value", "expected a row for each photo"),
        ([f"{_FIRST},1"], "file,value", "expected the columns path and value.* found 'file', 'value'"),
        ([f"{_FIRST},1,1"], "path,value,value", "expected the columns path and value"),
        ([f"{_FIRST};1"], "path;value", "found 'path;value'"),
        ([], "", "found -"),
    ],
)
def test_what_is_wrong_is_named(root: Path, rows: list[str], head: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        find_labelled(root, "value", table(root, *rows, head=head))


def test_files_that_are_no_table(root: Path) -> None:
    with pytest.raises(DataError, match="missing.csv cannot be read as a table: the file does not exist"):
        find_labelled(root, "value", root / "missing.csv")
    (root / "photo.csv").write_bytes((root / "circles" / "circles.0.png").read_bytes())
    with pytest.raises(DataError, match="photo.csv cannot be read as a table"):
        find_labelled(root, "value", root / "photo.csv")
    with pytest.raises(DataError, match="found nothing at"):
        find_labelled(root / "no", "value", table(root, "x,1"))


def test_folders_may_be_named_after_values(tmp_path: Path) -> None:
    draw_pictures(tmp_path, {"circles": 2, "squares": 1})
    with pytest.raises(
        DataError, match="named after values, such as 12.5, found circles. Or give a CSV file"
    ):
        find_labelled(tmp_path, "value")
    (tmp_path / "circles").rename(tmp_path / "12.50")
    (tmp_path / "squares").rename(tmp_path / "-3")
    photos = find_labelled(tmp_path, "value").splits["all"]
    assert targets(photos, "value", ()).tolist() == [-3, 12.5, 12.5]


def test_every_fold_has_small_and_large_values() -> None:
    found = strata(targets([Photo(Path(f"{i}"), f"{i}") for i in range(20)], "value", ()), "value")
    assert [found.count(number) for number in range(5)] == [4, 4, 4, 4, 4]
    assert found == sorted(found)


def test_a_row_has_all_labels_of_a_photo(root: Path) -> None:
    rows = ["circles/circles.0.png,round; red;round", "circles/circles.1.png,", "circles/circles.2.png,red"]
    photos = find_labelled(root, "labels", table(root, *rows, head="path,labels")).splits["all"]
    assert [labels_of(photo, "labels") for photo in photos] == [("red", "round"), (), ("red",)]
    known = targets(photos, "labels", ("blue", "red", "round"))
    assert known.tolist() == [[0, 1, 1], [0, 0, 0], [0, 1, 0]]
    assert named(known, ("blue", "red", "round")) == ["red;round", "", "red"]
    # The rarest label of each photo decides: round, none, red.
    assert strata(known, "labels") == [2, 3, 1]


def test_a_column_for_each_label_is_refused(root: Path) -> None:
    wide = table(root, "circles/circles.0.png,0,1", head="path,red,round")
    with pytest.raises(DataError, match="found 'path', 'red', 'round'. One column has all labels of a photo"):
        find_labelled(root, "labels", wide)
    with pytest.raises(DataError, match="expected a CSV file with the columns path and labels: --labels"):
        find_labelled(root, "labels")
