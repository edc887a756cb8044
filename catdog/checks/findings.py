"""The results of the checks that compare photos by their features, for a person to look at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from catdog.data.exact_duplicates import Placed, example, has_conflicting_labels, is_leak
from catdog.text import Message, message


@dataclass(frozen=True)
class NearDuplicates:
    """Files with different bytes that show the same picture."""

    photos: tuple[Placed, ...]
    similarity: float  # the lowest cosine along the chain that connects them


@dataclass(frozen=True)
class Outlier:
    """A photo that is far from all others."""

    photo: Placed
    score: float  # see `outliers`


@dataclass(frozen=True)
class LabelError:
    """A photo whose label is likely wrong."""

    photo: Placed
    suggested: str
    probability: float  # see `label_errors`


@dataclass(frozen=True)
class Findings:
    """What the photos' features show."""

    near_duplicates: tuple[NearDuplicates, ...] = ()  # groups, the most similar first
    outliers: tuple[Outlier, ...] = ()  # the farthest first
    label_errors: tuple[LabelError, ...] = ()  # the most probable first
    unchecked: Mapping[str, Message] = field(default_factory=dict)  # `outliers`, `label_errors`: why not

    @property
    def leaks(self) -> tuple[NearDuplicates, ...]:
        """Near-duplicates in training and in another split."""
        return tuple(group for group in self.near_duplicates if is_leak(group.photos))

    @property
    def conflicting_labels(self) -> tuple[NearDuplicates, ...]:
        """Near-duplicates with more than one label."""
        return tuple(group for group in self.near_duplicates if has_conflicting_labels(group.photos))

    def remarks(self) -> Iterator[Message]:
        """One sentence for each kind of problem, with an example."""
        near, leaks, conflicts = self.near_duplicates, self.leaks, self.conflicting_labels
        if near:
            yield message(
                "near-duplicates: {photos:,}, such as {first} and {second}",
                photos=sum(len(group.photos) - 1 for group in near),
                **example(near[0].photos),
            )
        if any(photo.split == "all" for group in near for photo in group.photos):
            yield message(
                "`catdog train` splits these photos by content: near-duplicates may be in both splits"
            )
        if leaks:
            yield message(
                "near-duplicates in training and in another split: {groups:,}, such as {first} and "
                "{second}. This is a leak: the metrics will be too good",
                groups=len(leaks),
                **example(leaks[0].photos),
            )
        if conflicts:
            yield message(
                "near-duplicates with conflicting labels: {groups:,}, such as {first} and {second}",
                groups=len(conflicts),
                **example(conflicts[0].photos),
            )
        if self.label_errors:
            first = self.label_errors[0]
            yield message(
                "likely label errors: {photos:,}, such as {path}, which looks like {suggested}",
                photos=len(self.label_errors),
                path=first.photo.path,
                suggested=first.suggested,
            )
        if self.outliers:
            yield message(
                "outliers, far from all other photos: {photos:,}, such as {path}",
                photos=len(self.outliers),
                path=self.outliers[0].photo.path,
            )
