"""Folders of every layout, and of none."""

import inspect
import os
import sys
import unicodedata
from pathlib import Path

import pytest

from catdog.data import DataSet, scan
from catdog.errors import DataError
from tests.data.made_photos import encoded, noise


def fill(root: Path, *names: str) -> Path:
    """Make files below `root`; their content does not matter to a scan."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def summary(dataset: DataSet) -> dict[str, dict[str, list[str]]]:
    """Paths below the root, by split and label."""
    found: dict[str, dict[str, list[str]]] = {}
    for split, photos in dataset.splits.items():
        for photo in photos:
            of_split = found.setdefault(split, {})
            relative = photo.path.relative_to(dataset.root).as_posix()
            of_split.setdefault(str(photo.label), []).append(relative)
    return found


def remarks(dataset: DataSet) -> tuple[str, ...]:
    return tuple(map(str, dataset.remarks))


def error_of(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        scan(root)
    message = str(caught.value)
    assert "\n" not in message and "expected" in message and "found" in message
    return message


@pytest.mark.parametrize("valid", ["valid", "val", "validation", "VALID", "Val"])
def test_split_folders(tmp_path: Path, valid: str):
    names = [f"{split}/{c}/{c}.1.jpg" for split in ("Train", valid, "test") for c in ("b", "a")]
    dataset = scan(fill(tmp_path, *names))
    assert dataset.layout == "split folders"
    assert dataset.classes == ("a", "b")
    assert remarks(dataset) == ()
    assert summary(dataset) == {
        "train": {"a": ["Train/a/a.1.jpg"], "b": ["Train/b/b.1.jpg"]},
        "valid": {"a": [f"{valid}/a/a.1.jpg"], "b": [f"{valid}/b/b.1.jpg"]},
        "test": {"a": ["test/a/a.1.jpg"], "b": ["test/b/b.1.jpg"]},
    }


def test_class_folders_with_nested_folders(tmp_path: Path):
    dataset = scan(fill(tmp_path, "cat/1.jpg", "cat/deep/er/2.PNG", "dog/3.webp", "dog/train/4.jpg"))
    assert dataset.layout == "class folders"
    assert summary(dataset) == {
        "all": {"cat": ["cat/1.jpg", "cat/deep/er/2.PNG"], "dog": ["dog/3.webp", "dog/train/4.jpg"]}
    }
    assert remarks(dataset) == ()


def test_flat_names(tmp_path: Path):
    names = ["cat.0.jpg", "Cat_1.jpg", "cat-2.jpg", "cat 3.jpg", "cat4.jpg", "dog.0.jpg", "dog.jpg"]
    dataset = scan(fill(tmp_path, *names))
    assert dataset.layout == "flat names"
    assert dataset.classes == ("cat", "dog")
    assert [photo.path.name for photo in dataset.splits["all"]] == sorted(names)
    assert sum(photo.label == "cat" for photo in dataset.splits["all"]) == 5


def test_the_kaggle_download(tmp_path: Path):
    fill(tmp_path, "train/cat.0.jpg", "train/dog.0.jpg", "test1/1.jpg", "test1/2.jpg")
    dataset = scan(fill(tmp_path, "sampleSubmission.csv"))
    assert dataset.layout == "flat names"
    assert summary(dataset) == {"all": {"cat": ["train/cat.0.jpg"], "dog": ["train/dog.0.jpg"]}}
    assert remarks(dataset) == (f"Ignored the folder {tmp_path / 'test1'}: it is not a split.",)


def test_flat_names_in_split_folders(tmp_path: Path):
    fill(tmp_path, "train/cat.0.jpg", "train/dog.0.jpg", "valid/cat.1.jpg", "valid/dog.1.jpg")
    dataset = scan(fill(tmp_path, "test/1.jpg"))
    assert dataset.layout == "flat names"
    assert list(dataset.splits) == ["train", "valid"]
    assert remarks(dataset) == (f"Ignored the folder {tmp_path / 'test'}: it contains no labelled photos.",)


@pytest.mark.parametrize("folder", ["test", "test1", "Test2"])
@pytest.mark.parametrize("photos", [("cat/1.jpg", "dog/1.jpg"), ("cat.0.jpg", "dog.0.jpg")])
def test_an_unlabelled_test_folder_is_no_class(tmp_path: Path, folder: str, photos: tuple[str, ...]):
    dataset = scan(fill(tmp_path, *photos, f"{folder}/1.jpg", f"{folder}/2.jpg"))
    assert dataset.classes == ("cat", "dog")
    assert list(dataset.splits) == ["all"]
    assert len(remarks(dataset)) == 1 and folder in remarks(dataset)[0]


def test_test_photos_whose_names_are_no_classes_are_unlabelled(tmp_path: Path):
    dataset = scan(fill(tmp_path, "cat/1.jpg", "dog/1.jpg", "test/IMG_1.jpg", "test/IMG_2.jpg"))
    assert dataset.classes == ("cat", "dog")
    assert list(dataset.splits) == ["all"]
    assert remarks(dataset) == (
        f"Ignored 2 photos in {tmp_path / 'test'}: not all their names begin with a class. If the folder is "
        f"a class, move all class folders into {tmp_path / 'train'}.",
    )


@pytest.mark.parametrize("prefix", ["train/", ""])
@pytest.mark.parametrize("tests", [("test/cat/9.jpg",), ("test/cat.9.jpg",)])
def test_without_validation_the_caller_splits_and_test_stays(
    tmp_path: Path, prefix: str, tests: tuple[str, ...]
):
    dataset = scan(fill(tmp_path, f"{prefix}cat/1.jpg", f"{prefix}dog/1.jpg", *tests))
    assert list(dataset.splits) == ["all", "test"]
    assert summary(dataset)["test"] == {"cat": list(tests)}


def test_an_empty_validation_folder_counts_as_none(tmp_path: Path):
    fill(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg")
    (tmp_path / "valid/cat").mkdir(parents=True)
    dataset = scan(tmp_path)
    assert list(dataset.splits) == ["all"]
    assert f"Ignored the folder {tmp_path / 'valid'}: it contains no labelled photos." in remarks(dataset)


def test_validation_alone_can_be_scanned(tmp_path: Path):
    dataset = scan(fill(tmp_path, "valid/cat/1.jpg", "valid/dog/1.jpg"))
    assert dataset.layout == "split folders"
    assert list(dataset.splits) == ["valid"]


def test_valid_and_invalid_may_be_classes(tmp_path: Path):
    dataset = scan(fill(tmp_path, "valid/1.jpg", "invalid/1.jpg"))
    assert dataset.layout == "class folders"
    assert dataset.classes == ("invalid", "valid")


@pytest.mark.parametrize("names", [("1.jpg", "2.jpg"), ("IMG_1.jpg", "IMG_2.jpg")])
@pytest.mark.parametrize(
    "classes",
    [("test", "control"), ("test1", "control"), ("test1", "test2"), ("train", "plane"), ("val", "x")],
)
def test_class_folders_may_be_called_like_splits(
    tmp_path: Path, classes: tuple[str, str], names: tuple[str, ...]
):
    dataset = scan(fill(tmp_path, *(f"{label}/{name}" for label in classes for name in names)))
    assert dataset.layout == "class folders"
    assert dataset.classes == tuple(sorted(classes))
    assert {label: len(paths) for label, paths in summary(dataset)["all"].items()} == dict.fromkeys(
        classes, 2
    )
    # A name with a word is a label, so that test1 is no folder of Kaggle's.
    used_as_class = [
        label for label in classes if label in ("test", "train") or ("test" in label and "1.jpg" in names)
    ]
    assert sorted(remarks(dataset)) == [
        f"The folder {tmp_path / label} is used as a class, not as a split: it contains photos without "
        "labels."
        for label in sorted(used_as_class)
    ]


def test_a_test_folder_with_labels_is_a_split_however_few_the_classes(tmp_path: Path):
    dataset = scan(fill(tmp_path / "folders", "cat/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg"))
    assert set(summary(dataset)) == {"all", "test"}
    dataset = scan(fill(tmp_path / "names", "cat/1.jpg", "test/cat.1.jpg"))
    assert summary(dataset) == {"all": {"cat": ["cat/1.jpg"]}, "test": {"cat": ["test/cat.1.jpg"]}}


@pytest.mark.parametrize("beside", ["test1/1.jpg", "test/1.jpg", "notes/a.txt"])
def test_a_train_folder_without_labels_is_no_class_beside_what_is_none(tmp_path: Path, beside: str):
    assert "only photos without a label" in error_of(fill(tmp_path, "train/1.jpg", "train/2.jpg", beside))


def test_clutter_is_no_class_and_no_photo(tmp_path: Path):
    clutter = [
        "cat/.hidden.jpg",
        "cat/._1.jpg",
        "cat/Thumbs.db",
        "cat/desktop.ini",
        "cat/.DS_Store",
        "cat/.ipynb_checkpoints/1-checkpoint.jpg",
        ".ipynb_checkpoints/1.jpg",
        "__MACOSX/cat/1.jpg",
        ".git/x.jpg",
    ]
    dataset = scan(fill(tmp_path, "cat/1.jpg", "dog/1.jpg", *clutter))
    assert summary(dataset) == {"all": {"cat": ["cat/1.jpg"], "dog": ["dog/1.jpg"]}}
    assert remarks(dataset) == ()


def test_other_files_are_counted(tmp_path: Path):
    fill(tmp_path, "cat/1.jpg", "dog/1.jpg", "cat/a.TXT", "cat/b.txt", "dog/labels", "README.md")
    assert remarks(scan(tmp_path)) == (
        f"Ignored 3 files in {tmp_path}: not photos by name or content (.txt 2, no extension 1).",
    )


def test_a_photo_is_one_by_its_name_or_by_its_first_bytes(tmp_path: Path):
    fill(tmp_path, "cat/1.jpg", "dog/1.jpg", "dog/2.HEIC", "dog/notes")
    (tmp_path / "cat/scan").write_bytes(encoded(noise(8, 8), "JPEG"))
    (tmp_path / "cat/scan.0").write_bytes(encoded(noise(8, 8), "PNG"))
    (tmp_path / "dog/3.nef").write_bytes(
        encoded(noise(8, 8), "TIFF")
    )  # raw, beside the JPEG of the same photo
    os.mkfifo(tmp_path / "cat/pipe")  # opening it would wait for ever
    dataset = scan(tmp_path)
    assert summary(dataset) == {
        "all": {"cat": ["cat/1.jpg", "cat/scan", "cat/scan.0"], "dog": ["dog/1.jpg", "dog/2.HEIC"]}
    }
    assert remarks(dataset) == (
        f"Ignored 3 files in {tmp_path}: not photos by name or content (.nef 1, no extension 2).",
    )


def test_a_class_folder_that_cannot_be_listed_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fill(tmp_path, "cat/1.jpg", "closed/2.jpg", "dog/1.jpg")
    scandir = os.scandir

    def guarded(folder: Path):
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr("catdog.data.walk.os.scandir", guarded)
    assert remarks(scan(tmp_path)) == (f"Ignored the folder {tmp_path / 'closed'}: it cannot be listed.",)


def test_strays_and_empty_classes_are_reported(tmp_path: Path):
    fill(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "valid/cat/2.jpg", "valid/dog/2.jpg")
    fill(tmp_path, "extra/3.jpg", "train/loose.jpg")
    (tmp_path / "train/bird").mkdir()
    assert remarks(scan(tmp_path)) == (
        f"Ignored the folder {tmp_path / 'extra'}: it is not a split.",
        f"The folder {tmp_path / 'train/bird'} contains no photos.",
        f"Ignored 1 photo beside the class folders in {tmp_path / 'train'}.",
    )


def test_classes_match_by_name_and_missing_classes_are_reported(tmp_path: Path):
    fill(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "valid/dog/2.jpg", "valid/emu/2.jpg")
    dataset = scan(tmp_path)
    assert dataset.classes == ("cat", "dog", "emu")
    assert remarks(dataset) == (
        "Classes in train but not in valid: 1 (training photos: 'cat' 1).",
        "Classes in valid but not in train: 1 (photos in valid: 'emu' 1).",
    )


def test_many_classes_that_a_split_lacks_are_one_remark(tmp_path: Path):
    fill(tmp_path, *(f"train/class {number:03}/1.jpg" for number in range(300)))
    fill(tmp_path, *(f"valid/class {number:03}/2.jpg" for number in (0, 1, 300, 301, 302)))
    ten = ", ".join(f"'class {number:03}' 1" for number in range(2, 12))
    assert remarks(scan(tmp_path)) == (
        f"Classes in train but not in valid: 298 (training photos: {ten}, ...).",
        "Classes in valid but not in train: 3 (photos in valid: 'class 300' 1, 'class 301' 1, "
        "'class 302' 1).",
    )


def test_many_folders_that_are_ignored_are_one_remark_of_a_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fill(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "valid/cat/2.jpg", "valid/dog/2.jpg")
    for number in range(300):
        (tmp_path / f"train/empty {number:03}").mkdir()
        (tmp_path / f"more {number:03}").mkdir()
    fill(tmp_path, "valid/cat/closed a/1.jpg", "valid/dog/closed b/1.jpg")
    scandir = os.scandir

    def guarded(folder: Path):
        if Path(folder).name.startswith("closed"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr("catdog.data.walk.os.scandir", guarded)
    ten, root = [f"{number:03}" for number in range(10)], tmp_path.name
    assert remarks(scan(tmp_path)) == (
        f"Ignored 300 folders that are not splits ({', '.join(f'{root}/more {name}' for name in ten)}, ...).",
        f"300 folders contain no photos ({', '.join(f'train/empty {name}' for name in ten)}, ...).",
        "Ignored 2 folders that cannot be listed (valid/cat/closed a, valid/dog/closed b).",
    )


def test_flat_photos_beside_one_stray_folder(tmp_path: Path):
    dataset = scan(fill(tmp_path, "cat.0.jpg", "dog.0.jpg", "7.jpg", "more/1.jpg"))
    assert dataset.layout == "flat names"
    assert remarks(dataset) == (
        f"Ignored the folder {tmp_path / 'more'}: the labels are in the names of the photos beside it.",
        f"Ignored 1 photo in {tmp_path}: its name does not begin with a label.",
    )


def test_one_class_folder_beats_a_few_photos_beside_it(tmp_path: Path):
    dataset = scan(fill(tmp_path, "valid/cat/1.jpg", "valid/cat/2.jpg", "valid/contact_sheet.jpg"))
    assert dataset.classes == ("cat",)


@pytest.mark.parametrize("name", ["chat noir", "猫", "İnek", "кошка", "बिल्ली", "🐱", "cat.v2", "-x"])
def test_class_names_are_taken_verbatim(tmp_path: Path, name: str):
    dataset = scan(fill(tmp_path, f"{name}/1.jpg", "other/1.jpg"))
    assert set(dataset.classes) == {unicodedata.normalize("NFC", name), "other"}


@pytest.mark.parametrize("word", ["猫", "бобр", "बिल्ली", "straße", "don't"])
def test_first_words_of_any_script(tmp_path: Path, word: str):
    dataset = scan(fill(tmp_path, f"{word}.1.jpg", "other.1.jpg"))
    assert set(dataset.classes) == {word.casefold(), "other"}


def test_composed_and_decomposed_names_are_one_class(tmp_path: Path):
    composed, decomposed = "café", "cafe\N{COMBINING ACUTE ACCENT}"
    dataset = scan(fill(tmp_path, f"train/{composed}/1.jpg", "train/x/1.jpg"))
    assert dataset.classes == (composed, "x")
    fill(tmp_path, f"valid/{decomposed}/1.jpg", "valid/x/1.jpg")
    dataset = scan(tmp_path)
    assert dataset.classes == (composed, "x") and remarks(dataset) == ()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file names of arbitrary bytes")
def test_a_name_that_is_no_text_becomes_one(tmp_path: Path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    fill(tmp_path, os.fsdecode(b"caf\xe9/1.jpg"), "x/1.jpg")
    dataset = scan(tmp_path)
    assert dataset.classes == ("caf\N{REPLACEMENT CHARACTER}", "x")
    dataset.classes[0].encode("utf-8")


def test_a_folder_with_a_photos_name_is_no_photo(tmp_path: Path):
    dataset = scan(fill(tmp_path, "cat/a.jpg/inner.jpg", "cat/1.jpg", "dog/1.jpg"))
    assert summary(dataset)["all"]["cat"] == ["cat/1.jpg", "cat/a.jpg/inner.jpg"]


def test_links(tmp_path: Path):
    root = fill(tmp_path / "data", "cat/1.jpg", "dog/1.jpg")
    fill(tmp_path / "elsewhere", "2.jpg", "deep/3.jpg")
    (root / "cat/more").symlink_to(tmp_path / "elsewhere")
    (root / "cat/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (root / "cat/up").symlink_to(root)
    (root / "cat/self").symlink_to(root / "cat")
    (root / "cat/knot.jpg").symlink_to(root / "cat/knot.jpg")
    (tmp_path / "elsewhere/deep/back").symlink_to(tmp_path / "elsewhere")
    assert summary(scan(root)) == {
        "all": {
            "cat": ["cat/1.jpg", "cat/gone.jpg", "cat/knot.jpg", "cat/more/2.jpg", "cat/more/deep/3.jpg"],
            "dog": ["dog/1.jpg"],
        }
    }


def test_a_class_folder_may_be_a_link(tmp_path: Path):
    fill(tmp_path / "photos", "1.jpg")
    root = fill(tmp_path / "data", "dog/1.jpg")
    (root / "cat").symlink_to(tmp_path / "photos")
    assert scan(root).classes == ("cat", "dog")


def test_folders_nested_deeper_than_the_stack(tmp_path: Path):
    fill(tmp_path, f"cat/{'d/' * 200}1.jpg", "dog/1.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        dataset = scan(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert len(dataset.splits["all"]) == 2


def test_the_order_is_by_path_and_moves_with_the_folder(tmp_path: Path):
    names = ["b/2.jpg", "b/10.jpg", "a/z.jpg", "a/sub/y.jpg", "A/x.jpg"]
    first = scan(fill(tmp_path / "one", *names))
    second = scan(fill(tmp_path / "two", *reversed(names)))
    assert summary(first) == summary(second)
    paths = [photo.path for photo in first.splits["all"]]
    assert paths == sorted(paths)


def test_errors_say_what_was_found(tmp_path: Path):
    assert "nothing at" in error_of(tmp_path / "nowhere")
    assert "found a file" in error_of(fill(tmp_path, "a.jpg") / "a.jpg")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "found no photos in" in error_of(empty)
    other = error_of(fill(tmp_path / "m", "c/1.mp4", "d/1.mp4"))
    assert "found only other files in" in other and "(.mp4 2)" in other
    unnamed = error_of(fill(tmp_path / "flat", "1.jpg", "2.jpg"))
    assert "found only photos without a label in" in unnamed and ": 2, such as 1.jpg" in unnamed
    two = error_of(fill(tmp_path / "two", "train/a/1.jpg", "val/a/1.jpg", "valid/a/1.jpg"))
    assert "expected one valid folder" in two
    beside = error_of(fill(tmp_path / "beside", "cat/1.jpg", "dog/1.jpg", "valid/cat/1.jpg"))
    assert str(tmp_path / "beside/train") in beside
    outer = error_of(fill(tmp_path / "outer", "inner/train/a/1.jpg", "inner/valid/a/1.jpg"))
    assert f"found only {tmp_path / 'outer/inner'}" in outer


def test_of_two_validation_folders_the_empty_one_does_not_count(tmp_path: Path):
    (tmp_path / "val").mkdir()
    dataset = scan(fill(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "valid/a/1.jpg"))
    assert list(dataset.splits) == ["train", "valid"]


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fill(tmp_path, "cat/1.jpg", "cat/closed/2.jpg", "dog/1.jpg")
    scandir = os.scandir

    def guarded(folder: Path):
        if Path(folder).name in closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr("catdog.data.walk.os.scandir", guarded)
    closed = {"closed"}
    dataset = scan(tmp_path)
    closed = {tmp_path.name}
    message = error_of_closed(tmp_path)
    monkeypatch.undo()
    assert len(dataset.splits["all"]) == 2
    assert remarks(dataset) == (f"Ignored the folder {tmp_path / 'cat/closed'}: it cannot be listed.",)
    assert "cannot be listed (Permission denied)" in message


def error_of_closed(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        scan(root)
    return str(caught.value)
