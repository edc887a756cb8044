"""Free names: files that are there are recognised; the work grows with their number, not with its square."""

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from catdog.inference.destination import Newcomer, Numbering, numbered
from catdog.inference.inputs import Input
from catdog.inference.prediction import Prediction
from catdog.inference.saving import Sorter


def _photos(folder: Path, count: int) -> list[Path]:
    """Files of one name and one size, with different contents."""
    made = []
    for number in range(count):
        path = folder / str(number) / "IMG_0001.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(f"{number:08}".encode())
        made.append(path)
    return made


def _sort(sort: Sorter, photo: Path, name: str = "") -> bool:
    """Sort a photo of a cat, under another name if need be."""
    address = f"http://photo.invalid/{name}" if name else None
    return sort(Prediction(Input(photo, name=address, is_address=bool(name)), {"cats": 1.0}))


def _calls(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> int:
    """How often `work` queries, opens or reads a file."""
    calls = 0

    def counted(module: Any, name: str, patch: pytest.MonkeyPatch) -> None:
        function = getattr(module, name)

        def count(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            return function(*arguments, **options)

        patch.setattr(module, name, count)

    with monkeypatch.context() as patch:
        for module, name in ((os, "lstat"), (os, "stat"), (os, "open"), (hashlib, "file_digest")):
            counted(module, name, patch)
        work()
    return calls


@pytest.mark.parametrize("link", [False, True])
def test_many_photos_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool) -> None:
    counts: dict[str, list[int]] = {"first": [], "again": []}
    for size in (40, 80):
        photos = _photos(tmp_path / f"photos {size}", size)
        for time, new in (("first", size), ("again", 0)):  # another command remembers nothing
            sort = Sorter(tmp_path / f"sorted {size}", link=link)
            counts[time].append(_calls(monkeypatch, partial(list, map(partial(_sort, sort), photos))))
            assert (sort.written, sort.present) == (new, size - new)
        written = sorted((tmp_path / f"sorted {size}" / "cats").iterdir())
        assert len(written) == size
        assert {path.read_bytes() for path in written} == {path.read_bytes() for path in photos}
    for small, large in counts.values():
        assert large <= 2.1 * small


def test_a_gap_is_filled_and_files_after_it_are_recognised(tmp_path: Path) -> None:
    photos = _photos(tmp_path / "photos", 3)
    sort = Sorter(tmp_path)
    assert [_sort(sort, photo) for photo in photos] == [True, True, True]
    (tmp_path / "cats" / "IMG_0001-2.jpg").unlink()
    sort = Sorter(tmp_path)
    assert [_sort(sort, photo) for photo in photos] == [False, True, False]
    assert len(list((tmp_path / "cats").iterdir())) == 3


def test_what_is_the_same(tmp_path: Path) -> None:
    (photo, other) = _photos(tmp_path / "photos", 2)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.jpg").symlink_to(photo)
    (folder / "a-2.jpg").write_bytes(other.read_bytes())
    (folder / "a-3.jpg").mkdir()
    (folder / "a-4.jpg").symlink_to("nowhere")
    free = folder / "a-5.jpg"
    path = folder / "a.jpg"

    def named(number: int) -> Path:
        return folder / numbered("a.jpg", number, 255)

    for newcomer, found in (
        (Newcomer(photo, None), None),
        (Newcomer(photo, photo), None),  # a link to it is there
        (Newcomer(None, photo.read_bytes()), free),  # made by catdog: a link to the photo is another file
        (Newcomer(other, None), free),  # a copy is no link
        (Newcomer(other, other), None),
        (Newcomer(None, other.read_bytes()), None),
        (Newcomer(None, b"as long!"), free),
        (Newcomer(None, b"of another length"), free),
    ):
        assert Numbering().free(named, newcomer) == found
    numbering = Numbering()
    assert numbering.free(named, Newcomer(None, b"new")) == free
    free.write_bytes(b"new")
    assert numbering.free(named, Newcomer(None, b"new")) is None
    assert numbering.free(named, Newcomer(None, b"newer")) == folder / "a-6.jpg"
    path.unlink()
    assert numbering.free(named, Newcomer(None, b"new")) == path  # as the folder is now


def test_names_that_meet(tmp_path: Path) -> None:
    """A numbered name may be another photo's own."""
    first, second, third = _photos(tmp_path / "photos", 3)
    sort = Sorter(tmp_path)
    assert _sort(sort, first, "a.jpg")
    assert _sort(sort, second, "a-2.jpg")
    assert _sort(sort, third, "a.jpg")
    assert _sort(sort, third, "a-2.jpg")
    there = {path.name: path.read_bytes() for path in (tmp_path / "cats").iterdir()}
    assert there.keys() == {"a.jpg", "a-2.jpg", "a-3.jpg", "a-2-2.jpg"}
    assert there["a-3.jpg"] == there["a-2-2.jpg"] == third.read_bytes()
