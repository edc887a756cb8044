"""The results of the checks that compare photos by their features, for a person to look at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from catdog.data.exact_duplicates import Placed, example, has_conflicting_labels, is_leak
from catdog.text import Message, message


@dataclass(frozen=True)
class NearDuplicates:
    """Files with different bytes that show the same picture.

    Attributes:
        similarity: the lowest cosine along the chain that connects them.
    """

    photos: tuple[Placed, ...]
    similarity: float


@dataclass(frozen=True)
class Outlier:
    """A photo that is far from all others; see `outliers` for the score."""

    photo: Placed
    score: float


@dataclass(frozen=True)
class LabelError:
    """A photo whose label is likely wrong; see `label_errors` for the probability."""

    photo: Placed
    suggested: str
    probability: float


@dataclass(frozen=True)
class Findings:
    """Attributes:
    near_duplicates: groups, the most similar first.
    outliers: the farthest first.
    label_errors: the most probable first.
    unchecked: checks that could not be done, `outliers` or `label_errors`, each with a sentence.
    """

    near_duplicates: tuple[NearDuplicates, ...] = ()
    outliers: tuple[Outlier, ...] = ()
    label_errors: tuple[LabelError, ...] = ()
    unchecked: Mapping[str, Message] = field(default_factory=dict)

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
            yield message("train splits these photos by content: near-duplicates may be in both splits")
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
