"""The help of a command: options under headings, examples at the end, in the user's language."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from catdog.cli.translate import LANGUAGES, translated
from catdog.cli.wrapping import columns_of, wrapped
from catdog.text import N_, Message, message

DATA, MODEL, TRAINING = N_("Data"), N_("Model"), N_("Training")
OUTPUT, CACHE, OTHER = N_("Output"), N_("Cache"), N_("Other")
GROUPS = (DATA, MODEL, TRAINING, OUTPUT, CACHE, OTHER)

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_WIDEST_SPELLING = 30  # columns; the meaning of an option with a wider one begins on the next line


class Option(click.Option):
    """An option under one of the headings.

    Args:
        group: the heading.
        help: what the option means.
        otherwise: the default in words, where `default` does not show it.
    """

    def __init__(
        self,
        *names: Any,
        group: str = OTHER,
        help: str | Message = "",
        otherwise: str | Message = "",
        **rest: Any,
    ):
        super().__init__(*names, help=str(help), **rest)
        self.group = group
        self.meaning = help
        self.otherwise = otherwise

    def make_metavar(self, ctx: click.Context) -> str:
        """See `click.Parameter`: shorter than click's own words for numbers and folders."""
        if self.metavar is None and isinstance(self.type, click.types.IntParamType):
            return "N"
        if self.metavar is None and isinstance(self.type, click.types.FloatParamType):
            return "X"
        if self.metavar is None and isinstance(self.type, click.Path) and not self.type.file_okay:
            return "DIR"
        return super().make_metavar(ctx)


def option(*names: str, **arguments: Any) -> Callable[[Any], Any]:
    """`click.option` for an `Option`."""
    return click.option(*names, cls=Option, **arguments)


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
        for left, right in rows:
            beside = columns_of(left) + col_spacing <= start
            lines = wrapped(right, self.width - self.current_indent - start)
            if not beside:
                self.write(f"{indent}{left}\n")
            for number, line in enumerate(lines):
                before = left if beside and number == 0 else ""
                self.write(f"{indent}{before}{' ' * (start - columns_of(before))}{line}".rstrip() + "\n")


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
        groups = list(options_by_group(self, ctx))
        widths = [len(spelling) for _, rows in groups for spelling, _, _ in rows]
        width = max(width for width in widths if width <= _WIDEST_SPELLING)
        for group, rows in groups:
            with formatter.section(translated(group)):
                formatter.write_dl(
                    [(spelling.ljust(width), _with_default(*texts)) for spelling, *texts in rows],
                    _WIDEST_SPELLING,
                )


class Command(Translated):
    """One of catdog's commands; `--lang` belongs to each.

    Args:
        examples: command lines that the help ends with.
    """

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **rest: Any):
        super().__init__(*arguments, **rest)
        self.examples = tuple(examples)
        if "lang" not in (param.name for param in self.params):
            self.params.append(lang_parameter())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See `click.Command`."""
        if self.examples:
            with formatter.section(translated(N_("Examples"))):
                for example in self.examples:
                    formatter.write(f"{' ' * formatter.current_indent}{example}\n")


def lang_parameter() -> Option:
    """`--lang`. What it asks for is known before click reads the command line, see `catdog.cli.run`."""
    meaning, otherwise = N_("Language of messages."), N_("from LANG")
    languages = click.Choice(LANGUAGES)
    return Option(["--lang"], type=languages, expose_value=False, help=meaning, otherwise=otherwise)


def help_text(command: click.Command) -> str:
    """The text of the help, a line for each paragraph, however the source breaks it."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def options_by_group(
    command: click.Command, ctx: click.Context
) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Heading, and of each option below it: how it is typed, what it means, its default."""
    options = [param for param in command.get_params(ctx) if isinstance(param, click.Option)]
    for group in GROUPS:
        rows = []
        for param in options:
            if getattr(param, "group", OTHER) == group and (record := param.get_help_record(ctx)):
                meaning, default = texts_of(param)
                rows.append((record[0], translated(meaning), translated(default)))
        if rows:
            yield group, rows


def texts_of(param: click.Option) -> tuple[str | Message, str | Message]:
    """What an option means and its default in words, or empty; not translated yet."""
    meaning = getattr(param, "meaning", param.help or "")
    has_value = isinstance(param.default, str | int | float | Path) and not param.is_flag
    return meaning, getattr(param, "otherwise", "") or (str(param.default) if has_value else "")


def _with_default(meaning: str, default: str) -> str:
    if not default:
        return meaning
    return translated(message("{meaning}  [default: {default}]", meaning=meaning, default=default))
