"""The batch size for which the devices have memory."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from catdog.errors import OptionError
from catdog.features.features import Features
from catdog.model.suffix import Tensors
from catdog.training.options import DEFAULT_BATCH_SIZE
from catdog.training.step import Trainer

_SIZES = (256, 128, 64, 32, 16, 8, 4, 2, 1)  # larger ones have too few steps an epoch
Made = TypeVar("Made")


def sizes_to_try(photos: int) -> Sequence[int]:
    """The batch sizes that `auto` stands for, of so many training photos; a CPU has memory enough."""
    if jax.default_backend() == "cpu":
        return (DEFAULT_BATCH_SIZE,)
    return [size for size in _SIZES if size <= max(photos, 1)]


def first_that_fits(sizes: Sequence[int], attempt: Callable[[int], Made]) -> tuple[int, Made]:
    """The first size with which `attempt` does not run out of memory, and what it returned.

    Raises:
        OptionError: it does with each.
    """
    for size in sizes:
        try:
            return size, attempt(size)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
    raise OptionError(
        "the devices have no memory for a batch of {size} photos: freeze more layers with --unfreeze, or "
        "choose a smaller --size",
        size=sizes[-1],
    )


def trained_once(
    trainer: Trainer, params: Tensors, constants: Tensors, features: Features, labels: np.ndarray
) -> Trainer:
    """The trainer, after its first chunk of batches on copies: it needs as much memory as all the others."""
    calls = iter((False,))
    state = trainer.initial(jax.tree.map(jnp.copy, params))
    trainer.epoch(
        state, constants, features, labels, epoch=1, report=lambda _: None, stop=lambda: next(calls, True)
    )
    return trainer
