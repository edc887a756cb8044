"""The progress of a long step: the record that the library gives to its caller. Needs no jax."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """A step in progress."""

    # Reading files, compiling, computing features, comparing photos, downloading, choosing an L2 penalty, the
    # experiments of the lessons, or images of what units look for.
    stage: Literal["hash", "compile", "features", "compare", "download", "penalty", "lessons", "images"]
    done: int  # photos, or images; bytes of a download; per cent of the lessons
    total: int  # photos, or bytes, of the whole stage; 0 if it is unknown


OnProgress = Callable[[Progress], None]  # is called as the work goes on


def part_of(report: OnProgress, before: int, photos: int, total: int, *, views: int = 1) -> OnProgress:
    """Reports the features of `photos` as a part of those of `total`, after `before` of them.

    Args:
        views: the photos are views; what is reported is divided by so many.
    """

    def reported(step: Progress) -> None:
        if step.stage == "features":
            done = before + photos - step.total + step.done
            step = Progress("features", done // views, total // views)
        report(step)

    return report if photos == total else reported


def unreported(_: Progress) -> None:
    """For work that nobody watches."""
