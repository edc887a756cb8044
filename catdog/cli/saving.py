"""`catdog predict --save DIR`: a copy of each photo, at the size of a screen, with its answer below it."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from catdog import durable
from catdog.cli.translate import translated
from catdog.cli.views.predictions import UNSURE, Answer
from catdog.data.caption import captioned
from catdog.data.overlay import to_jpeg
from catdog.inference.destination import failed, longest_name, numbered, ready
from catdog.inference.free_names import Content, Numbering
from catdog.inference.inputs import STDIN
from catdog.inference.web import is_address

_SIDE = 1024  # pixels that the longer side has at most


def saver(folder: Path, lang: str | None) -> Callable[[Answer], bool]:
    """A function that writes an answered photo into `folder` as a JPEG, and says whether it was not there.

    Nothing is overwritten: where another file has the name, it gets the next free one, `cat-2.jpg`; where
    the same picture is there already, that stays, so that the command can be repeated. The function raises
    PhotoError where this photo cannot be written, OptionError where none can.

    Args:
        lang: the language of the class names, if there is a font for it.
    """

    numbering = Numbering()

    def save(answer: Answer) -> bool:
        assert answer.photo
        captions = [_caption(answer, one) for one in dict.fromkeys((lang, None))]
        picture = to_jpeg(captioned(answer.photo(_SIDE), *captions), quality=90)
        name = f"{_stem(answer.name)}.jpg"
        ready(folder, "--save")
        try:
            newcomer, longest = Content(picture), longest_name(folder)
            target = numbering.free(lambda number: folder / numbered(name, number, longest), newcomer)
            if target is None:
                return False
            durable.write_bytes(target, picture)
            return True
        except OSError as error:
            raise failed(error, folder, "--save") from error

    return save


def _is_there(picture: bytes, target: Path) -> bool:
    return target.is_file() and target.stat().st_size == len(picture) and target.read_bytes() == picture


def _stem(name: str) -> str:
    """Of a path, an address or stdin, what its picture is called."""
    if name == STDIN:
        return "stdin"
    return Path(urlsplit(name).path if is_address(name) else name).stem or "photo"


def _caption(answer: Answer, lang: str | None) -> str:
    label, share = answer.ranked[0]
    words = translated if lang else str
    best = f"{words(label)} {share:.1%}"
    return f"{words(UNSURE)}: {best}" if answer.label == UNSURE else best
