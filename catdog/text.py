"""Numbers of bytes as people write them."""

import re

_UNITS = ("B", "kB", "MB", "GB", "TB")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|[kKMGT]B?)?")


def bytes_for_people(count: int) -> str:
    """`512 B`, `1.5 MB`: powers of ten."""
    size, unit = float(count), "B"
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def bytes_from_people(text: str) -> int:
    """Bytes of `20GB`, `1.5 MB`, `800k` or `4096`: powers of ten.

    Raises:
        ValueError: it is no such size.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"expected a size such as 20GB or 500MB, found {text!r}")
    number, unit = match.groups()
    letter = (unit or "B")[0].upper().replace("B", "")
    return int(float(number) * 1000 ** ["", "K", "M", "G", "T"].index(letter))
