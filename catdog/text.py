"""Sentences for people, and counts, sizes and lists as people write them."""

import gettext
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

_ENGLISH = gettext.NullTranslations()


@dataclass(frozen=True)
class Message:
    """A sentence as a template with named fields. It is filled in and translated once: where it is shown.

    `str(message)` is the English sentence. A template without fields is used as it is.

    Attributes:
        template: in the syntax of `str.format`, such as "expected {expected}, found {found!r}".
        fields: by name. A message among them is rendered in the same language, as is the message of an
            exception; a tuple of messages is joined by "; ".
        plural: the template for every value of the field `count` but 1; None where there is no such field.
    """

    template: str
    fields: Mapping[str, object] = field(default_factory=dict)
    plural: str | None = None

    def __str__(self) -> str:
        return self.render(_ENGLISH)

    def __hash__(self) -> int:
        return hash(str(self))

    def render(self, translations: gettext.NullTranslations) -> str:
        """The sentence in the language of `translations`."""
        count = self.fields.get("count")
        if self.plural is not None and isinstance(count, int):
            template = translations.ngettext(self.template, self.plural, count)
        else:
            template = self.template and translations.gettext(self.template)  # of "" gettext has a header
        if not self.fields:
            return template
        fields = {name: _rendered(value, translations) for name, value in self.fields.items()}
        return template.format(**fields)

    def to_json(self) -> list[Any]:
        """For another process; see `from_json`. What is no number, path or message becomes text."""
        return [self.template, {name: _plain(value) for name, value in self.fields.items()}, self.plural]


def from_json(values: list[Any]) -> Message:
    """The inverse of `Message.to_json`."""
    template, fields, plural = values
    return Message(template, {name: _whole(value) for name, value in fields.items()}, plural)


def _plain(value: object) -> object:
    if isinstance(value, BaseException):
        value = reason(value)
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, tuple):
        return {"several": [_plain(part) for part in value]}
    if isinstance(value, Path):
        return {"path": str(value)}
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _whole(value: object) -> object:
    if isinstance(value, dict):
        return Path(value["path"]) if "path" in value else tuple(map(_whole, value["several"]))
    return from_json(value) if isinstance(value, list) else value


def message(template: str, /, **fields: object) -> Message:
    """A sentence with named fields; the function that Babel extracts templates from."""
    return Message(template, fields)


def plural(singular: str, plural: str, count: int, /, **fields: object) -> Message:
    """A sentence about `count` things, such as "{count:,} photo" and "{count:,} photos"."""
    return Message(singular, {"count": count, **fields}, plural)


def N_(text: str) -> str:
    """Marks a text for translators that is translated elsewhere, such as the help of an option."""
    return text


def reason(error: BaseException) -> Message:
    """What an exception says: the message of a `CatdogError`, or the words of the system or of a library."""
    if isinstance(own := getattr(error, "message", None), Message):
        return own
    return Message(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _rendered(value: object, translations: gettext.NullTranslations) -> object:
    if isinstance(value, BaseException):
        value = reason(value)
    if isinstance(value, Message):
        return value.render(translations)
    if isinstance(value, tuple) and value and all(isinstance(part, Message) for part in value):
        return "; ".join(part.render(translations) for part in value)
    return value


def relative_path(path: Path, folder: Path) -> Path:
    """The path as seen from `folder`; a path that is not inside stays as it is."""
    return path.relative_to(folder) if path != folder and path.is_relative_to(folder) else path


def relative(sentence: Message, folder: Path) -> Message:
    """The sentence with all its paths as seen from `folder`, see `relative_path`."""
    fields = dict(sentence.fields)
    for name, value in fields.items():
        if isinstance(value, Path):
            fields[name] = relative_path(value, folder)
        elif isinstance(value, Message):
            fields[name] = relative(value, folder)
    return replace(sentence, fields=fields)


_UNITS = ("B", "kB", "MB", "GB", "TB")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|[kKMGT]B?)?")


def quantity(value: float, unit: str = "") -> str:
    """A value with its unit and four significant digits, `12.35 cm`; digits before the point all stay."""
    decimals = 3 - math.floor(math.log10(abs(value))) if value else 3
    return f"{value:.{min(max(decimals, 0), 9)}f} {unit}".rstrip()


def bytes_for_people(count: int) -> str:
    """`512 B`, `1.5 MB`: powers of ten."""
    power = min((len(str(count)) - 1) // 3, len(_UNITS) - 1)
    return f"{count / 1000**power:.1f} {_UNITS[power]}" if power else f"{count} B"


def bytes_from_people(text: str) -> int:
    """Bytes of `20GB`, `1.5 MB`, `800k` or `4096`: powers of ten.

    Raises:
        ValueError: the text is not a size; the argument is a Message.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(message("expected a size such as 20GB or 500MB, found {text!r}", text=text))
    number, unit = match.groups()
    return int(float(number) * 1000 ** "BKMGT".index((unit or "B")[0].upper()))


def seconds_from_people(text: str) -> float:
    """Seconds of `10m`, `1h30m`, `45s` or `90`.

    Raises:
        ValueError: the text is not a duration; the argument is a Message.
    """
    match = _DURATION.fullmatch(text.strip())
    if not match or not text.strip():
        raise ValueError(message("expected a time such as 10m, 1h30m or 45s, found {text!r}", text=text))
    return sum(
        float(number) * seconds for number, seconds in zip(match.groups("0"), (3600, 60, 1), strict=True)
    )


def first_few(names: Sequence[object], most: int = 3) -> str:
    """The first of many names, such as `cat, dog, eel, ...`."""
    shown = ", ".join(map(str, names[:most]))
    return f"{shown}, ..." if len(names) > most else shown


def numbered(counts: Mapping[str, int]) -> str:
    """Classes with their numbers of photos, such as `'birds' 1, 'fish' 2`: by name, the first ten of many."""
    return first_few([f"{label!r} {number}" for label, number in sorted(counts.items())], 10)


def spelt(text: str, is_drawn: Callable[[str], bool]) -> str:
    """The text, with letters that cannot be drawn as their code points, such as `[U+AC00]`."""
    return "".join(letter if is_drawn(letter) else f"[U+{ord(letter):04X}]" for letter in text)


def extension(path: Path) -> str:
    """A file's extension in lower case, such as `.txt`; empty where there is none."""
    return path.suffix.lower()


def kinds(numbers: Counter[str]) -> str | Message:
    """The four most common extensions with their numbers, such as `.cr2 400, .txt 2`."""
    common = dict(numbers.most_common(4))
    without = common.pop("", 0)
    named = ", ".join(f"{suffix} {number}" for suffix, number in common.items())
    if without and named:
        return message("{kinds}, no extension {files}", kinds=named, files=without)
    return message("no extension {files}", files=without) if without else named


def extensions(paths: Iterable[Path]) -> str | Message:
    """The four most common extensions of the files, see `kinds`."""
    return kinds(Counter(map(extension, paths)))


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a paragraph, broken at spaces only: at most `width` columns, unless a word is wider."""
    lines: list[str] = []
    room = 0
    for word in text.split(" "):
        columns = columns_of(word)
        if lines and columns < room:
            lines[-1] += f" {word}"
            room -= columns + 1
        else:
            lines.append(word)
            room = width - columns
    return lines


def columns_of(text: str) -> int:
    """Columns that a text takes on a terminal: two for each wide letter, such as those of Korean."""
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)
