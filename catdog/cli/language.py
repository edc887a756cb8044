"""What catdog says in other languages: one file a language in `languages/`, such as `ko.toml`.

The code speaks English. At the edge, where a sentence goes to the terminal, it is looked up among the
patterns of the chosen language; what is not found there stays English.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "languages"
LANGUAGES = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
_spoken: str | None = None

_NOT_SENTENCES = ("answer", "classes")  # tables that hold something else
_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?:_(\d+))?\}")
_SEPARATORS = {"reasons": "; ", "list": ", "}
_KINDS = {"s": "s?", "n": r"[\d,.]+"}  # what may stand in a place of that name; elsewhere, anything


@dataclass(frozen=True)
class Sentence:
    """A sentence with places for names, in English and in another language."""

    english: str
    other: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """What it matches, each place a group."""
        parts, end = [], 0
        for number, place in enumerate(_PLACEHOLDER.finditer(self.english)):
            parts.append(re.escape(self.english[end : place.start()]))
            parts.append(f"(?P<p{number}>{_KINDS.get(place[1], '.+?')})")
            end = place.end()
        return re.compile("".join([*parts, re.escape(self.english[end:])]), re.DOTALL)

    @property
    def places(self) -> list[str]:
        """The names of the places, such as `path_2`, as they follow each other in English."""
        return [place[0][1:-1] for place in _PLACEHOLDER.finditer(self.english)]

    @property
    def vagueness(self) -> tuple[bool, int]:
        """Of two that match, the less vague is meant: with a fixed start, or else with more that is fixed."""
        return self.english.startswith("{"), -len(_PLACEHOLDER.sub("", self.english))


@dataclass(frozen=True)
class Language:
    """How to say things.

    Attributes:
        answer: a sentence with a place for `label`.
        truth: the same for the true class.
        error: a sentence with a place for `reason`.
        classes: class name, lower case → its name in this language; others stay as they are.
        sentences: all others, the vaguest last.
    """

    answer: str
    truth: str
    error: str
    classes: Mapping[str, str] = field(default_factory=dict)
    sentences: Sequence[Sentence] = ()

    def name(self, label: str) -> str:
        """A class's name in this language, where it is known."""
        return self.classes.get(label.lower(), label)

    def say(self, text: str) -> str:
        """An English sentence in this language, where it is known."""
        for sentence, pattern in self._patterns:
            if found := pattern.fullmatch(text):
                values = zip(sentence.places, found.groups(), strict=True)
                return sentence.other.format(**{place: self._value(place, value) for place, value in values})
        return text

    @property
    def _patterns(self) -> list[tuple[Sentence, re.Pattern[str]]]:
        return _compiled(tuple(self.sentences))

    def _value(self, place: str, value: str) -> str:
        kind = re.sub(r"_\d+$", "", place)
        if kind == "reason":
            return self.say(value)
        if separator := _SEPARATORS.get(kind):
            return separator.join(map(self.say, value.split(separator)))
        return value


@cache
def _compiled(sentences: tuple[Sentence, ...]) -> list[tuple[Sentence, re.Pattern[str]]]:
    return [(one, one.pattern) for one in sentences]


@cache
def language(name: str) -> Language:
    """One of LANGUAGES, read from its file."""
    tables: dict[str, dict[str, Any]] = tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))
    sentences = [
        Sentence(english, other)
        for title, table in tables.items()
        if title not in _NOT_SENTENCES
        for english, other in table.items()
    ]
    return Language(
        answer=tables["answer"]["class"],
        truth=tables["answer"]["truth"],
        error=tables["answer"]["error"],
        classes=tables["classes"],
        sentences=sorted(sentences, key=lambda one: one.vagueness),
    )


def asked_for(arguments: Sequence[str]) -> str | None:
    """The language that --lang names, known before click looks for mistakes in the command line."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for one, following in zip(options, [*options[1:], ""], strict=False):
        name = following if one == "--lang" else one.removeprefix("--lang=")
        if one.startswith("--lang") and name in LANGUAGES:
            return name
    return None


def speak(name: str | None) -> None:
    """From now on, `said` speaks the language `name`; None is English."""
    global _spoken
    _spoken = name


def said(sentence: str) -> str:
    """An English sentence in the language of this command line."""
    return language(_spoken).say(sentence) if _spoken else sentence
