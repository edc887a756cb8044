"""The facts of a data set, truncated files included."""

from pathlib import Path

import pytest

from catdog.data import Skipped, scan, survey
from tests.data.made_photos import encoded, noise


@pytest.fixture
def data(tmp_path: Path) -> Path:
    photos = {
        "train/cat/1.jpg": encoded(noise(40, 30), "JPEG"),
        "train/cat/2.png": encoded(noise(10, 20), "PNG"),
        "train/cat/3.jpg": encoded(noise(300, 300), "JPEG")[:-2000],
        "train/dog/1.jpg": encoded(noise(64, 64), "JPEG"),
        "train/dog/2.jpg": encoded(noise(30, 41), "PNG"),
        "valid/dog/1.jpg": b"",
    }
    for name, content in photos.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def test_facts(data: Path):
    seen: list[tuple[int, int]] = []
    facts = survey(scan(data), workers=2, report=lambda now: seen.append((now.done, now.total)))
    train, valid = facts["train"], facts["valid"]
    assert seen == [(done, 6) for done in range(1, 7)]
    assert train.counts == {"cat": 3, "dog": 2}
    assert train.bytes == sum(p.stat().st_size for p in (data / "train").rglob("*.*"))
    assert (train.smallest, train.median, train.largest) == ((10, 20), (40, 30), (64, 64))
    assert train.formats == {"JPEG": 2, "PNG": 2}
    truncated = "the file ends too early: truncated JPEG"
    assert _reasons(train.unreadable) == {data / "train/cat/3.jpg": truncated}
    assert valid.counts == {"cat": 0, "dog": 1}
    assert (valid.smallest, valid.median, valid.largest) == (None, None, None)
    assert valid.formats == {}
    assert _reasons(valid.unreadable) == {data / "valid/dog/1.jpg": "the file is empty (0 bytes)"}


def test_a_file_that_vanishes_after_the_scan(data: Path):
    dataset = scan(data)
    (data / "train/cat/1.jpg").unlink()
    unreadable = survey(dataset, workers=2)["train"].unreadable
    assert _reasons(unreadable[:1]) == {data / "train/cat/1.jpg": "the file does not exist"}


def _reasons(unreadable: tuple[Skipped, ...]) -> dict[Path, str]:
    return {bad.path: str(bad.reason) for bad in unreadable}
