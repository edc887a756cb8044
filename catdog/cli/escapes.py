"""Text of others on a terminal: names of files, folders and classes may hold what a terminal obeys.

An escape sequence in a name could clear the screen, set the window's title or hide other lines; an override
of the direction of text shows `gpj.exe` as `exe.jpg`. They are shown as Python spells them: \\x1b, \\u202e.
"""

import json
import re
from typing import Any

# C0, DEL and C1 controls; the ends of line and paragraph of Unicode; embeddings, overrides and isolates of
# bidirectional text. The marks U+200E, U+200F and U+061C stay: they override nothing, and names in Hebrew and
# Arabic hold them.
_HARMFUL = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_IN_NAMES = re.compile(f"[{_HARMFUL}]")
_IN_TEXT = re.compile(f"(?![\n\t])[{_HARMFUL}]")


def visible_name(name: str) -> str:
    """A name on one line, with nothing in it that a terminal obeys."""
    return _IN_NAMES.sub(_spelt, name)


def visible(text: str) -> str:
    """The same for text that may have line ends and tabs of its own."""
    return _IN_TEXT.sub(_spelt, text)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that a terminal shows as it is: what it would obey is escaped, and reads back as what it was."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _IN_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _spelt(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
