"""The fit loop: epochs, validation, the best checkpoint, and the state to resume from."""

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from catdog import devices, hosts, interrupt
from catdog.config import ModelSpec, Output
from catdog.data import Skipped
from catdog.errors import RunError
from catdog.features.features import Features
from catdog.features.forward import fit_rescale, logits, mean_of_views
from catdog.model import outputs
from catdog.model.suffix import Suffix, Tensors
from catdog.model.temperature import fit_temperature
from catdog.model.thresholds import best_thresholds
from catdog.runs import CrossValidation, EpochRecord, Run
from catdog.text import Message, plural
from catdog.training.events import EpochStarted, HeadFitted, Remark, Report, Sums
from catdog.training.logistic import FittedHead, LogisticTrainer
from catdog.training.saver import Saver
from catdog.training.step import Trainer, TrainState

# Photos that set the Rescale layers: enough for a stable deviation, few enough to cost no time.
RESCALE_PHOTOS = 1024


@dataclass(frozen=True)
class Examples:
    """Condensed features of n photos, then of their second views, ...; and their labels.

    Those are as `outputs.photo_losses` takes them, (n,).
    """

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
        spec: the header for model.safetensors; its epoch and temperature are replaced.
        skipped: the photos that could not be read.
        remarks: which classes have too few validation photos because of that.
        damaged_shards: how many files of the feature cache were damaged, and replaced.
        valid: None with folds: the trainer predicts each photo by a head that was not fitted to it.
        digests: of the contents of the training photos.
        penalty: how the L2 penalty was chosen, if it was.
        fit_head: gives the fitted head that fine-tuning starts from, its epoch 0; None for other trainings.
        patience: epochs without a lower validation loss that end the training; None trains all.
        batch_size: photos per optimizer step, if the optimizer has such steps.
    """

    suffix: Suffix
    trainer: Trainer | LogisticTrainer
    train: Examples
    valid: Examples | None
    start: Callable[[], tuple[Tensors, Tensors]]
    frozen: Tensors
    spec: ModelSpec
    skipped: tuple[Skipped, ...]
    remarks: tuple[Message, ...]
    damaged_shards: int
    digests: tuple[str, ...]
    penalty: CrossValidation | None
    fit_head: Callable[[], FittedHead] | None = None
    patience: int | None = None
    batch_size: int = 0

    @property
    def shown(self) -> float:
        """A score of 1 in the unit of the values."""
        return self.spec.scale.deviation if self.spec.scale else 1.0


@dataclass(frozen=True)
class _Done:
    epoch: int
    best_epoch: int
    best_loss: float
    stopped: bool = False  # early
    # Of the next epoch, where the training was stopped within it: see `Sums`, and its time so far.
    loss: float = 0.0
    score: float = 0.0
    photos: int = 0
    seconds: float = 0.0

    @property
    def sums(self) -> Sums:
        return Sums(self.loss, self.score, self.photos)


def start_tensors(
    suffix: Suffix, train: Examples, *, seed: int, pretrained: dict[str, np.ndarray], frozen: Tensors
) -> tuple[Tensors, Tensors]:
    """(params, constants) before the first step: fresh head, pretrained layers, Rescale fitted."""
    params, constants = suffix.initial(seed)
    constants |= frozen
    params |= {name: jnp.asarray(value, jnp.float32) for name, value in pretrained.items()}
    count = min(len(train), RESCALE_PHOTOS)
    sample = train.features.select(np.linspace(0, len(train) - 1, count).astype(np.int64).tolist())
    return params, fit_rescale(suffix, params, constants, sample)


def fit(run: Run, job: Job, *, epochs: int, report: Report) -> None:
    """Train until `epochs` are done, from where `run` stands, and write what `Saver` keeps of them.

    Raises:
        RunError: the run's state does not fit, or the training diverged.
    """
    with ExitStack() as stack:
        saver = stack.enter_context(Saver(run, writes=hosts.group().process == 0))
        if devices.is_spread():  # all processes stop at the same step, or none
            stack.enter_context(interrupt.deferred())
        _fit(run, job, saver, epochs, report)


def _fit(run: Run, job: Job, saver: Saver, epochs: int, report: Report) -> None:
    train, shown = job.train, job.shown
    together = hosts.group() if devices.is_spread() else hosts.ALONE
    state, constants, done = _resume(run, job) or _begin(job, saver, report)
    if devices.is_spread():
        constants = devices.replicate(devices.data_mesh(), constants)

    def report_sums(sums: Sums) -> None:
        report(sums._replace(score=sums.score * shown))

    for epoch in range(done.epoch + 1, epochs + 1):
        began, sums = time.monotonic() - done.seconds, done.sums
        report(EpochStarted(epoch, epochs, len(train), "mae" if job.spec.scale else "acc"))
        try:
            with interrupt.deferred() as stop:
                state, sums = job.trainer.epoch(
                    state,
                    constants,
                    train.features,
                    train.labels,
                    epoch=epoch,
                    report=report_sums,
                    since=sums,
                    stop=stop,
                )
            if together.any(interrupt.requested()):
                interrupt.preempt()
            record, done = _finish(saver, job, state, constants, done, epoch, sums, began)
        except interrupt.Preempted:
            seconds = time.monotonic() - began
            saver.within(*_saved(job, state, constants, replace(done, **sums._asdict(), seconds=seconds)))
            raise
        done = _Done(**together.first(asdict(done)))
        report(record)
        if done.stopped:
            sentence = plural(
                "early stopping: {count} epoch without a lower validation loss",
                "early stopping: {count} epochs without a lower validation loss",
                epoch - done.best_epoch,
            )
            report(Remark(sentence))
            break
    if hosts.group().processes == 1:  # several agree on how they end
        interrupt.ignore_preemption()


def _finish(
    saver: Saver,
    job: Job,
    state: TrainState,
    constants: Tensors,
    done: _Done,
    epoch: int,
    sums: Sums,
    began: float,
) -> tuple[EpochRecord, _Done]:
    """Validate after an epoch that began at that second, and hand over what the run keeps of it."""
    suffix, trainer, valid = job.suffix, job.trainer, job.valid
    params = trainer.kept(state)
    if valid:
        of_views = logits(suffix, params, constants, valid.features)
        valid_logits, labels, held_out = mean_of_views(of_views, len(valid)), valid.labels, []
    else:
        assert isinstance(trainer, LogisticTrainer)
        rows = trainer.held_out_rows
        valid_logits, labels = trainer.held_out(state), job.train.labels[rows]
        held_out = [job.digests[row] for row in rows]
    val_loss, val_score = outputs.mean_loss_and_score(valid_logits, labels, suffix.output, suffix.loss)
    loss, score = sums.loss / sums.photos, sums.score / sums.photos
    if not math.isfinite(loss + val_loss):
        raise RunError("training diverged: the loss is not finite; lower --lr")
    seconds, found = time.monotonic() - began, (score * job.shown, val_score * job.shown)
    if job.spec.scale:
        record = EpochRecord(epoch, seconds, loss, None, val_loss, None, *found)
    else:
        record = EpochRecord(epoch, seconds, loss, found[0], val_loss, found[1])
    best_epoch, best_loss = done.best_epoch, done.best_loss
    if val_loss < best_loss or trainer.keeps_last:
        best_epoch, best_loss = epoch, val_loss
        spec = replace(job.spec, epoch=epoch, **_calibrated(suffix.output, valid_logits, labels))
        predictions = (held_out, valid_logits) if held_out else None
        saver.best(_to_host(suffix.to_save(params, constants)), spec, predictions)
    stopped = job.patience is not None and epoch - best_epoch >= job.patience
    done = _Done(epoch, best_epoch, best_loss, stopped)
    saver.epoch(record, *_saved(job, state, constants, done))
    return record, done


def _saved(
    job: Job, state: TrainState, constants: Tensors, done: _Done
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What `_resume` continues from."""
    return _to_host(_state(state, job.suffix.to_save(state.params, constants))), asdict(done)


def _calibrated(output: Output, logits_nk: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """The fields of a `ModelSpec` that the validation photos decide."""
    if output == "value":
        return {}
    temperature = fit_temperature(logits_nk, labels, output)
    if output != "labels":
        return {"temperature": temperature}
    probabilities = np.asarray(outputs.probabilities(jnp.asarray(logits_nk / temperature), output))
    return {"temperature": temperature, "thresholds": best_thresholds(probabilities, labels)}


def _begin(job: Job, saver: Saver, report: Report) -> tuple[TrainState, Tensors, _Done]:
    """The state before the first epoch; with the checkpoint of the head alone, where it is fitted first."""
    began = time.monotonic()
    params, constants = job.start()
    done = _Done(0, 0, math.inf)
    if job.fit_head is None:
        return job.trainer.initial(params), constants, done
    head = job.fit_head()
    state = job.trainer.initial(head.params)
    record, done = _finish(saver, job, state, constants, done, 0, head.sums, began)
    report(HeadFitted(record))
    return state, constants, done


def _resume(run: Run, job: Job) -> tuple[TrainState, Tensors, _Done] | None:
    read = _read_state(run)
    if read is None:
        return None
    tensors, done = read
    parts: dict[str, dict[str, np.ndarray]] = {"tensors": {}, "optimizer": {}, "step": {}}
    for name, value in tensors.items():
        kind, _, rest = name.partition("/")
        parts.setdefault(kind, {})[rest] = value
    params, constants = job.suffix.from_tensors(parts["tensors"])
    state = job.trainer.initial(params)
    optimizer = _restore(state.optimizer, parts["optimizer"], run)
    step = _restore(state.step, parts["step"], run)
    return state._replace(optimizer=optimizer, step=step), constants | job.frozen, _Done(**done)


def _read_state(run: Run) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The state on disk; of several processes that train together, the first reads it for all."""
    group = hosts.group()
    read = run.read_state() if group.process == 0 else None
    if not devices.is_spread():
        return read
    described = {name: (value.shape, str(value.dtype)) for name, value in read[0].items()} if read else {}
    shapes, done = group.first((described, read and read[1]))
    if done is None:
        return None
    tensors = read[0] if read else {name: np.zeros(*described) for name, described in shapes.items()}
    names = sorted(shapes)
    arrays = devices.replicate(devices.data_mesh(), [tensors[name] for name in names])
    return {name: np.asarray(array) for name, array in zip(names, arrays, strict=True)}, done


def _state(state: TrainState, to_save: Tensors) -> Tensors:
    tensors = {f"tensors/{name}": value for name, value in to_save.items()}
    for kind, tree in (("optimizer", state.optimizer), ("step", state.step)):
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
            tensors[f"{kind}/{jax.tree_util.keystr(path)}"] = leaf
    return tensors


def _restore(template: Any, tensors: dict[str, np.ndarray], run: Run) -> Any:
    """`template` with its leaves replaced by the tensors of the same path, on the same devices."""

    def restored(path: Any, leaf: jax.Array) -> jax.Array:
        name = jax.tree_util.keystr(path)
        value = tensors.get(name)
        if value is None or value.shape != leaf.shape or value.dtype != leaf.dtype:
            raise RunError(
                "the state in {folder}/resume does not fit this version of Optax ({name}). Use the version "
                "in its config.json, or start a new run.",
                folder=run.folder,
                name=name,
            )
        return jax.device_put(value, leaf.sharding)

    return jax.tree_util.tree_map_with_path(restored, template)


def _to_host(tensors: Tensors) -> dict[str, np.ndarray]:
    """Copies: the next epoch takes the memory of the arrays."""
    return {name: np.array(value) for name, value in sorted(tensors.items())}
