"""`evaluate(models, data, ...)`: how good models are on the same labelled photos, in one call."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from catdog import hosts
from catdog.config import has_classes
from catdog.data import Skipped
from catdog.errors import OptionError
from catdog.evaluation.choose import Chosen, choose, own_folder
from catdog.evaluation.compare import Comparison, ErrorDifference, compare_errors, mcnemar
from catdog.evaluation.predictions import AnyOutput, evaluate_predictions
from catdog.evaluation.values import EvaluatedValues
from catdog.inference.classifier import Classifier
from catdog.inference.models import open_classifier
from catdog.progress import Progress
from catdog.runs import Run
from catdog.text import Message, plural
from catdog.workspace import Workspace


@dataclass(frozen=True)
class Evaluation:
    """The predictions of one or more models for the same photos of one folder.

    Attributes:
        data: the folder.
        models: one for each model, in the order that was asked for.
        comparisons: of each two models; of values their errors.
        remarks: what a reader should know about the choice of photos.
    """

    data: Path
    models: tuple[AnyOutput, ...]
    comparisons: tuple[Comparison | ErrorDifference, ...]
    remarks: tuple[Message, ...]

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The unreadable photos, each once."""
        return tuple({bad.path: bad for model in self.models for bad in model.skipped}.values())

    def shown(self, path: Path) -> Path:
        """A photo's path below the folder that was asked about."""
        return path.relative_to(self.data) if path.is_relative_to(self.data) else path

    def to_json(self, *, worst: int) -> dict[str, Any]:
        """Of one model its metrics, with the `worst` photos; of several all of these and the comparisons."""
        models = [model.to_json(worst=worst) for model in self.models]
        if not self.comparisons:
            return models[0]
        return {"runs": models, "comparisons": [comparison.to_json() for comparison in self.comparisons]}


def evaluate(
    models: Sequence[Run | Path],
    data: Path | None,
    split: str | None,
    workspace: Workspace,
    *,
    table: Path | None = None,
    tta: bool | None = None,
    calibrate: bool = True,
    report: Callable[[Progress], None] = lambda _: None,
) -> Evaluation:
    """Evaluate models, each on the same photos, and compare each two of them.

    In several processes (`catdog.hosts`) all call it, and each predicts for its part of the photos. Process 0
    gets all predictions; the evaluation of the others has no models.

    Args:
        models: runs and exported files, as `catdog.inference.models.find_model` finds them.
        data: the folder of photos; None is that of the first run.
        split: see `catdog.evaluation.choose.choose`. Of several runs without `split`, the photos that none of
            them was trained on.
        table: a CSV file with the values of the photos; see `catdog.evaluation.choose.choose`.
        tta: test-time augmentation: whether to average over views of a photo; None is as in training.
        calibrate: use the runs' temperatures.

    Raises:
        DataError: there is no such folder, or nothing in it to evaluate on.
        OptionError: the models have different classes or no photos in common, or no folder is given for
            exported files.
        RunError, WeightsError: a model cannot be read.
    """
    root = data or own_folder(models)
    classifiers = [
        open_classifier(model, workspace, calibrate=calibrate, tta=tta, report=report) for model in models
    ]
    _require_comparable(classifiers)
    names = [model.folder if isinstance(model, Run) else model for model in models]
    if len({frozenset(classifier.classes) for classifier in classifiers}) > 1:
        raise OptionError(
            "expected models with the same classes, found {classes}",
            classes="; ".join(
                f"{name}: {', '.join(classifier.classes)}"
                for name, classifier in zip(names, classifiers, strict=True)
            ),
        )
    chosen, remarks = _common(
        choose(
            models,
            classifiers[0].classes,
            data,
            split,
            output=classifiers[0].output,
            table=table,
            workspace=workspace,
            report=report,
        )
    )
    group = hosts.group()
    if group.processes > 1:
        group.require_same(_shared(classifiers, chosen))
    found = [
        classifier.predict(
            [photo.path for photo in photos.photos], digests=photos.digests, report=report, group=group
        )
        for classifier, photos in zip(classifiers, chosen, strict=True)
    ]
    if group.process:
        return Evaluation(root, (), (), ())
    evaluated = _readable_by_all(
        [evaluate_predictions(*each) for each in zip(models, classifiers, chosen, found, strict=True)]
    )
    comparisons = tuple(_compared(first, second) for first, second in combinations(evaluated, 2))
    return Evaluation(root, tuple(evaluated), comparisons, remarks)


def _compared(first: AnyOutput, second: AnyOutput) -> Comparison | ErrorDifference:
    if isinstance(first, EvaluatedValues) and isinstance(second, EvaluatedValues):
        return compare_errors(first.name, second.name, first.errors, second.errors)
    assert not (isinstance(first, EvaluatedValues) or isinstance(second, EvaluatedValues))
    return mcnemar(first.name, second.name, first.right, second.right)


def _shared(classifiers: Sequence[Classifier], chosen: Sequence[Chosen]) -> dict[str, object]:
    """What has to be the same in all processes, by what it is called. Paths may differ."""
    models: dict[str, object] = {}
    for number, (classifier, photos) in enumerate(zip(classifiers, chosen, strict=True), start=1):
        digests = sorted(photos.digests[photo.path] for photo in photos.photos)
        every = hashlib.sha256("".join(digests).encode()).hexdigest()
        facts = classifier.facts() | {"number of photos": len(digests), "photos (digest)": every}
        models |= {f"{name} of model {number}" if number > 1 else name: fact for name, fact in facts.items()}
    return models


def _require_comparable(classifiers: Sequence[Classifier]) -> None:
    """All models must predict the same."""
    outputs = {
        "category" if has_classes(classifier.output) else classifier.output for classifier in classifiers
    }
    units = {classifier.scale.unit for classifier in classifiers if classifier.scale}
    if len(outputs) > 1 or len(units) > 1:
        raise OptionError(
            "models can be compared if all predict classes, or all several labels, or all a value in the "
            "same unit"
        )


def _common(chosen: Sequence[Chosen]) -> tuple[list[Chosen], tuple[Message, ...]]:
    """The same with the photos that are in all of them, and what a reader should know about the choice."""
    paths = [{photo.path for photo in photos.photos} for photos in chosen]
    common = set.intersection(*paths)
    if not common:
        raise OptionError("the models have no photos in common. Give DATA: photos that none was trained on.")
    remarks = dict.fromkeys(remark for photos in chosen for remark in photos.remarks)
    if left_out := len(set.union(*paths)) - len(common):
        remark = plural(
            "{count:,} photo is left out: not every model can be evaluated on it",
            "{count:,} photos are left out: not every model can be evaluated on them",
            left_out,
        )
        remarks[remark] = None
    return [
        replace(photos, photos=tuple(photo for photo in photos.photos if photo.path in common))
        for photos in chosen
    ], tuple(remarks)


def _readable_by_all(evaluated: Sequence[AnyOutput]) -> list[AnyOutput]:
    """Without the photos that only some models could read: a file may be removed or change in between."""
    photos = [list(zip(model.paths, model.digests, strict=True)) for model in evaluated]
    common = set.intersection(*map(set, photos))
    return [
        model.select(np.array([row for row, photo in enumerate(own) if photo in common], np.int64))
        if len(own) > len(common)
        else model
        for model, own in zip(evaluated, photos, strict=True)
    ]
