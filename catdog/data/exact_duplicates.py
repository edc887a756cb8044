"""Exact duplicates: files with the same bytes, within a split, across splits, or with conflicting labels.

A photo that was resized or saved again is another file; `catdog.checks.near_duplicates` finds those.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from catdog.text import Message, message


class Placed(NamedTuple):
    """A photo file, and where in the data set it is."""

    path: Path
    label: str
    split: str
    digest: str


def is_leak(group: Iterable[Placed]) -> bool:
    """Whether photos of the group are in training and in another split: the test asks what was learned."""
    splits = {photo.split for photo in group}
    return "train" in splits and len(splits) > 1


def has_conflicting_labels(group: Iterable[Placed]) -> bool:
    """Whether the group has more than one label: at least one of them is wrong."""
    return len({photo.label for photo in group}) > 1


def example(group: Sequence[Placed]) -> dict[str, Path]:
    """Two photos of the group, with another split or label and with other bytes where there are such."""
    first, *others = group
    second = max(others, key=lambda other: (other[1:3] != first[1:3], other.digest != first.digest))
    return {"first": first.path, "second": second.path}


@dataclass(frozen=True)
class ExactDuplicates:
    """Groups of files with the same bytes, each in the order in which the files were given."""

    groups: tuple[tuple[Placed, ...], ...]

    @property
    def leaks(self) -> tuple[tuple[Placed, ...], ...]:
        """The groups in training and in another split."""
        return tuple(filter(is_leak, self.groups))

    @property
    def conflicting_labels(self) -> tuple[tuple[Placed, ...], ...]:
        """The groups with more than one label."""
        return tuple(filter(has_conflicting_labels, self.groups))

    def remarks(self) -> Iterator[Message]:
        """One sentence for each problem there is, with an example."""
        if self.groups:
            yield message(
                "exact duplicates: {files:,}, such as {first} and {second}",
                files=sum(len(group) - 1 for group in self.groups),
                **example(self.groups[0]),
            )
        if leaks := self.leaks:
            yield message(
                "exact duplicates in training and in another split: {photos:,}, such as {first} and "
                "{second}. This is a leak: the metrics will be too good",
                photos=len(leaks),
                **example(leaks[0]),
            )
        if conflicts := self.conflicting_labels:
            yield message(
                "exact duplicates with conflicting labels: {photos:,}, such as {first} and {second}",
                photos=len(conflicts),
                **example(conflicts[0]),
            )


def find_exact_duplicates(photos: Iterable[Placed]) -> ExactDuplicates:
    """Group the files by content; a group has two files or more."""
    groups: dict[str, list[Placed]] = defaultdict(list)
    for photo in photos:
        groups[photo.digest].append(photo)
    return ExactDuplicates(tuple(tuple(group) for group in groups.values() if len(group) > 1))
