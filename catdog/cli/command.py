"""The help of a command: options under headings, examples at the end, in the user's language."""

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import click

from catdog.cli.translate import LANGUAGES, translated
from catdog.text import N_, columns_of, message, wrapped

Heading = Literal["Data", "Model", "Training", "Output", "Cache", "Processes", "Other"]
GROUPS = (N_("Data"), N_("Model"), N_("Training"), N_("Output"), N_("Cache"), N_("Processes"), N_("Other"))

PATH = click.Path(path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_WIDEST_SPELLING = 30  # columns; the meaning of an option with a wider one begins on the next line

Decorator = Callable[[Any], Any]


class Option(click.Option):
    """An option under one of the headings; see `option`."""

    def __init__(self, *names: Any, group: Heading, otherwise: str, **rest: Any):
        super().__init__(*names, **rest)
        self.group, self.otherwise = group, otherwise


def option(
    names: str, group: Heading, help: str, type: Any = None, otherwise: str = "", **rest: Any
) -> Decorator:
    """`click.option`, with shorter words than click's own for numbers and folders.

    Args:
        names: separated by spaces.
        group: the heading.
        otherwise: the default in words, where `default` does not show it.
    """
    for kind, metavar in ((click.types.IntParamType, "N"), (click.types.FloatParamType, "X")):
        if isinstance(type, kind):
            rest.setdefault("metavar", metavar)
    if type is FOLDER:
        rest.setdefault("metavar", "DIR")
    texts = {"group": group, "help": help, "otherwise": otherwise}
    return click.option(*names.split(), cls=Option, type=type, **texts, **rest)


def flag(names: str, group: Heading, help: str, **rest: Any) -> Decorator:
    """An option without a value."""
    return option(names, group, help, is_flag=True, **rest)


class _Formatter(click.HelpFormatter):
    """Breaks lines by their columns, not by their letters."""

    def write_text(self, text: str) -> None:
        indent = " " * self.current_indent
        paragraphs = (wrapped(part, self.width - self.current_indent) for part in text.split("\n\n"))
        self.write("\n\n".join("\n".join(indent + line for line in lines) for lines in paragraphs) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        rows = list(rows)
        indent = " " * self.current_indent
        start = min(max(columns_of(left) for left, _ in rows), col_max) + col_spacing
        below = f"\n{indent}{' ' * start}"
        for left, right in rows:
            gap = start - columns_of(left)
            lines = wrapped(right, self.width - self.current_indent - start)
            beside = " " * gap if gap >= col_spacing else below
            self.write(f"{indent}{left}{beside}{below.join(map(str.rstrip, lines))}".rstrip() + "\n")


class _Context(click.Context):
    formatter_class = _Formatter


class Translated(click.Command):
    """A command or a group whose help is in the user's language."""

    context_class = _Context

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """See `click.Command`; click keeps the option with the help of the language that came first."""
        found = super().get_help_option(ctx)
        if found:
            found.help = N_("Show this message and exit.")
        return found

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See `click.Command`."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(translated(help_text(self)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See `click.Command`: a section for each heading."""
        groups = options_by_group(self, ctx)
        widths = [len(spelling) for _, rows in groups for spelling, _, _ in rows]
        width = max(width for width in widths if width <= _WIDEST_SPELLING)
        for group, rows in groups:
            with formatter.section(translated(group)):
                lines = []
                for spelling, meaning, default in rows:
                    both = message("{meaning}  [default: {default}]", meaning=meaning, default=default)
                    lines.append((spelling.ljust(width), translated(both) if default else meaning))
                formatter.write_dl(lines, _WIDEST_SPELLING)


class Command(Translated):
    """One of catdog's commands; `--lang` belongs to each.

    Args:
        examples: command lines that the help ends with.
    """

    def __init__(self, *arguments: Any, examples: tuple[str, ...], **rest: Any):
        super().__init__(*arguments, **rest)
        self.examples = examples
        if "lang" not in (param.name for param in self.params):
            lang_option(self)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See `click.Command`."""
        with formatter.section(translated(N_("Examples"))):
            for example in self.examples:
                formatter.write(f"{' ' * formatter.current_indent}{example}\n")


# What it asks for is known before click reads the command line, see `catdog.cli.run`.
lang_option = option(
    "--lang",
    "Other",
    N_("Language of messages."),
    click.Choice(LANGUAGES),
    otherwise=N_("from LANG"),
    expose_value=False,
)


def help_text(command: click.Command) -> str:
    """The text of the help, a line for each paragraph, however the source breaks it."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def options_by_group(
    command: click.Command, ctx: click.Context
) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Heading, and of each option below it: how it is typed, what it means, its default."""
    groups: dict[str, list[tuple[str, str, str]]] = {group: [] for group in GROUPS}
    for param in command.get_params(ctx):
        if isinstance(param, click.Option) and (record := param.get_help_record(ctx)):
            has_value = isinstance(param.default, str | int | float | Path) and not param.is_flag
            words = translated(getattr(param, "otherwise", ""))
            default = words or (str(param.default) if has_value else "")  # a value is never translated
            row = record[0], translated(param.help or ""), default
            groups[getattr(param, "group", "Other")].append(row)
    return [(group, rows) for group, rows in groups.items() if rows]
