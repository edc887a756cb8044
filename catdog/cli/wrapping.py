"""Lines as wide as a terminal, broken at spaces only, so that paths stay whole; wide letters are counted."""

import unicodedata


def wrapped(text: str, width: int) -> list[str]:
    """The lines of one paragraph, each of at most `width` columns unless one word is wider than that."""
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
