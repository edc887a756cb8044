"""`--save` and `--sort-into` where names are too long or photos cannot be written: a row for each photo."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copy

import pytest

from catdog import durable
from catdog.inference.destination import shortened
from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli, files_below

PHOTO = SAMPLE / "photos" / "Abyssinian_14.jpg"
OTHER = SAMPLE / "photos" / "Bombay_156.jpg"
DOG = next(iter(sorted((SAMPLE / "valid" / "dogs").iterdir())))
SYLLABLE = "강"  # three bytes


@pytest.fixture
def model(trained: Run) -> tuple[str, str]:
    return ("--model", str(trained.folder))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in files_below(folder))


@pytest.mark.parametrize(
    "name",
    ["a" * 241 + ".jpg", "a" * 251 + ".jpg", 83 * SYLLABLE + ".jpg"],
    ids=["245 bytes", "255 bytes", "83 syllables"],
)
def test_every_name_that_a_photo_can_have(
    cli: Cli, model: tuple[str, str], tmp_path: Path, name: str
) -> None:
    for folder, photo in (("one", PHOTO), ("two", OTHER)):  # two of one name
        (tmp_path / folder).mkdir()
        copy(photo, tmp_path / folder / name)
    second = f"{shortened(name.removesuffix('.jpg'), 249)}-2.jpg"
    for _ in range(2):
        result = cli("predict", "one", "two", "--save", "saved", "--sort-into", "sorted", *model)
        assert result.status == 0, result.err
        assert len(result.out.splitlines()) == 2
        assert _names(tmp_path / "saved") == sorted([name, second])
        assert _names(tmp_path / "sorted") == sorted([name, second])


@pytest.mark.parametrize("option", ["--save", "--sort-into"])
def test_a_photo_that_cannot_be_written_is_a_row(
    cli: Cli, model: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        copy(PHOTO, tmp_path / name)
    original = durable.replacing_path

    @contextmanager
    def refuse(path: Path, *, mode: int | None = None) -> Iterator[Path]:
        if path.name == "b.jpg":
            raise OSError(errno.EILSEQ, "Invalid or incomplete multibyte or wide character", str(path))
        with original(path, mode=mode) as temporary:
            yield temporary

    monkeypatch.setattr(durable, "replacing_path", refuse)
    result = cli("predict", "a.jpg", "b.jpg", "c.jpg", option, "out", *model)
    assert result.status == 1
    a, b, c = result.out.splitlines()
    place = "out" if option == "--save" else "out/cats"
    assert b == (
        f"b.jpg: the photo cannot be written into {place}: Invalid or incomplete multibyte or wide character"
    )
    assert a.startswith("a.jpg: cats") and c.startswith("c.jpg: cats")
    assert _names(tmp_path / "out") == ["a.jpg", "c.jpg"]
    assert "2 photos written into out" in result.err


def test_a_class_whose_folder_cannot_be_made_is_a_row(
    cli: Cli, model: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cats").write_text("a file")
    result = cli("predict", PHOTO, DOG, "--sort-into", "out", *model)
    assert result.status == 1
    first, second = result.out.splitlines()
    assert first.endswith(": the photo cannot be written into out/cats: File exists")
    assert "dogs" in second
    assert _names(tmp_path / "out") == sorted(["cats", DOG.name])
