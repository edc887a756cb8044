"""Progress: Keras' epoch lines, and the bar for reading photos and computing features.

On a terminal progress moves; elsewhere (a pipe, CI, NO_COLOR, TERM=dumb) it is a few plain lines per minute,
and also on a terminal while rows go into a pipe.
"""

import time
from contextlib import AbstractContextManager

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
_TITLES = {
    "download": message("Downloading weights"),
    "hash": message("Reading photos"),
    "compile": message("Loading the network; the first time, it is compiled ..."),
    "features": message("Computing features"),
    "compare": message("Comparing photos"),
    "penalty": message("Choosing the L2 penalty by cross-validation"),
    "lessons": message("Running the experiments"),
    "images": message("Computing what classes and units look for"),
}
_TOLD_AT_THE_END = ("features", "download")  # the others have a line only where they take long


class EpochBar:
    """The lines of the epochs on stdout, word for word as Keras 1 logs them; on a terminal one moves."""

    def __init__(self) -> None:
        live = Live(console=console.err, transient=True, auto_refresh=False)
        self._live = live if console.moves(beside_rows=True) else None
        self._photos = 0
        self._metric = ""  # such as acc
        self._began = 0.0  # seconds

    def close(self) -> None:
        """Take the moving line away."""
        if self._live:
            self._live.stop()

    def begin(self, heading: Message, photos: int, metric: str) -> None:
        """A new epoch starts, with so many photos."""
        self._photos, self._began, self._metric = photos, time.monotonic(), metric
        if self._live:
            self._live.start()
        self._print(heading)

    def show(self, done: int, loss: float, score: float) -> None:
        """So many photos are through, with mean loss and metric so far."""
        if self._live:
            eta = (time.monotonic() - self._began) * (self._photos - done) / done
            bar = ("=" * (done * _BAR_WIDTH // self._photos) + ">")[:_BAR_WIDTH].ljust(_BAR_WIDTH, ".")
            start = f"{done:>{len(str(self._photos))}}/{self._photos} [{bar}]"
            numbers = (
                f"ETA: {translated(console.duration(eta))} - loss: {loss:.4f} - {self._metric}: {score:.4f}"
            )
            self._live.update(Text(f"{start} - {numbers}"), refresh=True)

    def end(self, record: EpochRecord) -> None:
        """The epoch is finished; a narrow terminal has a shorter bar."""
        metric, (score, val_score) = record.metric, record.scores
        numbers = (
            f" - {round(record.seconds)}s - loss: {record.loss:.4f} - {metric}: {score:.4f}"
            f" - val_loss: {record.val_loss:.4f} - val_{metric}: {val_score:.4f}"
        )
        start = f"{self._photos}/{self._photos}"
        room = console.out.width - len(f"{start} []{numbers}") if console.out.is_terminal else _BAR_WIDTH
        bar = f" [{'=' * min(room, _BAR_WIDTH)}]" if room >= _SHORTEST_BAR else ""
        self._print(f"{start}{bar}{numbers}")

    def _print(self, line: str | Message) -> None:
        if self._live:
            self._live.update(Text(""), refresh=True)
        console.say(line)


class FeatureBar(AbstractContextManager["FeatureBar"]):
    """How far reading, compiling and computing features are; call it with each `Step`.

    Args:
        in_parts: several extractions follow each other, with rows on stdout between them, nobody knows how
            many: photos are counted on without a total, and where it cannot move there is a line only after a
            while.
    """

    def __init__(self, *, in_parts: bool = False) -> None:
        self._in_parts = in_parts
        self._moves = console.moves(beside_rows=in_parts)
        self._bar: Progress | None = None
        self._last: Step | None = None
        self._before = 0  # photos of earlier parts
        self._first = 0  # what was done when the stage began
        self._began = self._told = 0.0  # seconds: the stage, and the last plain line
        self._loaded = False

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the bar away, for lines that are to stay."""
        if self._bar:
            self._bar.stop()
        self._bar = self._last = None

    def make_room(self) -> None:
        """Take the bar off the terminal until the next step, for a line that goes there too."""
        if console.out.is_terminal and self._bar:
            self._bar.stop()
            self._bar = None

    def __call__(self, step: Step) -> None:
        now, is_compiling = time.monotonic(), step.stage == "compile"
        if is_compiling and self._loaded:
            return
        self._loaded |= is_compiling
        if self._last is None or step.stage != self._last.stage or step.done < self._last.done:
            self._began, self._first = now, step.done
            if not (self._in_parts and self._told):
                self._told = now
        self._last = step
        title, has_ended = _TITLES[step.stage], step.done == step.total
        count = "" if is_compiling else self._count(step, now - self._began)
        if self._moves:
            self._draw(step, title, count)
        elif is_compiling:
            console.tell(title)  # it has no end to be told
        elif now - self._told > _PLAIN_SECONDS or (
            has_ended and step.stage in _TOLD_AT_THE_END and not self._in_parts
        ):
            self._told = now
            console.tell(message("{title}: {count}", title=title, count=count))
        if step.stage == "features" and has_ended:
            self._before += step.total

    def _draw(self, step: Step, title: Message, count: Message | str) -> None:
        """One bar, drawn over itself; without a total it only shows that something goes on."""
        if self._bar is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(_BAR_WIDTH),
                TextColumn("{task.fields[count]}"),
            )
            self._bar = Progress(*columns, console=console.err, transient=True)
            self._bar.add_task("", count="")
            self._bar.start()
        open_ended = step.stage == "compile" or (self._in_parts and step.stage == "features")
        words, total = translated(title), None if open_ended else step.total or None
        self._bar.update(
            TaskID(0), description=words, completed=step.done, total=total, count=translated(count)
        )

    def _count(self, step: Step, seconds: float) -> Message | str:
        """How many photos, or bytes, and how fast where that is known; the stage began `seconds` ago."""
        of_features = step.stage == "features"
        has_settled = seconds > (_SETTLED_SECONDS if of_features else 0) and step.done > self._first
        rate = (step.done - self._first) / seconds if has_settled else 0.0
        left = console.duration((step.total - step.done) / rate) if rate else ""
        if step.stage == "download":
            sizes = {"done": decimal(step.done), "total": decimal(step.total), "speed": decimal(round(rate))}
            if not step.total:
                return message("{done}, {speed}/s", **sizes) if rate else decimal(step.done)
            if not rate:
                return message("{done} of {total}", **sizes)
            return message("{done} of {total}, {speed}/s, {left} left", **sizes, left=left)
        numbers = {"done": step.done, "total": step.total, "rate": rate, "left": left}
        if of_features and self._in_parts:
            numbers["done"] = self._before + step.done
            if not rate:
                return message("{done} photos", **numbers)
            return message("{done} photos, {rate:.1f} photos/s", **numbers)
        if of_features and rate:
            return message("{done}/{total} photos, {rate:.1f} photos/s, {left} left", **numbers)
        if step.stage in ("penalty", "images"):
            return f"{step.done}/{step.total}"
        if step.stage == "lessons":
            return f"{step.done} %"
        return message("{done}/{total} photos", **numbers)
