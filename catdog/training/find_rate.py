"""The learning rate range test: some steps of training, each with a higher rate, until the loss explodes.

Source: L. N. Smith, Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186.
"""

import math
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

import optax

from catdog.errors import OptionError
from catdog.training.events import Report, Sums, ignore
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
_EXPLODED = 4.0  # of the lowest loss: the end
_RISEN = 1.25  # of the lowest loss: the rate is too high
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


class _Ended(Exception):
    """The loss has exploded, or all steps are done."""


def find_rate(options: NewRun, workspace: Workspace, report: Report = ignore) -> RateCurve:
    """Train as `options` say, but with rising rates; keep nothing of it.

    Args:
        report: called with `Progress`.

    Raises:
        OptionError: the optimizer has no step for each batch.
        CatdogError: see `catdog.training.train.train`.
    """
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
    losses: list[float] = []
    average = 0.0
    before = Sums(0.0, 0.0, 0)

    def record(sums: Sums) -> None:
        nonlocal average, before
        loss = (sums.loss - before.loss) / (sums.photos - before.photos)
        before = sums
        average = _MEMORY * average + (1 - _MEMORY) * loss
        losses.append(average / (1 - _MEMORY ** (len(losses) + 1)))
        if len(losses) == STEPS or not losses[-1] <= _EXPLODED * min(losses):
            raise _Ended

    try:
        for epoch in count(1):
            before = Sums(0.0, 0.0, 0)
            state, _ = job.trainer.epoch(
                state, constants, job.train.features, job.train.labels, epoch=epoch, report=record
            )
    except _Ended:
        pass
    losses = [loss for loss in losses if math.isfinite(loss)]
    growth = (_HIGHEST / _LOWEST) ** (1 / (STEPS - 1))
    rates = tuple(lowest * growth**step for step in range(len(losses)))
    bearable = max(step for step, loss in enumerate(losses) if loss <= _RISEN * min(losses))
    return RateCurve(rates, tuple(losses), float(f"{_SAFE * rates[bearable]:.1g}"))
