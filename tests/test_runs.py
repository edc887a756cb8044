"""The run folder: what is written comes back, twice the same bytes, and damage is an error that says so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catdog.config import Decoding, Head, ModelSpec, TrainOptions
from catdog.errors import OptionError, RunError
from catdog.runs import EpochRecord, Run, RunConfig, SkippedRecord, create_run, newest_run, open_run

OPTIONS = TrainOptions(
    data="/photos/screws",
    epochs=3,
    batch_size=64,
    optimizer="adam",
    learning_rate=0.001,
    head=Head("fc", (256, 128)),
    unfreeze="head",
    weights="builtin",
    valid_fraction=0.2,
    seed=7,
    decoding=Decoding(resize="crop"),
    strict=False,
)
CONFIG = RunConfig(
    options=OPTIONS,
    classes=("bolts", "Schrauben", "나사"),
    data_digest="ab" * 32,
    prefix_digest="cd" * 32,
    preprocessing="caffe",
    versions={"jax": "0.10.1"},
    device="1 × cpu",
    created="2026-11-24T00:00:00+00:00",
)
SAVED = ModelSpec(
    classes=CONFIG.classes,
    head=OPTIONS.head,
    unfreeze="head",
    weights="builtin",
    preprocessing="caffe",
    prefix_digest=CONFIG.prefix_digest,
    decoding=OPTIONS.decoding,
    epoch=2,
)
TENSORS = {"b/bias": np.arange(3, dtype=np.float32), "a/kernel": np.ones((2, 3), np.float32)}


def test_config_comes_back(tmp_path: Path) -> None:
    run = create_run(tmp_path / "runs", None, CONFIG)
    assert run.folder == tmp_path / "runs" / "screws"
    assert open_run(run.folder).config == CONFIG
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["screws"]


def test_names_are_numbered_and_never_reused(tmp_path: Path) -> None:
    assert [create_run(tmp_path, None, CONFIG).folder.name for _ in range(3)] == [
        "screws",
        "screws-2",
        "screws-3",
    ]
    with pytest.raises(RunError, match="screws exists already"):
        create_run(tmp_path, "screws", CONFIG)


@pytest.mark.parametrize("folder", [255 * "a", 85 * "강"], ids=["255 bytes", "85 syllables"])
def test_the_longest_name_of_a_data_folder_is_cut(tmp_path: Path, folder: str) -> None:
    config = replace(CONFIG, options=replace(CONFIG.options, data=f"/{folder}"))
    names = [create_run(tmp_path, None, config).folder.name for _ in range(2)]
    assert names == [folder.encode()[:200].decode(errors="ignore") + end for end in ("", "-2")]


def test_a_name_that_is_taken_meanwhile_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process makes the folder between the look and the rename."""
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        create_run(tmp_path, "screws", CONFIG)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(RunError, match="screws exists already"):
        create_run(tmp_path, "screws", CONFIG)
    monkeypatch.setattr(Path, "rename", rename)
    assert [path.name for path in tmp_path.iterdir()] == ["screws"]


def test_one_training_at_a_time(tmp_path: Path) -> None:
    run = create_run(tmp_path, None, CONFIG)
    with run.held():
        with (
            pytest.raises(RunError, match=r"another training is running in .*screws\. .* another --name"),
            open_run(run.folder).held(),
        ):
            pass
        run.write_config(replace(CONFIG, device="another"))
    late = open_run(run.folder)
    run.write_config(CONFIG)
    with late.held():
        assert late.config == CONFIG  # as it is now, not as it was when the folder was found


def test_a_file_system_without_locks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError

    run = create_run(tmp_path, "screws", CONFIG)
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(RunError, match="screws cannot be written: .*not supported"), run.held():
        pass


def test_a_run_that_cannot_be_written_cannot_be_held(tmp_path: Path) -> None:
    run = create_run(tmp_path, None, CONFIG)
    (run.folder / "resume").write_bytes(b"in the way")
    with pytest.raises(RunError, match=r"screws cannot be written: "), run.held():
        pass


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "/root", 256 * "a", 86 * "강"])
def test_a_name_is_one_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="plain folder name"):
        create_run(tmp_path, name, CONFIG)
    assert not list(tmp_path.iterdir())


def test_runs_dir_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunError, match="--runs-dir"):
        create_run(tmp_path / "runs", None, CONFIG)


def test_model_comes_back_and_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    run = create_run(tmp_path, None, CONFIG)
    run.write_model(TENSORS, SAVED)
    first = run.model_path.read_bytes()
    run.write_model(dict(reversed(TENSORS.items())), SAVED)
    assert run.model_path.read_bytes() == first
    tensors, saved = run.read_model()
    assert saved == SAVED
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], value)


@pytest.mark.parametrize("damage", ["truncated", "no header", "empty", "other"])
def test_a_damaged_model_is_an_error_that_names_the_file(tmp_path: Path, damage: str) -> None:
    run = create_run(tmp_path, None, CONFIG)
    run.write_model(TENSORS, SAVED)
    content = run.model_path.read_bytes()
    run.model_path.write_bytes(
        {
            "truncated": content[:-5],
            "no header": b"\0" * 64,
            "empty": b"",
            "other": content.replace(b"prefix_digest", b"prefix_XXXXXX"),
        }[damage]
    )
    with pytest.raises(RunError, match="model.safetensors"):
        run.read_model()


def test_state_history_split_and_skipped_come_back(tmp_path: Path) -> None:
    run = create_run(tmp_path, None, CONFIG)
    assert run.read_state() is None
    assert run.epochs_done() == 0
    assert run.history() == []
    assert run.skipped() == []
    run.write_state(TENSORS, {"epoch": 2, "best_loss": 0.1 + 0.2})
    tensors, progress = run.read_state() or ({}, {})
    assert progress == {"epoch": 2, "best_loss": 0.1 + 0.2}
    np.testing.assert_array_equal(tensors["b/bias"], TENSORS["b/bias"])
    assert run.epochs_done() == 2
    records = [EpochRecord(1, 0.5, 0.7, 0.5, 0.6, 0.55), EpochRecord(2, 0.5, 0.6, 0.6, 0.5, 1.0)]
    run.write_history(records)
    assert run.history() == records
    run.write_split({"train": ["aa", "bb"], "valid": ["cc"]})
    assert run.split() == {"train": {"aa", "bb"}, "valid": {"cc"}}
    bad = [SkippedRecord("사진.jpg", "the file is empty (0 bytes)")]
    run.write_skipped(bad)
    assert run.skipped() == bad


def test_newest_is_the_one_whose_model_was_written_last(tmp_path: Path) -> None:
    assert newest_run(tmp_path) is None
    first, second, _ = (create_run(tmp_path, name, CONFIG) for name in ("a", "b", "no-model"))
    second.write_model(TENSORS, SAVED)
    first.write_model(TENSORS, SAVED)
    newest = newest_run(tmp_path)
    assert newest and newest.folder == first.folder


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"not json", b'{"options": 3}', b"\xff\xfe", b"null"])
def test_a_damaged_config_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(RunError, match="config.json"):
        open_run(tmp_path)


def test_no_run_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(RunError, match="expected a run folder"):
            open_run(path)
    run = create_run(tmp_path, None, CONFIG)
    with pytest.raises(RunError, match="catdog train --resume"):
        run.read_model()


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": "3"},
        {"epochs": True},
        {"learning_rate": None},
        {"head": {"kind": "round"}},
        {"head": {"kind": "fc", "fc_units": [1.5]}},
        {"decoding": {"size": 224, "resize": "stretch"}},
        {"surprise": 1},
    ],
)
def test_options_from_json_are_checked(change: dict[str, object]) -> None:
    values = OPTIONS.to_json()
    assert TrainOptions.from_json(values) == OPTIONS
    with pytest.raises(OptionError):
        TrainOptions.from_json(values | change)
    del values["seed"]
    with pytest.raises(OptionError, match="missing fields: seed"):
        TrainOptions.from_json(values)


def test_a_run_is_read_once_and_rewritten_whole(tmp_path: Path) -> None:
    run = create_run(tmp_path, None, CONFIG)
    longer = replace(CONFIG, options=replace(OPTIONS, epochs=9))
    run.write_config(longer)
    assert run.config == longer == Run(run.folder).config
