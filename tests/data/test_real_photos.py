"""The real cats and dogs: all of them are found and decoded."""

from pathlib import Path

import pytest

from catdog.config import Decoding
from catdog.data import decode, decoded, fingerprint, scan, split_by_content, survey
from catdog.workspace import Workspace
from tests.data.made_photos import DOGSCATS, NO_DOGSCATS

pytestmark = pytest.mark.skipif(not DOGSCATS.is_dir(), reason=NO_DOGSCATS)


def paths_of(split: str) -> list[Path]:
    return [photo.path for photo in scan(DOGSCATS).splits[split]]


def test_the_lectures_layout():
    dataset = scan(DOGSCATS)
    assert dataset.layout == "split folders"
    assert dataset.classes == ("cats", "dogs")
    assert {split: len(photos) for split, photos in dataset.splits.items()} == {"train": 1600, "valid": 400}
    assert dataset.remarks == ()


@pytest.mark.slow
def test_all_decode():
    paths = paths_of("train") + paths_of("valid")
    results = list(decoded(paths, Decoding(), workers=2))
    assert [result.index for result in results] == list(range(2000))
    assert all(r.pixels is not None and r.pixels.shape == (224, 224, 3) for r in results)


def test_survey_finds_no_fault():
    facts = survey(scan(DOGSCATS), workers=2)
    assert facts["train"].counts == {"cats": 800, "dogs": 800}
    assert facts["train"].formats == {"JPEG": 1600}
    assert facts["train"].unreadable == facts["valid"].unreadable == ()


def test_files_and_their_bytes_decode_alike():
    for path in paths_of("valid")[::50]:
        assert (decode(path, Decoding()) == decode(path.read_bytes(), Decoding())).all()


def test_a_split_of_the_training_photos():
    photos = scan(DOGSCATS).splits["train"]
    digests = fingerprint([photo.path for photo in photos], workspace=Workspace(workers=2)).digests
    train, valid = split_by_content([(p, digests[p.path]) for p in photos], fraction=0.2)
    assert len(train) + len(valid) == 1600
    assert 0.17 < len(valid) / 1600 < 0.23
