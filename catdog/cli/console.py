"""The two consoles, and how lines, notes and tables are printed.

Results go to stdout, progress and notes to stderr.
"""

import os
import stat
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from catdog.cli.translate import translated
from catdog.escapes import visible, visible_name
from catdog.text import Message, message, wrapped

Words = str | Message | Text
Parts = Iterable[RenderableType | Message]  # of what is printed, from top to bottom

# Where there is no terminal there is no width to fit: a table in a file must not be cut off.
_FILE_WIDTH = 240


class _Console(Console):
    """Prints no control characters but its own, and leaves a broken pipe to `catdog.cli.run`."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """All text that is printed comes through here; what rich itself tells the terminal has `control`."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else visible(segment.text)
            yield segment if text == segment.text else segment._replace(text=text)

    def on_broken_pipe(self) -> None:
        """The reader has seen enough; rich would end the process with status 1."""
        raise BrokenPipeError


out, err = _Console(highlight=False), _Console(stderr=True, highlight=False)
for _console in (out, err):
    if not _console.is_terminal and "COLUMNS" not in os.environ:
        _console.width = _FILE_WIDTH


prefix = ""  # of every line on stderr: the number of the process, where there are several


def moves(*, beside_rows: bool = False) -> bool:
    """Whether progress may be drawn over itself.

    Args:
        beside_rows: while rows go to stdout. Where that is a pipe, the program that reads it may print them
            on the same terminal at any time, in the middle of a bar.
    """
    is_plain = prefix or any(map(os.environ.get, ("NO_COLOR", "CI"))) or (beside_rows and _is_piped())
    return err.is_terminal and not err.is_dumb_terminal and not is_plain


def _is_piped() -> bool:
    """Of the stdout that rows go to: descriptor 1 is another one in several processes, and with --out."""
    with suppress(OSError, ValueError):  # it is closed, or no file
        return sys.stdout is not None and stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode)
    return False


def say(line: Words = "") -> None:
    """One line on stdout, left to the terminal to wrap, so that a long path can be copied."""
    out.print(line if isinstance(line, Text) else Text(translated(line)), soft_wrap=True)


def show(parts: Parts) -> None:
    """Lines and tables on stdout."""
    for part in parts:
        say(part) if isinstance(part, Words) else out.print(part)


def tell(line: str | Message, style: str = "") -> None:
    """Lines on stderr. A terminal gets them broken at spaces only, but an indented command in one piece."""
    lines = translated(line).split("\n")
    if err.is_terminal:
        lines = [part for line in lines for part in ([line] if line[:1] == " " else wrapped(line, err.width))]
    err.print(Text("\n".join(prefix + line for line in lines), style=style), soft_wrap=True)


def note(sentence: Message) -> None:
    """A line on stderr that may be skipped over; of several processes the first has it."""
    if not prefix:
        tell(message("note: {sentence}", sentence=visible_name(translated(sentence))))


def warn(sentence: Message) -> None:
    """A line on stderr that asks to be read."""
    tell(message("warning: {sentence}", sentence=visible_name(translated(sentence))), style="yellow")


def duration(seconds: float) -> Message:
    """`9s`, `3m 40s`, `2h 05m`."""
    whole = round(seconds)
    if whole < 60:
        return message("{seconds}s", seconds=whole)
    if whole < 3600:
        return message("{minutes}m {seconds:02d}s", minutes=whole // 60, seconds=whole % 60)
    return message("{hours}h {minutes:02d}m", hours=whole // 3600, minutes=whole % 3600 // 60)


def short(path: Path) -> str:
    """The path as a person would type it here, on one line."""
    here = Path.cwd()
    return visible_name(str(path.relative_to(here) if path.is_relative_to(here) else path))


def number(value: float | None, digits: int = 4) -> str:
    """A number of a table; `-` where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def styled(text: Words, style: str = "") -> Text:
    """A message in the user's language, other text as it is, on one line."""
    if isinstance(text, Text):
        return text
    return Text(visible_name(translated(text) if isinstance(text, Message) else text), style)


def table(
    *headings: str | Message, rows: Iterable[Sequence[Words]] = (), right: Sequence[int] | None = None
) -> Table:
    """A table with these column headings; what is too long for the first column is folded.

    Args:
        rows: the cells of each, see `styled`.
        right: columns of numbers, set to the right; None is all but the first.
    """
    made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    numbers = range(1, len(headings)) if right is None else right
    for position, heading in enumerate(headings):
        made.add_column(Text(translated(heading)), justify="right" if position in numbers else "left")
    made.columns[0].overflow = "fold"
    for row in rows:
        made.add_row(*map(styled, row))
    return made
