"""Self-contained HTML reports: one file, nothing is loaded, no script runs, every name is escaped."""

import base64
import gettext
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from catdog import __version__, durable
from catdog.data import decode_for_people
from catdog.data.overlay import Pixels, to_jpeg
from catdog.errors import PhotoError
from catdog.text import N_, Message, quantity

ENGLISH = gettext.NullTranslations()

_TEMPLATES = Path(__file__).parent / "templates"
_THUMBNAIL = 320  # pixels, the longer side: sharp at 160 on a screen of two pixels a point


def render(template: str, translations: gettext.NullTranslations = ENGLISH, **facts: Any) -> str:
    """The page of that name below `templates`, in the language of `translations`.

    A template has `_("template {field}", field=...)` and `ngettext(singular, plural, count, ...)`, like
    `catdog.text.message` and `plural`; and `N_`. Messages among the facts are translated; all but `Markup` is
    escaped.
    """

    def _(text: str, /, **fields: object) -> str:
        return Message(text, fields).render(translations)

    def ngettext(singular: str, plural: str, count: int, /, **fields: object) -> str:
        return Message(singular, {"count": count, **fields}, plural).render(translations)

    language = translations.info().get("language", "en")
    every_page = {"_": _, "ngettext": ngettext, "translations": translations, "language": language}
    return _environment().get_template(template).render(every_page, **facts)


def write_file(path: Path, content: bytes) -> None:
    """Write a page or a picture, and the folder that it is in.

    Raises:
        OptionError: it cannot be written.
    """
    with durable.named(path):
        durable.write_bytes(path, content)


def thumbnail(photo: Path) -> Pixels | None:
    """A photo, small, as pixels (height, width, 3); None where it cannot be read."""
    try:
        return decode_for_people(photo, side=_THUMBNAIL)
    except PhotoError:
        return None


def picture(pixels: Pixels | None) -> Markup | None:
    """The address of a picture that is inside the page: what `src` takes."""
    return None if pixels is None else jpeg_address(to_jpeg(pixels, quality=80))


def jpeg_address(jpeg: bytes) -> Markup:
    """The same of the bytes of a JPEG file."""
    return Markup("data:image/jpeg;base64,") + base64.b64encode(jpeg).decode("ascii")


def shown(value: object, translations: gettext.NullTranslations = ENGLISH) -> str:
    """A fact as a page can hold it: a message translated, bytes that are no UTF-8 as question marks."""
    text = value.render(translations) if isinstance(value, Message) else str(value)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@jinja2.pass_context
def _finalize(context: jinja2.runtime.Context, value: object) -> str:
    return value if isinstance(value, Markup) else shown(value, context["translations"])


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda fraction, digits=2: f"{fraction:.{digits}%}"
    environment.globals |= {"version": __version__, "quantity": quantity, "N_": N_}
    return environment
