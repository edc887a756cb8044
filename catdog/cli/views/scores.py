"""How an evaluation, and a comparison of models, look in the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from catdog.cli import console
from catdog.cli.translate import translated
from catdog.text import Message, message, plural

if TYPE_CHECKING:
    from catdog.evaluation.calibration import Calibration
    from catdog.evaluation.evaluate import Evaluation
    from catdog.evaluation.metrics import Metrics
    from catdog.evaluation.predictions import EvaluatedPredictions

_MATRIX = 10  # classes whose confusion matrix still fits


def show(evaluation: "Evaluation", *, worst: int) -> None:
    """The metrics of one model, with the `worst` photos; of several a comparison."""
    if evaluation.comparisons:
        _show_comparison(evaluation)
        return
    (model,) = evaluation.models
    metrics = model.metrics
    _heading(
        plural("{model} on {count:,} photo", "{model} on {count:,} photos", metrics.count, model=model.name)
    )
    for line in _summary(model):
        console.say(line)
    parts = [_calibration(model.calibration), _classes(metrics)]
    if metrics.confused or len(metrics.classes) <= _MATRIX:
        parts.append(_confusion(metrics))
    for part in parts:
        console.say()
        console.out.print(part)
    if worst:
        console.say()
        console.say(message("Photos with the largest loss in {folder}:", folder=evaluation.data))
        console.out.print(_worst(evaluation, model, worst))


def _summary(model: "EvaluatedPredictions") -> list[Message]:
    metrics, (low, high) = model.metrics, model.metrics.accuracy_interval
    lines = [
        message("loss: {loss:.4f} - acc: {accuracy:.4f}", loss=metrics.loss, accuracy=metrics.accuracy),
        message(
            "{right:,} of {photos:,} predictions are correct; 95 % confidence interval {low:.2%} to "
            "{high:.2%}",
            **{"right": metrics.right, "photos": metrics.count, "low": low, "high": high},
        ),
    ]
    if metrics.roc_auc is not None:
        lines.append(message("ROC AUC: {area:.4f}", area=metrics.roc_auc))
    if model.gain:
        lines.append(
            message(
                "test-time augmentation: {right_averaged:,} predictions are correct instead of {right:,}, "
                "uncalibrated loss {loss_averaged:.4f} instead of {loss:.4f}",
                **model.gain.to_json(),
            )
        )
    return lines


def _calibration(calibration: "Calibration") -> Table:
    table = _table(
        *(message("probabilities"), message("temperature"), message("calibration error")),
        message("negative log-likelihood"),
    )
    temperature = calibration.temperature
    for label, found, scale in (
        (message("uncalibrated"), calibration.before, None),
        (message("calibrated"), calibration.after, temperature),
    ):
        if found:
            table.add_row(translated(label), _number(scale, 3), _number(found.error), _number(found.nll))
    if calibration.held_out:
        table.caption = translated(
            message("calibrated: cross-validated, since the temperature was fitted on some of these photos")
        )
        table.caption_justify = "left"
    return table


def _classes(metrics: "Metrics") -> Table:
    table = _table(
        *(message("class"), message("photos"), message("precision"), message("recall")),
        *(message("F1"), message("ROC AUC")),
    )
    for score in metrics.per_class:
        numbers = (score.precision, score.recall, score.f1, score.roc_auc)
        table.add_row(Text(score.label), str(score.count), *map(_number, numbers))
    return table


def _confusion(metrics: "Metrics") -> Table:
    """The matrix; of many classes, the most frequent confusions."""
    if len(metrics.classes) > _MATRIX:
        pairs = _table(message("true class"), message("predicted class"), message("photos"), right=(2,))
        for true, predicted, count in metrics.confused[:_MATRIX]:
            pairs.add_row(Text(true), Text(predicted, style="red"), str(count))
        return pairs
    predictions = (message("predicted {label}", label=label) for label in metrics.classes)
    matrix = _table(message("true class"), *predictions)
    for row, label in enumerate(metrics.classes):
        cells = [
            Text(str(cell), style="green" if row == column else "red" if cell else "dim")
            for column, cell in enumerate(metrics.confusion[row])
        ]
        matrix.add_row(Text(label), *cells)
    return matrix


def _worst(evaluation: "Evaluation", model: "EvaluatedPredictions", count: int) -> Table:
    table = _table(
        *(message("photo"), message("true class"), message("prediction"), message("probability")),
        message("loss"),
        right=(3, 4),
    )
    for row in model.worst(count):
        photo = model.photo(row)
        table.add_row(
            Text(console.short(evaluation.shown(Path(photo.path))), overflow="fold"),
            Text(photo.true),
            Text(photo.label, style="green" if photo.is_right else "red"),
            f"{photo.probability:.1%}",
            f"{photo.loss:.3f}",
        )
    return table


def _show_comparison(evaluation: "Evaluation") -> None:
    count = evaluation.models[0].metrics.count
    _heading(
        plural(
            "{models} models on the same {count:,} photo",
            "{models} models on the same {count:,} photos",
            count,
            models=len(evaluation.models),
        )
    )
    table = _table(
        *(message("model"), message("correct"), message("acc"), message("95 % interval"), message("NLL")),
        *(message("ROC AUC"), message("calibration error")),
    )
    for model in evaluation.models:
        metrics, final = model.metrics, model.calibration.final
        low, high = metrics.accuracy_interval
        table.add_row(
            Text(console.short(Path(model.name)), overflow="fold"),
            str(metrics.right),
            f"{metrics.accuracy:.4f}",
            f"{low:.4f} to {high:.4f}",
            *map(_number, (final.nll, metrics.roc_auc, final.error)),
        )
    console.out.print(table)
    console.say()
    pairs = _table(
        *(message("models"), message("only first correct"), message("only second correct"), message("p")),
        message("difference"),
        right=(1, 2, 3),
    )
    for pair in evaluation.comparisons:
        pairs.add_row(
            Text(f"{console.short(Path(pair.first))}, {console.short(Path(pair.second))}", overflow="fold"),
            str(pair.only_first),
            str(pair.only_second),
            "<0.001" if pair.p_value < 0.0005 else f"{pair.p_value:.3f}",
            translated(message("significant") if pair.is_significant else message("not significant")),
        )
    console.out.print(pairs)
    console.say(message("NLL: mean negative log-likelihood of the true class, in nats per photo."))
    console.say(
        message("p: McNemar's exact test on the photos that only one of the two models predicts correctly.")
    )


def _heading(text: Message) -> None:
    console.say(Text(translated(text), style="bold"))


def _table(*headings: Message, right: Sequence[int] | None = None) -> Table:
    return console.table(*map(translated, headings), right=right)


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
