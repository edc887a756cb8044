"""docs/cli.md, made from the commands themselves: `python -m tests.cli_reference` writes it."""

from collections.abc import Iterator
from pathlib import Path

import click

from catdog.cli import COMMANDS, cli
from catdog.cli.command import CONTEXT, Command, help_text, options_by_group

FILE = Path(__file__).parent.parent / "docs" / "cli.md"

_START = """\
# The command line

Made from the commands by `python -m tests.cli_reference`; do not edit it by hand.

Every command prints this with `-h`. Results go to stdout, progress and warnings to stderr. Exit status:
0 done, 1 an error or a photo that failed, 2 a mistake in the command line, 75 a training that a signal has
stopped, with everything saved, 130 stopped by Ctrl-C.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_START, *(line for name in COMMANDS for line in _section(name))])


def _section(name: str) -> Iterator[str]:
    parent = click.Context(cli, info_name="catdog", **CONTEXT)
    command = cli.get_command(parent, name)
    assert isinstance(command, Command)
    context = click.Context(command, parent=parent, info_name=name)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from (f"## catdog {name}", "", "```text", usage, "```", "", help_text(command), "")
    yield from ("| option | meaning | default |", "| --- | --- | --- |")
    for group, rows in options_by_group(command, context):
        yield f"| **{group}** | | |"
        for spelling, meaning, default in rows:
            yield f"| `{_cell(spelling)}` | {_cell(meaning)} | {_cell(default)} |"
    yield from ("", "Examples:", "", "```text", *command.examples, "```", "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(reference(), "utf-8")
