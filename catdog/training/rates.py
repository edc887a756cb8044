"""Learning rates of fine-tuning: one for each stage, smaller the further it is from the head. Needs no jax.

Chosen by measurement: docs/accuracy.md.
"""

from catdog.model.architecture import CONVOLUTIONS, split_at, stages

OF_OWN_RATE = 0.03  # of an optimizer's own rate, which suits new layers: the head is fitted already
_BEHIND_HEAD = 1 / 3  # block5's rate, of that of the head
_PER_BLOCK = 0.3  # each block's rate, of that of the next block


def stage_rates(unfreeze: str, learning_rate: float) -> dict[str, float]:
    """The highest learning rate of each stage that is trained, from the first to the head.

    Args:
        unfreeze: the first stage that is trained, a block or `all`.
        learning_rate: of the head.

    Raises:
        OptionError: there is no such block.
    """
    blocks = stages(split_at(CONVOLUTIONS, unfreeze)[1])
    behind = range(len(blocks) - 1, -1, -1)
    rates = [float(f"{learning_rate * _BEHIND_HEAD * _PER_BLOCK**steps:.3g}") for steps in behind]
    return dict(zip((*blocks, "head"), (*rates, learning_rate), strict=True))
