"""How far a long step is: the record that library code hands to whoever watches. Needs no jax."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """A step under way.

    Attributes:
        stage: reading files, waiting for the compiler, computing features, comparing photos, or downloading
            weights.
        done: photos that are through; bytes of a download.
        total: photos, or bytes, that this stage is about; 0 where nobody knows.
    """

    stage: Literal["hash", "compile", "features", "compare", "download"]
    done: int
    total: int
