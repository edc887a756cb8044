"""The progress of a long step: the record that the library gives to its caller. Needs no jax."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """A step in progress.

    Attributes:
        stage: reading files, compiling, computing features, comparing photos, or downloading weights.
        done: photos; bytes of a download.
        total: photos, or bytes, of the whole stage; 0 if it is unknown.
    """

    stage: Literal["hash", "compile", "features", "compare", "download"]
    done: int
    total: int


Report = Callable[[Progress], None]  # is called as a step goes on
