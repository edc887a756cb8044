"""The progress of a long step: the record that the library gives to its caller. Needs no jax."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """A step in progress."""

    # Reading files, compiling, computing features, comparing photos, downloading, or choosing an L2 penalty.
    stage: Literal["hash", "compile", "features", "compare", "download", "penalty"]
    done: int  # photos; bytes of a download
    total: int  # photos, or bytes, of the whole stage; 0 if it is unknown


OnProgress = Callable[[Progress], None]  # is called as the work goes on


def unreported(_: Progress) -> None:
    """For work that nobody watches."""
