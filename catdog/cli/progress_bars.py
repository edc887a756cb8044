"""Progress: Keras' epoch lines, and the bar for reading photos and computing features.

On a terminal progress moves; elsewhere (a pipe, CI, NO_COLOR, TERM=dumb) it is a few plain lines per minute.
"""

import time
from typing import Self

from rich.filesize import decimal
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from catdog.cli import console
from catdog.cli.translate import translated
from catdog.progress import Progress as Step
from catdog.runs import EpochRecord
from catdog.text import Message, message

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

    def begin(self, heading: Message) -> None:
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
        eta = translated(console.duration(left))
        line = (
            f"{done:>{len(str(self._photos))}}/{self._photos} [{bar}] - ETA: {eta}"
            f" - loss: {loss:.4f} - acc: {acc:.4f}"
        )
        self._live.update(Text(line), refresh=True)

    def print(self, line: str | Message) -> None:
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
        self._last: Step | None = None
        self._began = 0.0  # the stage, in seconds
        self._first = 0  # what was done when the stage began
        self._loaded = False
        self._display: _MovingBar | _Lines = _MovingBar() if console.moves() else _Lines(in_parts=in_parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the bar away, for lines that are to stay."""
        self._display.clear()
        self._last = None

    def make_room(self) -> None:
        """Take the bar off the terminal until the next step, for a line that goes there too."""
        if console.out.is_terminal:
            self._display.clear()

    def __call__(self, step: Step) -> None:
        now = time.monotonic()
        if step.stage == "compile":
            if self._loaded:
                return
            self._loaded = True
        if self._last is None or step.stage != self._last.stage or step.done < self._last.done:
            self._began, self._first = now, step.done
            self._display.begin(step, now)
        self._last = step
        open_ended = step.stage == "compile" or (self._in_parts and step.stage == "features")
        self._display.show(step, self._count(step, now), now, total=0 if open_ended else step.total)
        if step.stage == "features" and step.done == step.total:
            self._before += step.total

    def _count(self, step: Step, now: float) -> Message | str:
        """How many photos, or bytes, and how fast where that is known."""
        seconds = now - self._began
        settled = seconds > (_SETTLED_SECONDS if step.stage == "features" else 0) and step.done > self._first
        rate = (step.done - self._first) / seconds if settled else 0.0
        left = console.duration((step.total - step.done) / rate) if rate else ""
        if step.stage == "compile":
            return ""
        if step.stage == "download":
            done, total, speed = decimal(step.done), decimal(step.total), decimal(round(rate))
            if not step.total:
                return message("{done}, {speed}/s", done=done, speed=speed) if rate else done
            if not rate:
                return message("{done} of {total}", done=done, total=total)
            return message(
                "{done} of {total}, {speed}/s, {left} left", done=done, total=total, speed=speed, left=left
            )
        if self._in_parts and step.stage == "features":
            done = self._before + step.done
            if not rate:
                return message("{done} photos", done=done)
            return message("{done} photos, {rate:.1f} photos/s", done=done, rate=rate)
        if not rate or step.stage != "features":
            return message("{done}/{total} photos", done=step.done, total=step.total)
        return message(
            "{done}/{total} photos, {rate:.1f} photos/s, {left} left",
            done=step.done,
            total=step.total,
            rate=rate,
            left=left,
        )


class _MovingBar:
    """Progress on a terminal: one bar, drawn over itself."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def begin(self, step: Step, now: float) -> None:
        """A stage starts: its first step is shown like all others."""

    def show(self, step: Step, count: Message | str, now: float, *, total: int) -> None:
        """The bar as it is after this step; without a total it only shows that something goes on."""
        if self._bar is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(_BAR_WIDTH),
                TextColumn("{task.fields[count]}"),
            )
            self._bar = Progress(*columns, console=console.err, transient=True)
            self._task = self._bar.add_task("", count="")
            self._bar.start()
        title = translated(_TITLES[step.stage])
        self._bar.update(
            self._task, description=title, completed=step.done, total=total or None, count=translated(count)
        )

    def clear(self) -> None:
        """Take the bar away; the next step draws another."""
        if self._bar:
            self._bar.stop()
        self._bar = None


class _Lines:
    """Progress in a pipe or a file: plain lines, where a stage takes long or ends."""

    def __init__(self, *, in_parts: bool) -> None:
        self._in_parts = in_parts
        self._last_line = 0.0  # seconds

    def begin(self, step: Step, now: float) -> None:
        """A stage starts: the first line comes after a while, but compiling has no end to be told."""
        if not (self._in_parts and self._last_line):
            self._last_line = now
        if step.stage == "compile":
            console.tell(_TITLES[step.stage])

    def show(self, step: Step, count: Message | str, now: float, *, total: int) -> None:
        """A line, if it is time for one."""
        ended = step.done == step.total and step.stage in _TOLD_AT_THE_END and not self._in_parts
        if step.stage != "compile" and (ended or now - self._last_line > _PLAIN_SECONDS):
            self._last_line = now
            console.tell(message("{title}: {count}", title=_TITLES[step.stage], count=count))

    def clear(self) -> None:
        """Lines stay."""


_TITLES = {
    "download": message("Downloading weights"),
    "hash": message("Reading photos"),
    "compile": message("Loading the network; the first time, it is compiled ..."),
    "features": message("Computing features"),
    "compare": message("Comparing photos"),
}
_TOLD_AT_THE_END = ("features", "download")  # the others have a line only where they take long
