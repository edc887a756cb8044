"""The checks that compare photos by their features: near-duplicates, outliers and label errors."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from catdog.checks import label_errors, near_duplicates, outliers
from catdog.checks.findings import Findings, LabelError, NearDuplicates, Outlier
from catdog.checks.pooled import Pooled, pool
from catdog.data.exact_duplicates import Placed
from catdog.progress import OnProgress, unreported
from catdog.text import Message, message
from catdog.workspace import Workspace


def check_photos(
    placed: Iterable[Placed], *, workspace: Workspace, report: OnProgress = unreported
) -> Findings:
    """Compute or look up the features of the photos, and compare them.

    Args:
        placed: photos whose files could be read; photos that cannot be decoded are skipped.

    Raises:
        CacheError: the cache cannot be written.
    """
    by_content: dict[str, list[Placed]] = defaultdict(list)
    for photo in placed:
        by_content[photo.digest].append(photo)
    different = [photos[0] for photos in by_content.values()]
    digests = {photo.path: photo.digest for photo in different}
    pooled = pool(list(digests), digests, workspace=workspace, report=report)
    photos = [different[number] for number in pooled.photos]
    classes, labels = np.unique([photo.label for photo in photos], return_inverse=True)
    compared = near_duplicates.find_near_duplicates(pooled.means, labels, report=report)
    far = _outliers(photos, compared)
    errors = _label_errors(photos, classes.tolist(), labels, pooled, compared.groups)
    results = {"outliers": far, "label_errors": errors}
    return Findings(
        tuple(
            NearDuplicates(tuple(place for row in group for place in by_content[photos[row].digest]), cosine)
            for group, cosine in zip(compared.groups, compared.similarities, strict=True)
        ),
        () if isinstance(far, Message) else far,
        () if isinstance(errors, Message) else errors,
        {check: reason for check, reason in results.items() if isinstance(reason, Message)},
    )


def _outliers(photos: Sequence[Placed], compared: near_duplicates.Compared) -> tuple[Outlier, ...] | Message:
    """The outliers, or why they were not checked."""
    # The first photo of each group: near-duplicates have close neighbours, however odd they are.
    if len(compared.firsts) < outliers.LEAST_PHOTOS:
        return message(
            "outliers were not checked: that needs at least {needed} different photos, found {photos}",
            needed=outliers.LEAST_PHOTOS,
            photos=len(compared.firsts),
        )
    scores = outliers.outlier_scores(compared.neighbours)
    rows = [row for row in np.argsort(-scores, kind="stable") if scores[row] > outliers.LEAST_SCORE]
    return tuple(Outlier(photos[int(compared.firsts[row])], float(scores[row])) for row in rows)


def _label_errors(
    photos: Sequence[Placed],
    classes: Sequence[str],
    labels: np.ndarray,
    pooled: Pooled,
    groups: Sequence[Sequence[int]],
) -> tuple[LabelError, ...] | Message:
    """The label errors, or why they were not checked."""
    group_of = np.arange(len(photos))
    for group in groups:
        group_of[list(group)] = group[0]
    # Near-duplicates are in one fold: a class of nothing else would be predicted by models without it.
    sizes = Counter(label for label, _ in set(zip(labels.tolist(), group_of.tolist(), strict=True)))
    small = [label for index, label in enumerate(classes) if sizes[index] < label_errors.LEAST_PHOTOS]
    if len(classes) < 2:
        return message("label errors were not checked: that needs at least two classes")
    if small:
        return message(
            "label errors were not checked: the class {label} has fewer than {needed} different photos "
            "(near-duplicates count once)",
            label=small[0],
            needed=label_errors.LEAST_PHOTOS,
        )
    found = label_errors.find_label_errors([pooled.means, pooled.maxima], labels, group_of)
    if found.agreement < label_errors.least_agreement(len(classes)):
        return message(
            "label errors were not checked: the cross-validation accuracy on these photos is only "
            "{accuracy:.0%}",
            accuracy=found.agreement,
        )
    return tuple(
        LabelError(photos[row], classes[int(suggested)], float(probability))
        for row, suggested, probability in zip(
            found.photos, found.suggested, found.probabilities, strict=True
        )
    )
