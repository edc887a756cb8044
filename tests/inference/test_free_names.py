"""Free names: what is there is recognised, and the work grows with the files, not with their square."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catdog.inference.destination import numbered
from catdog.inference.free_names import Content, CopyOf, LinkTo, Numbering
from catdog.inference.sorting import sorter


def _photos(folder: Path, count: int) -> list[Path]:
    """Files of one name and one size, with different contents."""
    made = []
    for number in range(count):
        path = folder / str(number) / "IMG_0001.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(f"{number:08}".encode())
        made.append(path)
    return made


def _calls(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> int:
    """How often `work` asks for a file's facts, opens one, or reads one."""
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
        news: list[bool] = []

        def sort(size: int = size, photos: list[Path] = photos, news: list[bool] = news) -> None:
            put = sorter(tmp_path / f"sorted {size}", Numbering(), link=link)
            news[:] = [put(photo, "cats", photo.name) for photo in photos]

        counts["first"].append(_calls(monkeypatch, sort))
        assert all(news)
        counts["again"].append(_calls(monkeypatch, sort))  # another command: it knows nothing
        assert not any(news)
        written = sorted((tmp_path / f"sorted {size}" / "cats").iterdir())
        assert len(written) == size
        assert {path.read_bytes() for path in written} == {path.read_bytes() for path in photos}
    for small, large in counts.values():
        assert large <= 2.1 * small


def test_a_gap_is_filled_and_what_stands_behind_it_is_recognised(tmp_path: Path) -> None:
    photos = _photos(tmp_path / "photos", 3)
    put = sorter(tmp_path, Numbering(), link=False)
    assert [put(photo, "cats", "a.jpg") for photo in photos] == [True, True, True]
    (tmp_path / "cats" / "a-2.jpg").unlink()
    put = sorter(tmp_path, Numbering(), link=False)
    assert [put(photo, "cats", "a.jpg") for photo in photos] == [False, True, False]
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
        (LinkTo(photo), None),
        (CopyOf(photo), None),  # a link to it is there
        (Content(photo.read_bytes()), free),  # made by catdog: no link stands for it
        (LinkTo(other), free),  # a copy is no link
        (CopyOf(other), None),
        (Content(other.read_bytes()), None),
        (Content(b"as long!"), free),
        (Content(b"of another length"), free),
    ):
        assert Numbering().free(named, newcomer) == found
    numbering = Numbering()
    assert numbering.free(named, Content(b"new")) == free
    free.write_bytes(b"new")
    assert numbering.free(named, Content(b"new")) is None
    assert numbering.free(named, Content(b"newer")) == folder / "a-6.jpg"
    path.unlink()
    assert numbering.free(named, Content(b"new")) == path  # as it is now, not as it was


def test_names_that_meet(tmp_path: Path) -> None:
    """A numbered name may be another photo's own."""
    first, second, third = _photos(tmp_path / "photos", 3)
    put = sorter(tmp_path, Numbering(), link=False)
    assert put(first, "cats", "a.jpg")
    assert put(second, "cats", "a-2.jpg")
    assert put(third, "cats", "a.jpg")
    assert put(third, "cats", "a-2.jpg")
    there = {path.name: path.read_bytes() for path in (tmp_path / "cats").iterdir()}
    assert there.keys() == {"a.jpg", "a-2.jpg", "a-3.jpg", "a-2-2.jpg"}
    assert there["a-3.jpg"] == there["a-2-2.jpg"] == third.read_bytes()
