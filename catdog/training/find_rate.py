"""The learning rate range test: some steps of training, each with a higher rate, until the loss explodes.

Source: L. N. Smith, Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import optax

from catdog import hosts
from catdog.errors import OptionError
from catdog.training.events import NO_SUMS, Report, Sums, ignore
from catdog.training.fit import Job
from catdog.training.optimizers import find_optimizer
from catdog.training.options import NewRun
from catdog.training.prepare import prepare, read
from catdog.training.recipe import Recipe
from catdog.training.step import Trainer
from catdog.weights.source import find_weights
from catdog.workspace import Workspace

STEPS = 100
_LOWEST, _HIGHEST = 1e-4, 1e3  # of the optimizer's own rate
_MEMORY = 0.9  # of the moving average of the loss
# Above the lowest loss, as parts of the loss of guessing.
_EXPLODED, _RISEN = 1.0, 0.05  # the end; a rate that is too high
_WINDOW = 20  # steps: batches differ, so neighbours say little
_SAFE = 0.1  # of the highest rate that is not


class RateCurve(NamedTuple):
    """The loss at each learning rate, and a rate to train with. Rates are those of the head."""

    rates: tuple[float, ...]  # rising
    losses: tuple[float, ...]  # nats, moving averages over the steps
    suggested: float


@dataclass(frozen=True)
class _Rising(Recipe):
    reports_batches = True

    def over_time(self, rate: float, steps: int) -> float | optax.Schedule:
        return optax.exponential_decay(rate, STEPS - 1, _HIGHEST / _LOWEST)


def find_rate(options: NewRun, workspace: Workspace, report: Report = ignore) -> RateCurve:
    """Train as `options` say, but with rising rates; keep nothing of it.

    Args:
        report: called with `Progress`.

    Raises:
        OptionError: the optimizer has no step for each batch.
        CatdogError: see `catdog.training.train.train`.
    """
    if hosts.group().processes > 1:
        raise OptionError("--find-lr works in one process")
    weights = find_weights(
        options.weights, preprocessing=options.preprocessing, workspace=workspace, report=report
    )
    chosen = options.complete(weights)
    optimizer = find_optimizer(chosen.optimizer)
    if optimizer.whole_epoch:
        raise OptionError(
            "--find-lr needs an optimizer with a step for each batch, found {optimizer}: choose another one, "
            "such as --optimizer adam",
            optimizer=optimizer.name,
        )
    chosen, photos, prefix, suffix = read(chosen, weights, workspace=workspace, report=report)
    lowest = optimizer.learning_rate * _LOWEST
    scaled = {stage: rate * lowest / chosen.learning_rate for stage, rate in chosen.stage_rates.items()}
    chosen = replace(chosen, learning_rate=lowest, stage_rates=scaled)
    recipe = _Rising(**vars(Recipe.of(chosen)))
    job = prepare(chosen, photos, prefix, suffix, workspace=workspace, report=report, recipe=recipe)
    assert isinstance(job.trainer, Trainer)
    params, constants = job.start()
    state = job.trainer.initial(job.fit_head().params if job.fit_head else params)
    guessing = _loss_of_guessing(job)
    losses: list[float] = []
    average, before, ended = 0.0, NO_SUMS, False

    def record(sums: Sums) -> None:
        nonlocal average, before, ended
        if ended:  # a batch that was started before
            return
        loss = (sums.loss - before.loss) / (sums.photos - before.photos)
        before = sums
        average = _MEMORY * average + (1 - _MEMORY) * loss
        losses.append(average / (1 - _MEMORY ** (len(losses) + 1)))
        ended = len(losses) == STEPS or not losses[-1] <= min(losses) + _EXPLODED * guessing

    data, epoch = (constants, job.train.features, job.train.labels), 0
    while not ended:
        before, epoch = NO_SUMS, epoch + 1
        state, _ = job.trainer.epoch(state, *data, epoch=epoch, report=record, stop=lambda: ended)
    losses = [loss for loss in losses if math.isfinite(loss)]
    growth = (_HIGHEST / _LOWEST) ** (1 / (STEPS - 1))
    rates = tuple(lowest * growth**step for step in range(len(losses)))
    bearable = [
        rate for rate, loss in zip(rates, losses, strict=True) if loss <= min(losses) + _RISEN * guessing
    ]
    suggested = _SAFE * bearable[-1] if job.fit_head else _steepest(rates, losses)
    return RateCurve(rates, tuple(losses), float(f"{suggested:.1g}"))


def _loss_of_guessing(job: Job) -> float:
    """Of the same probability for all classes, or for a label and its absence; of the mean value."""
    head = job.spec.head
    if head.output == "value":
        return 0.5 if head.loss == "huber" else 1.0
    return math.log(2 if head.output == "labels" else len(job.spec.classes))


def _steepest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """The rate where the loss falls fastest."""
    found, window = np.array(losses), min(_WINDOW, len(losses) - 1)
    return rates[int((found[window:] - found[:-window]).argmin()) + window // 2]
