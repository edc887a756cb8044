"""Labels in files beside the photos: tables, Hugging Face's layouts, WebDataset shards."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from catdog import archives
from catdog.data import DataSet, find_labelled, fingerprint, survey
from catdog.errors import DataError
from catdog.workspace import Workspace
from tests.pictures import draw_pictures


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """12 pictures with their classes."""
    root = tmp_path_factory.mktemp("pictures")
    draw_pictures(root, {"circles": 8, "squares": 4})
    return {path: path.parent.name for path in sorted(root.rglob("*.png"))}


def _facts(data: DataSet) -> dict[str, list[tuple[str | None, str]]]:
    """Class and digest of the photos of each split."""
    digests = fingerprint(
        [photo.path for photos in data.splits.values() for photo in photos], workspace=Workspace(workers=2)
    )
    assert not digests.skipped
    return {
        split: sorted((photo.label, digests.digests[photo.path]) for photo in photos)
        for split, photos in data.splits.items()
    }


def _expected(pictures: dict[Path, str]) -> list[tuple[str | None, str]]:
    digests = fingerprint(list(pictures), workspace=Workspace()).digests
    return sorted((label, digests[path]) for path, label in pictures.items())


def _copies(pictures: dict[Path, str], folder: Path) -> dict[str, str]:
    """Name → class of copies that do not show their class."""
    folder.mkdir(parents=True)
    named = {f"{number:04}.png": path for number, path in enumerate(pictures)}
    for name, path in named.items():
        shutil.copy(path, folder / name)
    return {name: pictures[path] for name, path in named.items()}


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_a_table_of_classes(pictures: dict[Path, str], tmp_path: Path, suffix: str, delimiter: str) -> None:
    labels = _copies(pictures, tmp_path / "photos")
    file = tmp_path / f"labels{suffix}"
    with file.open("w", newline="") as lines:
        csv.writer(lines, delimiter=delimiter).writerows([("path", "label"), *labels.items()])
    found = find_labelled(tmp_path / "photos", "category", file)
    assert found.classes == ("circles", "squares")
    assert _facts(found) == {"all": _expected(pictures)}
    packed = shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path, "photos")
    inside = [(f"photos/{name}", label) for name, label in labels.items()]
    with file.open("w", newline="") as lines:
        csv.writer(lines, delimiter=delimiter).writerows([("path", "label"), *inside])
    assert _facts(find_labelled(Path(packed), "category", file)) == _facts(found)
    file.write_text(delimiter.join(("path", "label")) + f"\n0000.png{delimiter} \n")
    with pytest.raises(DataError, match="expected a class in the column label of .*, found ' ' in line 2"):
        find_labelled(tmp_path / "photos", "category", file)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_hugging_face_metadata(pictures: dict[Path, str], tmp_path: Path, kind: str) -> None:
    for split, chosen in (("train", slice(0, None, 2)), ("test", slice(1, None, 2))):
        part = dict(list(pictures.items())[chosen])
        rows = [
            {"file_name": name, "label": label} for name, label in _copies(part, tmp_path / split).items()
        ]
        with (tmp_path / split / f"metadata.{kind}").open("w") as file:
            if kind == "jsonl":
                file.writelines(json.dumps(row) + "\n" for row in rows)
            else:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
    found = find_labelled(tmp_path, "category")
    assert (found.layout, found.classes) == ("table", ("circles", "squares"))
    facts = _facts(found)
    assert sorted(facts) == ["all", "test"] and [len(facts[name]) for name in ("all", "test")] == [6, 6]
    assert sorted(facts["all"] + facts["test"]) == _expected(pictures)
    packed = shutil.make_archive(
        str(tmp_path.parent / f"{tmp_path.name} packed"), "zip", tmp_path.parent, tmp_path.name
    )
    assert _facts(find_labelled(Path(packed), "category")) == facts


def test_rows_of_json_lines(pictures: dict[Path, str], tmp_path: Path) -> None:
    labels = _copies(pictures, tmp_path / "photos")
    rows = [json.dumps({"file_name": name, "label": label}) for name, label in labels.items()]
    table = tmp_path / "photos" / "metadata.jsonl"
    table.write_text("\n" + "\n".join(rows))
    assert _facts(find_labelled(tmp_path / "photos", "category")) == {"all": _expected(pictures)}
    table.write_text("\n".join(rows).replace('"squares"', "null", 1))
    with pytest.raises(DataError, match="expected a class in the column label of .*, found '' in line 9"):
        find_labelled(tmp_path / "photos", "category")


def test_metadata_without_classes_does_not_hide_folders(pictures: dict[Path, str], tmp_path: Path) -> None:
    for path, label in pictures.items():
        (tmp_path / label).mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / label)
    (tmp_path / "metadata.csv").write_text("file_name,text\ncircles/circles.0.png,a circle\n")
    found = find_labelled(tmp_path, "category")
    assert found.layout == "class folders"
    assert _facts(found) == {"all": _expected(pictures)}


def _shard(path: Path, rows: list[tuple[Path, str, bytes]]) -> None:
    """Samples as the package webdataset writes them: one after the other, their files by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as shard:
        for number, (photo, kind, label) in enumerate(rows):
            for name, content in ((f"{number:06}.{kind}", label), (f"{number:06}.png", photo.read_bytes())):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                shard.addfile(info, io.BytesIO(content))


_AS_INDEX: Callable[[str], bytes] = lambda label: b"1" if label == "squares" else b"0"  # noqa: E731


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("cls", _AS_INDEX),
        ("json", lambda label: json.dumps({"label": label, "id": 7}).encode()),
        ("json", lambda label: json.dumps({"cls": int(_AS_INDEX(label))}).encode()),
    ],
)
def test_shards(pictures: dict[Path, str], tmp_path: Path, kind: str, label: Callable[[str], bytes]) -> None:
    rows = [(path, kind, label(name)) for path, name in pictures.items()]
    for number, start in enumerate((0, 5, 10)):
        _shard(tmp_path / f"{number:06}.tar", rows[start : start + 5])
    (tmp_path / "classnames.txt").write_text("circles\nsquares\n", "utf-8-sig")
    found = find_labelled(tmp_path, "category")
    assert (found.layout, found.classes, found.remarks) == ("table", ("circles", "squares"), ())
    assert _facts(found) == {"all": _expected(pictures)}
    assert found.splits["all"][5].path == tmp_path / "000001.tar" / "000000.png"
    assert survey(found, workers=2)["all"].unreadable == ()
    packed = shutil.make_archive(str(tmp_path.parent / f"{tmp_path.name} in a"), "tar", tmp_path)
    assert _facts(find_labelled(Path(packed), "category")) == _facts(found)


@pytest.mark.parametrize("names", [("train/00.tar", "val/00.tar"), ("in-train-00.tar", "in-val-00.tar")])
def test_shards_of_splits(pictures: dict[Path, str], tmp_path: Path, names: tuple[str, str]) -> None:
    rows = [(path, "cls", _AS_INDEX(name)) for path, name in pictures.items()]
    _shard(tmp_path / names[0], rows[::2])
    _shard(tmp_path / names[1], rows[1::2])
    found = find_labelled(tmp_path, "category")
    assert found.classes == ("0", "1")
    assert {split: len(photos) for split, photos in found.splits.items()} == {"train": 6, "valid": 6}


def test_shards_with_photos_without_labels(pictures: dict[Path, str], tmp_path: Path) -> None:
    rows = [(path, "txt" if number == 1 else "cls", b"1") for number, path in enumerate(pictures)]
    rows[2] = (rows[2][0], "json", b"{")
    rows[3] = (rows[3][0], "json", b"[" * 2**18)
    rows[4] = (rows[4][0], "cls", b"9" * 5000)
    _shard(tmp_path / "0.tar", rows)
    found = find_labelled(tmp_path, "category")
    assert len(found.splits["all"]) == len(rows) - 3
    (remark,) = map(str, found.remarks)
    first = tmp_path / "0.tar" / "000001.png"
    _shard(tmp_path / "1.tar", [(path, "txt", b"1") for path in pictures])
    assert str(find_labelled(tmp_path, "category").remarks[0]).startswith("Ignored 15 photos without")
    assert remark == f"Ignored 3 photos without a label beside them, such as {first}."


def test_beside_photos_a_shard_is_no_data_set(pictures: dict[Path, str], tmp_path: Path) -> None:
    for path, label in pictures.items():
        (tmp_path / label / "more").mkdir(exist_ok=True, parents=True)
        shutil.copy(path, tmp_path / label / "more")
    _shard(tmp_path / "0.tar", [(path, "cls", b"1") for path in pictures])
    found = find_labelled(tmp_path, "category")
    assert found.layout == "class folders"
    assert _facts(found) == {"all": _expected(pictures)}


def test_parquet(pictures: dict[Path, str], tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    names = ["circles", "squares"]
    features = {
        "image": {"_type": "Image"},
        "labels": {"_type": "ClassLabel", "names": names},
        "id": {"dtype": "int64", "_type": "Value"},
    }
    described = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    rows = [
        {"image": {"bytes": path.read_bytes(), "path": path.name}, "labels": names.index(label), "id": 3}
        for path, label in pictures.items()
    ]
    (tmp_path / "data").mkdir()
    for split, chosen in (("train", rows[::2]), ("test", rows[1::2])):
        table = pyarrow.Table.from_pylist(chosen).replace_schema_metadata(described)
        parquet.write_table(table, tmp_path / "data" / f"{split}-00000-of-00001.parquet", row_group_size=4)
    found = find_labelled(tmp_path, "category")
    assert (found.layout, found.classes) == ("table", ("circles", "squares"))
    facts = _facts(found)
    assert sorted(facts["all"] + facts["test"]) == _expected(pictures)
    file = tmp_path / "data" / "test-00000-of-00001.parquet"
    assert found.splits["test"][1].path == file / "0000001.png"
    assert len(archives.entries(file)) == 6
    alone = tmp_path / "alone.parquet"
    plain = [{"image": row["image"]["bytes"], "label": "abc"} for row in rows[:3]]
    other = {b"huggingface": b'{"info": []}'}
    parquet.write_table(pyarrow.Table.from_pylist(plain).replace_schema_metadata(other), alone)
    assert [photo.label for photo in find_labelled(alone, "category").splits["all"]] == ["abc"] * 3
    parquet.write_table(
        pyarrow.Table.from_pylist([rows[0], rows[1] | {"labels": -1}]).replace_schema_metadata(described),
        alone,
    )
    secret = find_labelled(alone, "category")
    assert [photo.label for photo in secret.splits["all"]] == ["circles"]
    assert str(secret.remarks[0]).startswith("Ignored 1 photo without a label")
    alone.write_bytes(alone.read_bytes()[:-20])
    with pytest.raises(DataError, match="alone.parquet is damaged"):
        find_labelled(tmp_path, "category")


def test_without_pyarrow_the_package_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from catdog.data import find_labelled\n"
        "find_labelled(Path(sys.argv[1]), 'category')\n"
    )
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    result = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
    )
    assert "needs pyarrow: pip install 'catdog-cli[parquet]'" in result.stderr


@pytest.mark.parametrize("name", ["backup.tar", "embeddings.parquet"])
def test_beside_photos_an_archive_is_not_opened(pictures: dict[Path, str], tmp_path: Path, name: str) -> None:
    for path, label in pictures.items():
        (tmp_path / label).mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / label)
    (tmp_path / name).write_bytes(b"damaged" * 500)
    assert _facts(find_labelled(tmp_path, "category")) == {"all": _expected(pictures)}


@pytest.mark.parametrize("name", ["0.tar", "0.zip"])
def test_a_pipe_is_no_archive(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(DataError):
            find_labelled(path, "category")
