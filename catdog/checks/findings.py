"""Everything that the features of a data set's photos say against it, for a person to look at."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from catdog.checks import label_errors as labels
from catdog.checks import near_duplicates as near
from catdog.checks import outliers
from catdog.checks.pooled import Pooled, pool
from catdog.data.copies import Placed
from catdog.progress import Progress
from catdog.text import Message, message, plural
from catdog.workspace import Workspace


@dataclass(frozen=True)
class NearCopies:
    """Files with different contents that show the same picture.

    Attributes:
        similarity: the least cosine along the chain that holds them together.
    """

    photos: tuple[Placed, ...]
    similarity: float

    @property
    def is_leak(self) -> bool:
        """Whether one is in training and one in another split."""
        splits = {one.split for one in self.photos}
        return "train" in splits and len(splits) > 1

    @property
    def is_contradiction(self) -> bool:
        """Whether they have more than one label."""
        return len({one.label for one in self.photos}) > 1


@dataclass(frozen=True)
class Outlier:
    """A photo that is far from all others; see `outliers` for the score."""

    photo: Placed
    score: float


@dataclass(frozen=True)
class WrongLabel:
    """A photo that looks like another class than its own; see `labels` for the probability."""

    photo: Placed
    suggested: str
    probability: float


@dataclass(frozen=True)
class Findings:
    """Attributes:
    near_copies: the most alike first.
    outliers: the farthest first.
    wrong_labels: the surest first.
    unchecked: what was not looked for, and why: one sentence each.
    """

    near_copies: tuple[NearCopies, ...] = ()
    outliers: tuple[Outlier, ...] = ()
    wrong_labels: tuple[WrongLabel, ...] = ()
    unchecked: tuple[Message, ...] = ()

    @property
    def leaks(self) -> tuple[NearCopies, ...]:
        """Near copies in training and in another split."""
        return tuple(group for group in self.near_copies if group.is_leak)

    @property
    def contradictions(self) -> tuple[NearCopies, ...]:
        """Near copies under more than one label."""
        return tuple(group for group in self.near_copies if group.is_contradiction)

    @property
    def _is_split_later(self) -> bool:
        """Whether it is training that will say which photos validate."""
        return any(one.split == "all" for group in self.near_copies for one in group.photos)

    def remarks(self) -> tuple[Message, ...]:
        """One sentence for each kind there is, with an example."""
        found = []
        if self.near_copies:
            extra = sum(len(group.photos) - 1 for group in self.near_copies)
            found.append(
                message(
                    "{duplicates} of another photo, such as {example}",
                    duplicates=plural("{count:,} near-duplicate", "{count:,} near-duplicates", extra),
                    example=_two(self.near_copies[0].photos),
                )
            )
            if self._is_split_later:
                found.append(message("a split by content may put near-duplicates into both splits"))
        if self.leaks:
            found.append(
                message(
                    "a leak: {count} in training and, hardly changed, in another split, such as {two}; the "
                    "numbers will be better than they should be",
                    count=plural("{count:,} picture", "{count:,} pictures", len(self.leaks)),
                    two=_two(self.leaks[0].photos),
                )
            )
        if self.contradictions:
            found.append(
                message(
                    "{count} under two labels, hardly changed, such as {two}",
                    count=plural("{count:,} picture", "{count:,} pictures", len(self.contradictions)),
                    two=_two(self.contradictions[0].photos),
                )
            )
        if self.wrong_labels:
            first = self.wrong_labels[0]
            found.append(
                message(
                    "{count} likely wrong, such as {path}, which looks like {suggested}",
                    count=plural("{count:,} label", "{count:,} labels", len(self.wrong_labels)),
                    path=first.photo.path,
                    suggested=first.suggested,
                )
            )
        if self.outliers:
            found.append(
                message(
                    "{count}, far from all other photos, such as {path}",
                    count=plural("{count:,} outlier", "{count:,} outliers", len(self.outliers)),
                    path=self.outliers[0].photo.path,
                )
            )
        return tuple(found)


def look_closely(
    placed: Iterable[Placed],
    *,
    workspace: Workspace,
    report: Callable[[Progress], None] = lambda _: None,
) -> Findings:
    """Compute or look up the features of the photos, and compare them.

    Args:
        placed: the photos whose files could be read; those that cannot be decoded are passed over.

    Raises:
        CacheError: the cache cannot be written.
    """
    everywhere: dict[str, list[Placed]] = defaultdict(list)
    for one in placed:
        everywhere[one.digest].append(one)
    first = [places[0] for places in everywhere.values()]
    pooled = pool(
        [one.path for one in first],
        {one.path: one.digest for one in first},
        workspace=workspace,
        report=report,
    )
    photos = [first[number] for number in pooled.photos]
    names = sorted({one.label for one in photos})
    index = {name: number for number, name in enumerate(names)}
    of_class = np.array([index[one.label] for one in photos], np.int64)
    alike = near.find_alike(
        pooled.means, of_class, report=lambda done, total: report(Progress("compare", done, total))
    )
    near_copies = tuple(
        NearCopies(tuple(one for row in group for one in everywhere[photos[row].digest]), similarity)
        for group, similarity in zip(alike.groups, alike.similarities, strict=True)
    )
    unchecked: list[Message] = []
    far = _outliers(photos, alike, unchecked)
    wrong = _wrong_labels(photos, names, of_class, pooled, alike.groups, unchecked)
    return Findings(near_copies, far, wrong, tuple(unchecked))


def _outliers(photos: Sequence[Placed], alike: near.Alike, unchecked: list[Message]) -> tuple[Outlier, ...]:
    photos = [photos[row] for row in alike.firsts]  # one of each: copies are near without being usual
    if len(photos) < outliers.LEAST_PHOTOS:
        unchecked.append(
            message(
                "outliers: it takes {least_photos} different photos to know what is usual, here are {count}",
                least_photos=outliers.LEAST_PHOTOS,
                count=len(photos),
            )
        )
        return ()
    scores = outliers.outlier_scores(alike.neighbours)
    rows = [row for row in np.argsort(-scores, kind="stable") if scores[row] > outliers.LEAST_SCORE]
    return tuple(Outlier(photos[row], float(scores[row])) for row in rows)


def _wrong_labels(
    photos: Sequence[Placed],
    names: Sequence[str],
    of_class: np.ndarray,
    pooled: Pooled,
    groups: Sequence[Sequence[int]],
    unchecked: list[Message],
) -> tuple[WrongLabel, ...]:
    group_of = np.arange(len(photos))
    for group in groups:
        group_of[list(group)] = group[0]
    # Near copies are in one fold: a class that is nothing else would be judged by who never saw it.
    sizes = Counter(label for label, _ in set(zip(of_class.tolist(), group_of.tolist(), strict=True)))
    small = [name for index, name in enumerate(names) if sizes[index] < labels.LEAST_PHOTOS]
    if len(names) < 2 or small:
        reason = message("there is one class")
        if small:
            reason = message(
                "{label} has fewer than {least} photos that are not near-duplicates",
                label=small[0],
                least=labels.LEAST_PHOTOS,
            )
        unchecked.append(message("wrong labels: {reason}", reason=reason))
        return ()
    found = labels.find_contradicted(np.hstack([pooled.means, pooled.maxima]), of_class, group_of)
    if found.agreement < labels.least_agreement(len(names)):
        unchecked.append(
            message(
                "wrong labels: a model that learns the classes from these photos is right for "
                "{agreement:.0%} of others only, and is not to be believed",
                agreement=found.agreement,
            )
        )
        return ()
    return tuple(
        WrongLabel(photos[row], names[int(said)], float(share))
        for row, said, share in zip(found.photos, found.suggested, found.probabilities, strict=True)
    )


def _two(group: Sequence[Placed]) -> str:
    """Two of them, in different places if there are such."""
    first = group[0]
    other = next((one for one in group if (one.split, one.label) != (first.split, first.label)), None)
    return f"{first.path} and {(other or next(one for one in group if one.digest != first.digest)).path}"
