"""How far a long step is: the record that library code hands to whoever watches. Needs no jax."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """A step under way.

    Attributes:
        stage: reading files, waiting for the compiler, or computing features.
        done: photos that are through.
        total: photos that this stage is about.
    """

    stage: Literal["hash", "compile", "features"]
    done: int
    total: int
