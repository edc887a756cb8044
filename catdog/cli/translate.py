"""The languages of the command line, through gettext: `catdog/locale/<language>/LC_MESSAGES/catdog.po`.

The code has every sentence in English, as a `Message`. They are translated here, as they are shown. click's
own words ("Usage:", "Error:") are in the same catalogue.
"""

import gettext
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from catdog.text import N_, Message

_DOMAIN = "catdog"
_FOLDER = Path(__file__).parents[1] / "locale"
LANGUAGES = ("en", *sorted(path.name for path in _FOLDER.glob("*") if path.is_dir()))

_translations = gettext.NullTranslations()
# click says "'x' is not a valid integer range." and translates all but the name of the type.
_NUMBERS: dict[type[click.ParamType], str] = {
    click.types.IntParamType: N_("integer"),
    click.IntRange: N_("integer range"),
    click.types.FloatParamType: N_("float"),
    click.FloatRange: N_("float range"),
}


class UsageError(click.UsageError):
    """A mistake in the command line: the message as a template with fields."""

    def __init__(self, template: str, /, **fields: object):
        self.template = Message(template, fields)
        super().__init__(str(self.template))

    def format_message(self) -> str:
        """See `click.ClickException`."""
        return translated(self.template)


def translated(text: Message | str) -> str:
    """A message, or a template without fields, in the language of this command line."""
    return (text if isinstance(text, Message) else Message(text)).render(_translations)


def translations() -> gettext.NullTranslations:
    """Those of this command line, for a page."""
    return _translations


def language_of(arguments: Sequence[str]) -> str | None:
    """The language that --lang names, found before click looks for mistakes in the command line."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for option, following in zip(options, [*options[1:], ""], strict=False):
        name = following if option == "--lang" else option.removeprefix("--lang=")
        if option.startswith("--lang") and name in LANGUAGES:
            return name
    return None


@contextmanager
def speaking(language: str | None) -> Iterator[None]:
    """Messages are in this language within the block, and in English outside of it.

    Args:
        language: None asks LANGUAGE, LC_ALL, LC_MESSAGES and LANG, as gettext does. click always asks these:
            LANGUAGE is set for the block.
    """
    before = os.environ.get("LANGUAGE")
    if language:
        os.environ["LANGUAGE"] = language
    try:
        gettext.bindtextdomain(_DOMAIN, str(_FOLDER))
        gettext.textdomain(_DOMAIN)
        _speak(gettext.translation(_DOMAIN, _FOLDER, fallback=True))
        yield
    finally:
        _speak(gettext.NullTranslations())
        os.environ.pop("LANGUAGE", None)
        if before is not None:
            os.environ["LANGUAGE"] = before


def _speak(translations: gettext.NullTranslations) -> None:
    global _translations
    _translations = translations
    for kind, name in _NUMBERS.items():
        kind.name = translated(name)
