"""`catdog predict --save DIR`: a copy of each photo, at the size of a screen, with its answer below it."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from catdog import durable
from catdog.cli.answers import UNSURE, Answer
from catdog.cli.inputs import STDIN
from catdog.cli.language import language
from catdog.cli.numbering import Content, Numbering, numbered
from catdog.data.caption import captioned
from catdog.data.overlay import to_jpeg
from catdog.data.web import is_address
from catdog.errors import OptionError

_LONGEST = 80  # letters of a name
_SIDE = 1024  # pixels that the longer side has at most


def saver(folder: Path, lang: str | None) -> Callable[[Answer], bool]:
    """A function that writes an answered photo into `folder` as a JPEG, and says whether it was not there.

    Nothing is overwritten: where another file has the name, it gets the next free one, `cat-2.jpg`; where
    the same picture is there already, that stays, so that the command can be repeated.

    Args:
        lang: the language of the class names, if there is a font for it.
    """

    numbering = Numbering()

    def save(answer: Answer) -> bool:
        assert answer.photo
        captions = [_caption(answer, one) for one in dict.fromkeys((lang, None))]
        picture = to_jpeg(captioned(answer.photo(_SIDE), *captions), quality=90)
        stem = _stem(answer.name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            newcomer = Content(picture)
            target = numbering.free(lambda number: folder / numbered(f"{stem}.jpg", number), newcomer)
            if target is None:
                return False
            durable.write_bytes(target, picture)
            return True
        except OSError as error:
            raise OptionError(
                f"expected to write a picture into {folder}: {error.strerror or error}. Give --save a folder "
                "that can be written."
            ) from error

    return save


def _stem(name: str) -> str:
    """Of a path, an address or stdin, what its picture is called."""
    if name == STDIN:
        return "stdin"
    return Path(urlsplit(name).path if is_address(name) else name).stem[:_LONGEST] or "photo"


def _caption(answer: Answer, lang: str | None) -> str:
    label, share = answer.ranked[0]
    words = language(lang).name if lang else str
    best = f"{words(label)} {share:.1%}"
    return f"{words(UNSURE)}: {best}" if answer.label == UNSURE else best
