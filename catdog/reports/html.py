"""Self-contained HTML reports: one file, nothing is loaded, no script runs, every name is escaped."""

import base64
import gettext
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from catdog import durable
from catdog.data import decode_for_people
from catdog.data.overlay import Pixels, to_jpeg
from catdog.errors import OptionError
from catdog.text import Message

ENGLISH = gettext.NullTranslations()

_TEMPLATES = Path(__file__).parent / "templates"
_THUMBNAIL = 320  # pixels, the longer side: sharp at 160 on a screen of two pixels a point


def render(template: str, *, translations: gettext.NullTranslations = ENGLISH, **facts: Any) -> str:
    """The page of that name below `templates`, in the language of `translations`.

    A template has `_("template {field}", field=...)` and `ngettext(singular, plural, count, ...)`, like
    `catdog.text.message` and `plural`. Messages among the facts are translated; all but `Markup` is escaped.
    """

    def _(text: str, /, **fields: object) -> str:
        return Message(text, fields).render(translations)

    def ngettext(singular: str, plural: str, count: int, /, **fields: object) -> str:
        return Message(singular, {"count": count, **fields}, plural).render(translations)

    language = translations.info().get("language", "en")
    return (
        _environment()
        .get_template(template)
        .render(_=_, ngettext=ngettext, translations=translations, language=language, **facts)
    )


def write_file(path: Path, content: bytes) -> None:
    """Write a page or a picture, and the folder that it is in.

    Raises:
        OptionError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_bytes(path, content)
    except OSError as error:
        raise OptionError(
            "expected to write {file}: {reason}. Name another place.",
            file=path,
            reason=error.strerror or error,
        ) from error


def thumbnail(photo: Path) -> Pixels:
    """A photo, small, as pixels (height, width, 3).

    Raises:
        PhotoError: it cannot be read.
    """
    return decode_for_people(photo, side=_THUMBNAIL)


def picture(pixels: Pixels) -> Markup:
    """The address of a picture that is inside the page: what `src` takes."""
    return Markup("data:image/jpeg;base64,") + base64.b64encode(to_jpeg(pixels, quality=80)).decode("ascii")


def for_people(path: object) -> str:
    """A path or a name as a page can hold it: bytes that are no UTF-8 become visible question marks."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@jinja2.pass_context
def _shown(context: jinja2.runtime.Context, value: object) -> object:
    """What a page holds of a fact; it is escaped after this."""
    if isinstance(value, Markup):
        return value
    return for_people(value.render(context["translations"]) if isinstance(value, Message) else value)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda fraction, digits=2: f"{fraction:.{digits}%}"
    environment.filters["path"] = for_people
    return environment
