"""Progress: Keras' epoch lines, and the bar for reading photos and computing features.

On a terminal progress moves; elsewhere (a pipe, CI, NO_COLOR, TERM=dumb) it is plain lines, a few a minute at most.
"""

import time
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from catdog.cli import console
from catdog.cli.translate import translated
from catdog.progress import Progress as Step
from catdog.runs import EpochRecord
from catdog.text import bytes_for_people

_BAR_WIDTH = 30  # as Keras 1 draws it
_SHORTEST_BAR = 5
_PLAIN_SECONDS = 10.0  # between two plain lines of progress
_SETTLED_SECONDS = 1.0  # until a rate means something: the first batches end together


def epoch_line(record: EpochRecord, photos: int) -> str:
    """The line of a finished epoch, word for word as Keras 1 logs it; a narrow terminal has a shorter bar."""
    numbers = (
        f" - {round(record.seconds)}s - loss: {record.loss:.4f} - acc: {record.acc:.4f}"
        f" - val_loss: {record.val_loss:.4f} - val_acc: {record.val_acc:.4f}"
    )
    start = f"{photos}/{photos}"
    room = console.out.width - len(f"{start} []{numbers}") if console.out.is_terminal else _BAR_WIDTH
    bar = f" [{'=' * min(room, _BAR_WIDTH)}]" if room >= _SHORTEST_BAR else ""
    return f"{start}{bar}{numbers}"


class EpochBar:
    """The moving line of an epoch under way; draws nothing where progress is plain."""

    def __init__(self, photos: int):
        self._photos = photos
        self._live = (
            Live(console=console.err, transient=True, auto_refresh=False) if console.moves() else None
        )
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def begin(self, heading: str) -> None:
        """A new epoch starts."""
        self.print(heading)
        self._began = time.monotonic()

    def show(self, done: int, loss: float, acc: float) -> None:
        """So many photos are through, with mean loss and accuracy so far."""
        if not self._live or not done:
            return
        left = (time.monotonic() - self._began) * (self._photos - done) / done
        filled = done * _BAR_WIDTH // self._photos
        bar = ("=" * filled + ">")[:_BAR_WIDTH].ljust(_BAR_WIDTH, ".")
        line = (
            f"{done:>{len(str(self._photos))}}/{self._photos} [{bar}] - ETA: {console.seconds_for_people(left)}"
            f" - loss: {loss:.4f} - acc: {acc:.4f}"
        )
        self._live.update(Text(line), refresh=True)

    def print(self, line: str) -> None:
        """A line of the log, on stdout."""
        if self._live:
            self._live.update(Text(""), refresh=True)
        console.say(line)


class FeatureBar:
    """How far reading, compiling and computing features are; call it with each `Step`.

    Args:
        in_parts: several extractions follow each other, nobody knows how many: photos are counted on without
            a total, and where it cannot move there is a line only after a while.
    """

    def __init__(self, *, in_parts: bool = False) -> None:
        self._in_parts = in_parts
        self._before = 0  # photos of earlier parts
        self._done = 0
        self._bar: Progress | None = None
        self._task = None
        self._stage = ""
        self._began = 0.0
        self._first = 0
        self._last_plain = 0.0
        self._loaded = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the bar away, for lines that are to stay."""
        if self._bar:
            self._bar.stop()
        self._bar, self._stage = None, ""

    def make_room(self) -> None:
        """Take the bar off the terminal until the next step, for a line that goes there too."""
        if self._bar and console.out.is_terminal:
            self._bar.stop()
            self._bar = None

    def __call__(self, step: Step) -> None:
        now = time.monotonic()
        if step.stage == "compile":
            if self._loaded:
                return
            self._loaded = True
        if step.stage != self._stage or step.done < self._done:
            self._enter_stage(step, now)
        self._done = step.done
        words = self._words(step, now)
        finished = step.done == step.total
        if console.moves():
            self._draw(step, words)
        elif step.stage != "compile" and (
            now - self._last_plain > _PLAIN_SECONDS
            or (finished and step.stage in _TOLD_AT_THE_END and not self._in_parts)
        ):
            self._last_plain = now
            console.tell(f"{translated(_TITLES[step.stage])}: {translated(self._count(step))}{words}")
        if finished and step.stage == "features":
            self._before += step.total

    def _enter_stage(self, step: Step, now: float) -> None:
        self._stage, self._began, self._first = step.stage, now, step.done
        if not (self._in_parts and self._last_plain):
            self._last_plain = now
        if step.stage == "compile" and not console.moves():
            console.tell("Loading the network; the first time, it is compiled for this machine ...")

    def _words(self, step: Step, now: float) -> str:
        done, seconds = step.done - self._first, now - self._began
        settled = _SETTLED_SECONDS if step.stage == "features" else 0.0
        if step.stage not in ("features", "download") or not done or seconds <= settled:
            return ""
        rate = done / seconds
        a_second = (
            f"{rate:.1f} photos/s" if step.stage == "features" else f"{bytes_for_people(round(rate))}/s"
        )
        known = step.total and not self._in_parts
        left = f"{console.seconds_for_people((step.total - step.done) / rate)} left" if known else None
        return "".join(f", {translated(one)}" for one in (a_second, left) if one)

    def _draw(self, step: Step, words: str) -> None:
        if self._bar is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(_BAR_WIDTH),
                TextColumn("{task.fields[words]}"),
            )
            self._bar = Progress(*columns, console=console.err, transient=True)
            self._task = self._bar.add_task("", total=step.total, words="")
            self._bar.start()
        assert self._task is not None
        open_ended = step.stage == "compile" or (self._in_parts and step.stage == "features")
        count = "" if step.stage == "compile" else f"{translated(self._count(step))}{words}"
        self._bar.update(
            self._task,
            description=translated(_TITLES[step.stage]),
            completed=step.done,
            total=None if open_ended else step.total or None,
            words=count,
        )

    def _count(self, step: Step) -> str:
        if step.stage == "download":
            total = f" of {bytes_for_people(step.total)}" if step.total else ""
            return f"{bytes_for_people(step.done)}{total}"
        if self._in_parts and step.stage == "features":
            return f"{self._before + step.done} photos"
        return f"{step.done}/{step.total} photos"


_TITLES = {
    "download": "Downloading weights",
    "hash": "Reading photos",
    "compile": "Loading the network; the first time, it is compiled",
    "features": "Computing features",
    "compare": "Comparing photos",
}
_TOLD_AT_THE_END = ("features", "download")  # of plain lines; the others have one only where they take long
