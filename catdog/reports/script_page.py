"""A page that computes: facts and arrays from Python, plain JavaScript, sentences in every language.

The scripts in `shared` are those of every such page; each page has a folder for its own. The
Content-Security-Policy allows this script by its hash, and no connection.

A sentence is where it is shown, in English: in a template as `N_("...")`, in a script as `t("...")` or
`N_("...")`. Those that Python decides are messages among the facts.
"""

import base64
import gettext
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from catdog import __version__
from catdog.reports.html import ENGLISH, render, shown, write_file
from catdog.text import Message

_FOLDER = Path(__file__).parent
_SHARED = ("arrays", "view", "paint")
_LOCALE = _FOLDER.parent / "locale"
_LANGUAGES = {"en": "English", "ko": "한국어"}  # in the page, beside that of the command line
_DIGITS = 6  # of a number in an array
_SENTENCE = re.compile(r'\b(?:t|N_)\(\s*("(?:[^"\\]|\\.)*"(?:\s*\+\s*"(?:[^"\\]|\\.)*")*)')


def write_script_page(
    file: Path,
    name: str,
    scripts: Sequence[str],
    facts: Mapping[str, Any],
    *,
    title: Message,
    translations: gettext.NullTranslations,
) -> None:
    """Write a page as one file.

    Args:
        name: of the template, and of the folder with the page's own scripts and its `page.css`.
        scripts: in their order, behind those that are shared.
        facts: all that the page shows: JSON values, and messages, NumPy arrays and dataclasses of these;
            `arrays` as `packing.packed` makes them.

    Raises:
        OptionError: the file cannot be written.
    """
    script = "\n".join(
        _read([*(f"shared/{each}.js" for each in _SHARED), *(f"{name}/{each}.js" for each in scripts)])
    )
    told = sentences(name, scripts)
    language = translations.info().get("language", "en")
    spoken = {"en": ENGLISH, "ko": gettext.translation("catdog", _LOCALE, ["ko"])} | {language: translations}
    everything = {
        **facts,
        "title": title,
        "version": __version__,
        "language": language,
        "languages": {each: _LANGUAGES.get(each, each) for each in spoken},
        "text": {each: {known: words.gettext(known) for known in told} for each, words in spoken.items()},
    }

    def plain(value: Any) -> Any:
        """What JSON does not know: a message is its text by language."""
        if isinstance(value, Message):
            return {each: shown(value, words) for each, words in spoken.items()}
        return _numbers(value) if isinstance(value, np.ndarray) else vars(value)

    text = json.dumps(everything, ensure_ascii=False, separators=(",", ":"), default=plain)
    page = render(
        f"{name}.html",
        translations,
        title=title,
        style=Markup("".join(_read(["shared/page.css", f"{name}/page.css"]))),
        facts=Markup(text.replace("<", "\\u003c")),  # "<" would end the element, or begin a comment in it
        script=Markup(script),
        script_hash=Markup(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
    )
    write_file(file, page.encode("utf-8", "replace"))


def sentences(name: str, scripts: Sequence[str]) -> list[str]:
    """The sentences in the scripts and templates of a page, in English."""
    templates = [f"templates/{each}.html" for each in ("script_page", name)]
    files = [f"shared/{each}.js" for each in _SHARED], [f"{name}/{each}.js" for each in scripts], templates
    found = (part for text in _read(sum(files, [])) for part in _SENTENCE.findall(text))
    return sorted({json.loads(re.sub(r'"\s*\+\s*"', "", part)) for part in found})


def _read(names: Sequence[str]) -> list[str]:
    return [(_FOLDER / name).read_text("utf-8") for name in names]


def _numbers(values: np.ndarray) -> Any:
    """Nested lists of short numbers; null for what is not finite."""
    if values.ndim > 1:
        return [_numbers(part) for part in values]
    return [float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in values.tolist()]
