"""What `catdog inspect` shows of a subject: facts for --json, and parts for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from catdog.cli import console
from catdog.cli.escapes import json_text
from catdog.text import Message


@dataclass(frozen=True)
class Page:
    """One subject.

    Attributes:
        facts: a JSON value.
        parts: from top to bottom.
    """

    facts: Any
    parts: Sequence[RenderableType | Message]


def show(page: Page, *, as_json: bool) -> None:
    """Print a page on stdout."""
    if as_json:
        click.echo(json_text(page.facts, indent=2))
        return
    for part in page.parts:
        console.say(part) if isinstance(part, str | Message | Text) else console.out.print(part)
