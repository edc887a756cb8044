"""A page that computes: facts and arrays from Python, plain JavaScript, sentences in every language.

The scripts in `shared` are those of every such page; each page has a folder for its own. The
Content-Security-Policy allows this script by its hash, and no connection.
"""

import base64
import gettext
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from catdog.reports.html import ENGLISH, render, write_file
from catdog.text import Message

_FOLDER = Path(__file__).parent
_SHARED = ("arrays", "view", "paint")
_LOCALE = _FOLDER.parent / "locale"
_LANGUAGES = {"en": "English", "ko": "한국어"}  # in the page, beside that of the command line


def write_script_page(
    file: Path,
    name: str,
    scripts: Sequence[str],
    facts: Mapping[str, Any],
    sentences: Mapping[str, Message],
    *,
    title: Message,
    translations: gettext.NullTranslations,
) -> None:
    """Write a page as one file.

    Args:
        name: of the template, and of the folder with the page's own scripts and its `page.css`.
        scripts: in their order, behind those that are shared.
        facts: all that the page shows, JSON values; `arrays` as `packing.packed` makes them.
        sentences: by the names that the scripts use; the scripts fill in their fields.

    Raises:
        OptionError: the file cannot be written.
    """
    script = "\n".join(
        _read([*(f"shared/{each}.js" for each in _SHARED), *(f"{name}/{each}.js" for each in scripts)])
    )
    everything = {**facts, **_languages(sentences, translations)}
    page = render(
        f"{name}.html",
        translations,
        title=title,
        style=Markup("".join(_read(["shared/page.css", f"{name}/page.css"]))),
        # "<" would end the element, or begin a comment in it.
        facts=Markup(
            json.dumps(everything, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        ),
        script=Markup(script),
        script_hash=Markup(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
    )
    write_file(file, page.encode("utf-8", "replace"))


def _read(names: Sequence[str]) -> list[str]:
    return [(_FOLDER / name).read_text("utf-8") for name in names]


def _languages(sentences: Mapping[str, Message], translations: gettext.NullTranslations) -> dict[str, Any]:
    """The sentences in every language of the page."""
    language = translations.info().get("language", "en")
    spoken = {"en": ENGLISH, "ko": _catalogue("ko")} | {language: translations}
    return {
        "language": language,
        "languages": {name: _LANGUAGES.get(name, name) for name in spoken},
        "text": {
            name: {key: sentence.render(words) for key, sentence in sentences.items()}
            for name, words in spoken.items()
        },
    }


def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("catdog", _LOCALE, languages=[language])
