"""How an evaluation looks in the terminal."""

from pathlib import Path

from rich.table import Table

from catdog.cli.console import Parts, number, short, styled, table
from catdog.cli.translate import translated
from catdog.cli.views.comparison import comparison
from catdog.evaluation.calibration import Calibration
from catdog.evaluation.evaluate import Evaluation
from catdog.evaluation.metrics import Metrics
from catdog.evaluation.predictions import AnyOutput, EvaluatedPredictions
from catdog.evaluation.several import OWN_THRESHOLDS, EvaluatedLabelled, EvaluatedLabels
from catdog.evaluation.values import EvaluatedValue, EvaluatedValues
from catdog.text import N_, message, plural, quantity

_COLOURS = ("red", "green")  # of a wrong and of a right prediction
_MATRIX = 10  # classes whose confusion matrix still fits


def scores(evaluation: Evaluation, worst: int) -> Parts:
    """The metrics of one model, with the `worst` photos; of several a comparison."""
    if evaluation.comparisons:
        yield from comparison(evaluation)
        return
    (model,) = evaluation.models
    photos = plural(
        "{model} on {count:,} photo", "{model} on {count:,} photos", model.metrics.count, model=model.name
    )
    yield styled(photos, "bold")
    if isinstance(model, EvaluatedValues):
        rows = [(translated(name), value, translated(ends)) for name, value, ends in model.metrics.rows()]
        yield table(N_("metric"), N_("value"), N_("95 % confidence interval"), rows=rows)
    elif isinstance(model, EvaluatedLabels):
        yield from _labels(model)
    else:
        yield from _classes(model)
    if worst:
        yield from ("", *_worst(evaluation, model, worst))


def _classes(model: EvaluatedPredictions) -> Parts:
    metrics, (low, high) = model.metrics, model.metrics.accuracy_interval
    fields = {"right": metrics.right, "photos": metrics.count, "low": low, "high": high}
    yield message("loss: {loss:.4f} - acc: {accuracy:.4f}", loss=metrics.loss, accuracy=metrics.accuracy)
    yield message(
        "{right:,} of {photos:,} predictions are correct; 95 % confidence interval {low:.2%} to {high:.2%}",
        **fields,
    )
    yield message(
        "balanced accuracy (mean recall of the classes): {mean:.4f}", mean=metrics.balanced_accuracy
    )
    if metrics.roc_auc is not None:
        yield message("ROC AUC: {area:.4f}", area=metrics.roc_auc)
    if model.gain:
        yield message(
            "test-time augmentation: {right_averaged:,} predictions are correct instead of {right:,}, "
            "uncalibrated loss {loss_averaged:.4f} instead of {loss:.4f}",
            **model.gain.to_json(),
        )
    yield from ("", _calibration(model.calibration), "")
    made = table(N_("class"), N_("photos"), N_("precision"), N_("recall"), N_("F1"), N_("ROC AUC"))
    for each in metrics.per_class:
        numbers = map(number, (each.precision, each.recall, each.f1, each.roc_auc))
        made.add_row(styled(each.label), str(each.count), *numbers)
    yield made
    if metrics.confused or len(metrics.classes) <= _MATRIX:
        yield from ("", _confusion(metrics))


def _labels(model: EvaluatedLabels) -> Parts:
    metrics, (low, high) = model.metrics, model.metrics.right_interval
    fields = {"right": metrics.right, "photos": metrics.count, "low": low, "high": high}
    yield message("loss: {loss:.4f}", loss=metrics.loss)
    yield message(
        "all labels of {right:,} of {photos:,} photos are correct; 95 % confidence interval {low:.2%} to "
        "{high:.2%}",
        **fields,
    )
    if metrics.average_precision is not None:
        yield message("mean average precision: {mean:.4f}", mean=metrics.average_precision)
    headings = N_("label"), N_("photos"), N_("threshold"), N_("precision"), N_("recall"), N_("F1")
    made = table(*headings, N_("average precision"))
    for score in metrics.per_label:
        numbers = score.threshold, score.precision, score.recall, score.f1, score.average_precision
        made.add_row(styled(score.label), str(score.count), *map(number, numbers))
    if model.has_own_thresholds:
        made.caption, made.caption_justify = translated(OWN_THRESHOLDS), "left"
    yield from ("", made)


def _worst(evaluation: Evaluation, model: AnyOutput, count: int) -> Parts:
    """The photos with the largest loss or error."""
    title, unit = message("Photos with the largest loss in {folder}:", folder=short(evaluation.data)), ""
    if isinstance(model, EvaluatedValues):
        unit = model.unit
        title = message("Photos with the largest error in {folder}:", folder=short(evaluation.data))
        made = table(N_("photo"), N_("true value"), N_("prediction"), N_("error"))
    elif isinstance(model, EvaluatedLabels):
        made = table(N_("photo"), N_("true labels"), N_("predicted labels"), N_("loss"), right=(3,))
    else:
        headings = N_("photo"), N_("true class"), N_("prediction"), N_("probability"), N_("loss")
        made = table(*headings, right=(3, 4))
    for photo in map(model.photo, model.worst(count)):
        path = short(evaluation.shown(Path(photo.path)))
        if isinstance(photo, EvaluatedValue):
            cells = (quantity(each, unit) for each in (photo.true, photo.value, photo.error))
        elif isinstance(photo, EvaluatedLabelled):
            found = styled(", ".join(photo.labels) or "-", _COLOURS[photo.is_right])
            cells = ", ".join(photo.true) or "-", found, f"{photo.loss:.3f}"
        else:
            found = styled(photo.label, _COLOURS[photo.is_right])
            cells = photo.true, found, f"{photo.probability:.1%}", f"{photo.loss:.3f}"
        made.add_row(*map(styled, (path, *cells)))
    return title, made


def _calibration(calibration: Calibration) -> Table:
    headings = N_("probabilities"), N_("temperature"), N_("calibration error"), N_("negative log-likelihood")
    made = table(*headings)
    for label, found, scale in (
        (message("uncalibrated"), calibration.before, None),
        (message("calibrated"), calibration.after, calibration.temperature),
    ):
        if found:
            made.add_row(translated(label), number(scale, 3), number(found.error), number(found.nll))
    if calibration.held_out:
        why = N_("calibrated: cross-validated, since the temperature was fitted on some of these photos")
        made.caption, made.caption_justify = translated(why), "left"
    return made


def _confusion(metrics: Metrics) -> Table:
    """The matrix; of many classes, the most frequent confusions."""
    if len(metrics.classes) > _MATRIX:
        most = metrics.confused[:_MATRIX]
        rows = [(true, styled(predicted, "red"), str(count)) for true, predicted, count in most]
        return table(N_("true class"), N_("predicted class"), N_("photos"), rows=rows, right=(2,))
    made = table(N_("true class"), *(message("predicted {label}", label=label) for label in metrics.classes))
    for row, (label, counts) in enumerate(zip(metrics.classes, metrics.confusion, strict=True)):
        colours = ("green" if row == column else "red" if n else "dim" for column, n in enumerate(counts))
        made.add_row(styled(label), *map(styled, map(str, counts), colours))
    return made
