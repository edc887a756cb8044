"""`--batch-size auto`: halved until there is memory for it, and kept with the run."""

from dataclasses import replace
from pathlib import Path

import jax
import pytest

from catdog import hosts
from catdog.errors import OptionError
from catdog.hosts import Group
from catdog.training import batch_size
from catdog.training.batch_size import first_that_fits, sizes_to_try
from catdog.training.options import Resume
from catdog.training.step import Trainer
from catdog.training.train import train as train_run
from tests.process import Service
from tests.training.whole import train
from tests.workspaces import two_workers


def _room_for(largest: int, tried: list[int], reason: str = "RESOURCE_EXHAUSTED: Out of memory") -> object:
    def attempt(size: int) -> str:
        tried.append(size)
        if size > largest:
            raise jax.errors.JaxRuntimeError(f"{reason} allocating {size} bytes.")
        return f"made for {size}"

    return attempt


@pytest.mark.parametrize(("largest", "tried"), [(300, [256]), (100, [256, 128, 64]), (1, [256, 128, 64, 1])])
def test_a_batch_is_halved_until_it_fits(largest: int, tried: list[int]) -> None:
    seen: list[int] = []
    sizes = (256, 128, 64, 1)
    assert first_that_fits(sizes, _room_for(largest, seen)) == (seen[-1], f"made for {seen[-1]}")  # type: ignore[arg-type]
    assert seen == tried


def test_no_room_at_all_is_told_and_other_errors_are_left_alone() -> None:
    with pytest.raises(OptionError, match="no memory for a batch of 1 photos"):
        first_that_fits((2, 1), _room_for(0, []))  # type: ignore[arg-type]
    seen: list[int] = []
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        first_that_fits((2, 1), _room_for(0, seen, "INTERNAL: broken"))  # type: ignore[arg-type]
    assert seen == [2]


def test_the_sizes_are_those_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(sizes_to_try(10_000)) == [64]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert list(sizes_to_try(10_000)) == [256, 128, 64, 32, 16, 8, 4, 2, 1]
    assert list(sizes_to_try(5)) == [4, 2, 1]


def test_the_size_that_was_found_is_that_of_the_run(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the devices had room for 12 photos: the run is that of `--batch-size 8`."""
    step = Trainer.epoch
    tried: list[int] = []

    def epoch(trainer: Trainer, *arguments: object, **options: object) -> object:
        tried.append(trainer._batch_size)
        if trainer._batch_size > 12:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating bytes.")
        return step(trainer, *arguments, **options)  # type: ignore[arg-type]

    named = train(shapes, tmp_path / "named", optimizer="adam", batch_size=8)
    monkeypatch.setattr(batch_size, "sizes_to_try", lambda photos: (32, 16, 8, 4))
    monkeypatch.setattr("catdog.training.prepare.sizes_to_try", batch_size.sizes_to_try)
    monkeypatch.setattr(Trainer, "epoch", epoch)
    found = train(shapes, tmp_path / "found", optimizer="adam", batch_size=None)
    assert tried == [32, 16, 8, 8, 8]
    assert replace(found.config.options, data="") == replace(named.config.options, data="")
    assert found.model_path.read_bytes() == named.model_path.read_bytes()
    longer = train_run(Resume(found.folder, epochs=3), two_workers(tmp_path / "found" / "cache"))
    assert longer.config.options.batch_size == 8
    assert tried[5:] == [8]

    longer.write_config(replace(longer.config, options=replace(longer.config.options, batch_size=0)))
    monkeypatch.setattr(hosts, "_group", Group(0, 2, Service({"catdog/1/1": "null"})))
    with pytest.raises(OptionError, match="--batch-size auto measure one process"):
        train_run(Resume(found.folder, epochs=5), two_workers(tmp_path / "found" / "cache"))
