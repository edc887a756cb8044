"""The same photo more than once: copies, copies on both sides of a split, copies under two labels.

By content, byte for byte: a photo that was resized or saved again is another file.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from catdog.text import Message, message, plural


class Placed(NamedTuple):
    """A photo file, and where in the data set it is."""

    path: Path
    label: str
    split: str
    digest: str


@dataclass(frozen=True)
class Copies:
    """Groups of files with the same content, each group in the order the files were given.

    Attributes:
        groups: all of them.
    """

    groups: tuple[tuple[Placed, ...], ...]

    @property
    def leaks(self) -> tuple[tuple[Placed, ...], ...]:
        """Those in training and in another split too: what is learned by heart is asked for."""
        return tuple(
            group
            for group in self.groups
            if "train" in {one.split for one in group} and len({one.split for one in group}) > 1
        )

    @property
    def contradictions(self) -> tuple[tuple[Placed, ...], ...]:
        """Those under more than one label: one of the labels is wrong."""
        return tuple(group for group in self.groups if len({one.label for one in group}) > 1)

    def remarks(self) -> tuple[Message, ...]:
        """One sentence for each kind there is, with an example."""
        found = []
        if self.groups:
            extra = sum(len(group) - 1 for group in self.groups)
            found.append(
                message(
                    "{count} with the content of another, such as {pair}",
                    count=plural("{count:,} file", "{count:,} files", extra),
                    pair=_pair(self.groups[0]),
                )
            )
        if self.leaks:
            found.append(
                message(
                    "a leak: {count} in training and in another split, such as {pair}; the numbers will be "
                    "better than they should be",
                    count=plural("{count:,} photo", "{count:,} photos", len(self.leaks)),
                    pair=_pair(self.leaks[0]),
                )
            )
        if self.contradictions:
            found.append(
                message(
                    "{count} under two labels, such as {pair}",
                    count=plural("{count:,} photo", "{count:,} photos", len(self.contradictions)),
                    pair=_pair(self.contradictions[0]),
                )
            )
        return tuple(found)


def find_copies(photos: Iterable[Placed]) -> Copies:
    """Group the files by content, and keep what is there more than once."""
    same: dict[str, list[Placed]] = defaultdict(list)
    for photo in photos:
        same[photo.digest].append(photo)
    return Copies(tuple(tuple(group) for group in same.values() if len(group) > 1))


def _pair(group: tuple[Placed, ...]) -> str:
    first = group[0]
    other = next(
        (one for one in group if (one.split, one.label) != (first.split, first.label)),
        group[1],
    )
    return f"{first.path} and {other.path}"
