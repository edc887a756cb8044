"""Pages of HTML that stand alone: one file, nothing fetched, no script, whatever things are called."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from catdog.data import decode_for_people
from catdog.data.overlay import Pixels, to_jpeg

_TEMPLATES = Path(__file__).parent / "templates"
_THUMBNAIL = 320  # pixels, the longer side: sharp at 160 on a screen of two pixels a point


def render(template: str, **facts: Any) -> str:
    """The page of that name below `templates`; every fact is escaped, unless it is `Markup`."""
    return _environment().get_template(template).render(**facts)


def thumbnail(photo: Path) -> Pixels:
    """A photo, small, as pixels (height, width, 3).

    Raises:
        PhotoError: it cannot be read.
    """
    return decode_for_people(photo, side=_THUMBNAIL)


def picture(pixels: Pixels) -> Markup:
    """The address of a picture that is inside the page: what `src` takes."""
    return Markup("data:image/jpeg;base64,") + base64.b64encode(to_jpeg(pixels, quality=80)).decode("ascii")


def for_people(path: Path | str) -> str:
    """A path as a page can hold it: bytes that are no UTF-8 become visible question marks."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share, digits=2: f"{share:.{digits}%}"
    environment.filters["path"] = for_people
    return environment
