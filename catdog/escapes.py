"""Makes control characters visible: names of files, folders and classes may contain them.

In a terminal, an escape sequence in a name could clear the screen, set the window's title or hide other
lines; an override of the text direction shows `gpj.exe` as `exe.jpg`. They are printed as Python spells them:
\\x1b, \\u202e.
"""

import json
import re
from typing import Any

# C0, DEL and C1 controls; Unicode's line and paragraph separators; embeddings, overrides and isolates of
# bidirectional text. The marks U+200E, U+200F and U+061C stay: they override nothing, and occur in names in
# Hebrew and Arabic.
_HARMFUL = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_IN_NAMES = re.compile(f"[\t\n{_HARMFUL}]")
_IN_TEXT = re.compile(f"[{_HARMFUL}]")


def visible_name(name: str) -> str:
    """A name on one line, its control characters spelled out."""
    return _IN_NAMES.sub(_spelled, name)


def visible(text: str) -> str:
    """The same for text that may have line ends and tabs of its own."""
    return _IN_TEXT.sub(_spelled, text)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that can be printed: control characters are escaped, and a program reads the same text back."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _IN_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
