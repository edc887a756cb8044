"""The languages of the command line, through gettext: `catdog/locale/<language>/LC_MESSAGES/catdog.po`.

The code says everything in English, as `Message`s. They are translated here, as they are shown. What click says
itself ("Usage:", "Options") goes the same way.
"""

import gettext
import os
from collections.abc import Sequence
from pathlib import Path

import click

from catdog.text import Message

_DOMAIN = "catdog"
_FOLDER = Path(__file__).parents[1] / "locale"
LANGUAGES = ("en", *sorted(path.name for path in _FOLDER.glob("*") if path.is_dir()))

_translations = gettext.NullTranslations()


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
    return text.render(_translations) if isinstance(text, Message) else _translations.gettext(text)


def language_of(arguments: Sequence[str]) -> str | None:
    """The language that --lang names, found before click looks for mistakes in the command line."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for option, following in zip(options, [*options[1:], ""], strict=False):
        name = following if option == "--lang" else option.removeprefix("--lang=")
        if option.startswith("--lang") and name in LANGUAGES:
            return name
    return None


def use(language: str | None) -> None:
    """From now on speak this language; None asks LANGUAGE, LC_ALL, LC_MESSAGES and LANG, as gettext does."""
    global _translations
    if language:
        os.environ["LANGUAGE"] = language  # click asks the environment
    languages = [language] if language else None
    _translations = gettext.translation(_DOMAIN, _FOLDER, languages=languages, fallback=True)
    gettext.bindtextdomain(_DOMAIN, str(_FOLDER))
    gettext.textdomain(_DOMAIN)
