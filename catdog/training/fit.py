"""The fit loop: epochs, validation, the best model kept, the state to resume from. Yields; never prints."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from catdog.config import ModelSpec
from catdog.data import Skipped
from catdog.errors import RunError
from catdog.features.features import Features
from catdog.features.forward import calibrated, logits
from catdog.model import outputs
from catdog.model.suffix import Suffix, Tensors
from catdog.model.temperature import fit_temperature
from catdog.runs import EpochRecord, Run
from catdog.text import Message
from catdog.training.step import Sums, Trainer, TrainState

# Photos that set the Rescale layers: enough for a stable deviation, few enough to be free.
CALIBRATION_PHOTOS = 1024


@dataclass(frozen=True)
class Examples:
    """Condensed features and the labels (n,) int32 that belong to them."""

    features: Features
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Job:
    """A training, ready to start.

    Attributes:
        start: gives (params, constants) where the run has no state yet.
        frozen: the pretrained constants, which no state holds.
        saved: the header for model.safetensors; its epoch and temperature are replaced.
        skipped: the photos that could not be read.
        remarks: which classes that leaves with too few to validate, one sentence each.
        damaged_shards: how many files of the feature cache were found damaged, and replaced.
    """

    suffix: Suffix
    trainer: Trainer
    train: Examples
    valid: Examples
    start: Callable[[], tuple[Tensors, Tensors]]
    frozen: Tensors
    saved: ModelSpec
    skipped: tuple[Skipped, ...]
    remarks: tuple[Message, ...]
    damaged_shards: int


@dataclass(frozen=True)
class _Progress:
    epoch: int
    best_epoch: int
    best_loss: float


def start_tensors(
    suffix: Suffix, train: Examples, *, seed: int, pretrained: dict[str, np.ndarray], frozen: Tensors
) -> tuple[Tensors, Tensors]:
    """(params, constants) before the first step: fresh head, pretrained layers, calibrated scale."""
    params, constants = suffix.initial(seed)
    constants |= frozen
    params |= {name: jnp.asarray(value, jnp.float32) for name, value in pretrained.items()}
    count = min(len(train), CALIBRATION_PHOTOS)
    sample = train.features.select(np.linspace(0, len(train) - 1, count).astype(np.int64).tolist())
    return params, calibrated(suffix, params, constants, sample)


def fit(
    run: Run, job: Job, *, epochs: int, report: Callable[[int, Sums], None] = lambda *_: None
) -> Iterator[EpochRecord]:
    """Train until `epochs` are done, from where `run` stands; yields each epoch once it is on disk.

    Args:
        report: called with (epoch, sums) as an epoch starts, with no photos yet, and within it.

    Raises:
        RunError: the run's state does not fit, or the loss is no longer a number.
    """
    suffix, trainer, train, valid = job.suffix, job.trainer, job.train, job.valid
    state, constants, progress = _resume(run, job) or _begin(job)
    history = run.history()[: progress.epoch]
    for epoch in range(progress.epoch + 1, epochs + 1):
        began = time.monotonic()
        report(epoch, Sums(0.0, 0.0, 0))
        state, sums = trainer.epoch(
            state,
            constants,
            train.features,
            train.labels,
            epoch=epoch,
            report=lambda sums, epoch=epoch: report(epoch, sums),
        )
        answers = logits(suffix, state.params, constants, valid.features)
        val_loss, val_acc = _scores(suffix, answers, valid.labels)
        loss, acc = sums.loss / sums.photos, sums.right / sums.photos
        if not math.isfinite(loss + val_loss):
            raise RunError(
                "the loss of epoch {epoch} is no longer a number: the steps are too large. Start a new run "
                "with a smaller --lr, or another --optimizer.",
                epoch=epoch,
            )
        record = EpochRecord(epoch, time.monotonic() - began, loss, acc, val_loss, val_acc)
        history.append(record)
        run.write_history(history)
        if val_loss < progress.best_loss:
            progress = _Progress(epoch, epoch, val_loss)
            temperature = fit_temperature(answers, valid.labels, suffix.output)
            header = replace(job.saved, epoch=epoch, temperature=temperature)
            run.write_model(_to_host(suffix.to_save(state.params, constants)), header)
        progress = _Progress(epoch, progress.best_epoch, progress.best_loss)
        _write_state(run, state, suffix.to_save(state.params, constants), progress)
        yield record


def _scores(suffix: Suffix, logits_nk: np.ndarray, labels_n: np.ndarray) -> tuple[float, float]:
    """Mean loss in nats and share of right answers."""
    answers, labels = jnp.asarray(logits_nk), jnp.asarray(labels_n)
    losses = np.asarray(suffix.losses(answers, labels), np.float64)
    right = np.asarray(outputs.is_right(answers, labels, suffix.output))
    return float(losses.mean()), float(right.mean())


def _begin(job: Job) -> tuple[TrainState, Tensors, _Progress]:
    params, constants = job.start()
    return job.trainer.initial(params), constants, _Progress(0, 0, math.inf)


def _resume(run: Run, job: Job) -> tuple[TrainState, Tensors, _Progress] | None:
    read = run.read_state()
    if read is None:
        return None
    tensors, progress = read
    parts: dict[str, dict[str, np.ndarray]] = {"tensors": {}, "optimizer": {}, "step": {}}
    for name, value in tensors.items():
        kind, _, rest = name.partition("/")
        parts.setdefault(kind, {})[rest] = value
    params, constants = job.suffix.from_tensors(parts["tensors"])
    state = job.trainer.initial(params)
    optimizer = _restore(state.optimizer, parts["optimizer"], run)
    step = _restore(state.step, parts["step"], run)
    return state._replace(optimizer=optimizer, step=step), constants | job.frozen, _Progress(**progress)


def _write_state(run: Run, state: TrainState, to_save: Tensors, progress: _Progress) -> None:
    tensors = {f"tensors/{name}": value for name, value in to_save.items()}
    for kind, tree in (("optimizer", state.optimizer), ("step", state.step)):
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
            tensors[f"{kind}/{jax.tree_util.keystr(path)}"] = leaf
    run.write_state(
        _to_host(tensors),
        {
            "epoch": progress.epoch,
            "best_epoch": progress.best_epoch,
            "best_loss": progress.best_loss,
        },
    )


def _restore(template: Any, tensors: dict[str, np.ndarray], run: Run) -> Any:
    """`template` with its leaves replaced by the tensors of the same path, on the same devices."""

    def one(path: Any, leaf: jax.Array) -> jax.Array:
        value = tensors.get(jax.tree_util.keystr(path))
        if value is None or value.shape != leaf.shape or value.dtype != leaf.dtype:
            raise RunError(
                "the state in {folder}/resume does not fit this version of Optax ({keystr}). Use the version "
                "in its config.json, or start a new run.",
                folder=run.folder,
                keystr=jax.tree_util.keystr(path),
            )
        return jax.device_put(value, leaf.sharding)

    return jax.tree_util.tree_map_with_path(one, template)


def _to_host(tensors: Tensors) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in sorted(tensors.items())}
