"""The catalogues of messages: extracts them, updates the `.po` files and compiles them. Needs Babel.

python -m tests.languages       # all languages
python -m tests.languages fr    # and a new one
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import catdog
from catdog import errors
from catdog.cli import COMMANDS, cli
from catdog.cli.command import help_text
from catdog.reports import lessons_page, photo_page
from catdog.reports.script_page import sentences
from catdog.training.optimizers import OPTIMIZERS

PACKAGE = Path(catdog.__file__).parent
LOCALE = PACKAGE / "locale"
METHODS = [("**.py", "python"), ("reports/templates/**.html", "jinja2")]
# What is called with a template → which of its arguments are templates; None is the first.
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("message", "N_", "UsageError", "gettext", "_")),
    **{name: None for name, value in vars(errors).items() if isinstance(value, type)},
    **dict.fromkeys(("plural", "ngettext"), (1, 2)),
}
# What click, the system and Pillow say, word for word.
OTHERS: tuple[str | tuple[str, str], ...] = (
    "Usage:",
    "Options",
    "Show this message and exit.",
    "Try '{command} {option}' for help.",
    "Error: {message}",
    "Invalid value: {message}",
    "Invalid value for {param_hint}: {message}",
    "Missing argument",
    "Missing option",
    "Missing command.",
    "No such option {name!r}.",
    "No such command {name!r}.",
    ("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
    ("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
    ("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    "Option {name!r} does not take a value.",
    ("{value!r} is not {choice}.", "{value!r} is not one of {choices}."),
    "{value!r} is not a valid {number_type}.",
    "{value} is not in the range {range}.",
    "{name} {filename!r} is a file.",
    "{name} {filename!r} is a directory.",
    "file",
    "directory",
    "path",
    "No such file or directory",
    "Permission denied",
    "Operation not permitted",
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Not a directory",
    "Is a directory",
    "File exists",
    "File name too long",
    "File too large",
    "Too many open files",
    "Input/output error",
    "Too many levels of symbolic links",
    "Connection refused",
    "Connection reset by peer",
    "Connection timed out",
    "Network is unreachable",
    "embedded null byte",
    "broken data stream when reading image file",
    "unrecognized data stream contents when reading image file",
)


def template() -> Catalog:
    """All messages, not translated."""
    catalog = Catalog(project="catdog", version=catdog.__version__, charset="utf-8")
    for name, _, found, comments, context in extract_from_dir(PACKAGE, METHODS, keywords=KEYWORDS):
        catalog.add(found, locations=[(name, 0)], auto_comments=comments, context=context)
    for name, text in _of_live_objects():
        catalog.add(text, locations=[(name, 0)])
    for found in OTHERS:
        catalog.add(found, locations=[("click, the system, Pillow", 0)])
    for entry in catalog:
        entry.flags.discard("python-format")  # "90 % of them" is none
    return catalog


def _of_live_objects() -> Iterator[tuple[str, str]]:
    """What is shown and has no mark: the docstring of a command is its help."""
    context = click.Context(cli)
    commands: dict[str, click.Command | None] = {"__init__": cli}
    for name, command in (commands | {name: cli.get_command(context, name) for name in COMMANDS}).items():
        assert command
        yield f"cli/{name}.py", help_text(command)
        for param in command.params:
            text = getattr(param, "meaning", getattr(param, "help", None))
            if text:
                yield f"cli/{name}.py", getattr(text, "template", text)
    for page in (lessons_page, photo_page):
        name = page.__name__.rpartition(".")[2].removesuffix("_page")
        for sentence in sentences(name, page.SCRIPTS):
            yield f"reports/{name}", sentence
    for optimizer in OPTIMIZERS.values():
        yield "training/optimizers.py", str(optimizer.sentence)


def po_file(language: str) -> Path:
    """The file that translators edit."""
    return LOCALE / language / "LC_MESSAGES" / "catdog.po"


def read(language: str) -> Catalog:
    """The catalogue of a language, as the translators have it."""
    with po_file(language).open("rb") as file:
        return read_po(file, locale=language)


def missing(catalog: Catalog) -> list[str]:
    """The messages without a translation, or with one that a translator has not confirmed."""
    return [str(entry.id) for entry in catalog if entry.id and (entry.fuzzy or not all(strings(entry)))]


def strings(entry: Message) -> tuple[str, ...]:
    """The translations of a message: one for each plural form, or one."""
    found = entry.string or ""
    return (found,) if isinstance(found, str) else tuple(found)


def update(language: str) -> None:
    """Bring the catalogue of one language up to date, and compile it."""
    path = po_file(language)
    catalog = read(language) if path.exists() else Catalog(language, fuzzy=False)
    catalog.update(template(), update_creation_date=False)
    catalog.project, catalog.version, catalog.copyright_holder = "catdog", "", "The catdog authors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalog, width=110, include_lineno=False, sort_by_file=True, ignore_obsolete=True)
    with path.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalog)
    print(f"{path}: {len(catalog)} messages, {len(missing(catalog))} to translate")


if __name__ == "__main__":
    there = [path.name for path in LOCALE.iterdir()] if LOCALE.exists() else []
    for wanted in sorted({*there, *sys.argv[1:]}):
        update(wanted)
