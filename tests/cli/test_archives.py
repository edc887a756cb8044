"""Commands take an archive as a folder of photos, and find in the cache what they know of the folder."""

import json
import shutil
from pathlib import Path

from catdog.runs import Run
from tests.cli.conftest import SAMPLE, Cli, files_below


def test_from_training_to_prediction(cli: Cli, trained: Run, tmp_path: Path) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "sample"), "zip", SAMPLE.parent, SAMPLE.name))
    result = cli("train", packed, "--name", "packed")
    assert result.status == 0, result.err
    run = Run(tmp_path / "runs" / "packed")
    assert [row.val_loss for row in run.history()] == [row.val_loss for row in trained.history()]
    assert run.model_path.read_bytes()[-4000:] == trained.model_path.read_bytes()[-4000:]
    before = files_below(tmp_path)
    packed_facts, facts = (
        json.loads(cli("evaluate", "packed", *data, "--json").out) for data in ((), (SAMPLE,))
    )
    places = {"worst", "data", "root"}
    assert {name for name in facts if facts[name] != packed_facts[name]} <= places
    assert packed_facts["worst"][0]["path"].startswith(f"{packed}/")
    photo = packed / "sample_data" / "photos" / "Abyssinian_14.jpg"
    of_one = json.loads(cli("predict", photo, "--format", "jsonl").out)
    assert of_one["path"] == str(photo)
    inspected = json.loads(cli("inspect", packed, "--quick", "--json").out)
    assert inspected["splits"]["valid"]["unreadable"] == []
    assert files_below(tmp_path) == before
    all_photos = cli("predict", packed, "--sort-into", "sorted").out.splitlines()
    assert len(all_photos) == 190 and str(photo) in "\n".join(all_photos)
    (copied,) = (tmp_path / "sorted").rglob("Abyssinian_14.jpg")
    assert copied.read_bytes() == (SAMPLE / "photos" / "Abyssinian_14.jpg").read_bytes()
    linked = cli("predict", photo, "--sort-into", "links", "--link")
    assert linked.status == 1
    assert "a photo in an archive cannot be linked to: leave out --link" in linked.out + linked.err
