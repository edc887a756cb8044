"""How a comparison of models looks in the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from catdog.cli.console import Parts, number, short, styled, table
from catdog.cli.translate import translated
from catdog.evaluation.compare import Comparison, ErrorDifference
from catdog.evaluation.evaluate import Evaluation
from catdog.evaluation.predictions import AnyOutput, EvaluatedPredictions
from catdog.evaluation.several import EvaluatedLabels
from catdog.evaluation.values import EvaluatedValues
from catdog.text import N_, message, plural, quantity

_CLASSES = N_("correct"), N_("acc"), N_("95 % interval"), N_("NLL"), N_("ROC AUC"), N_("calibration error")
_LABELS = N_("correct"), N_("95 % interval"), N_("mean average precision"), N_("loss")
_VALUES = N_("mean absolute error"), N_("95 % interval"), N_("root mean squared error"), N_("R²")
_HEADINGS = {EvaluatedPredictions: _CLASSES, EvaluatedLabels: _LABELS, EvaluatedValues: _VALUES}


def comparison(evaluation: Evaluation) -> Parts:
    """A row for each model, then one for each two of them."""
    models, first = evaluation.models, evaluation.models[0]
    title = plural(
        "{models} models on the same {count:,} photo",
        "{models} models on the same {count:,} photos",
        first.metrics.count,
        models=len(models),
    )
    yield styled(title, "bold")
    rows = [(short(Path(model.name)), *_numbers(model)) for model in models]
    yield from (table(N_("model"), *_HEADINGS[type(first)], rows=rows), "")
    yield _pairs(evaluation.comparisons, first.unit if isinstance(first, EvaluatedValues) else "")
    if isinstance(first, EvaluatedValues):
        yield message(
            "difference of the errors: mean absolute error of the first model minus that of the second. "
            "Intervals: bootstrap over the photos."
        )
        return
    if isinstance(first, EvaluatedLabels):
        yield message("correct: photos all of whose labels are predicted, and no other.")
    else:
        yield message("NLL: mean negative log-likelihood of the true class, in nats per photo.")
    yield message("p: McNemar's exact test on the photos that only one of the two models predicts correctly.")


def _numbers(model: AnyOutput) -> Sequence[str]:
    """The cells below the headings."""
    if isinstance(model, EvaluatedValues):
        metrics, unit = model.metrics, model.unit
        errors = quantity(metrics.mae, unit), _range(metrics.mae_interval, unit), quantity(metrics.rmse, unit)
        return *errors, number(metrics.r2)
    if isinstance(model, EvaluatedLabels):
        metrics, (low, high) = model.metrics, model.metrics.right_interval
        found = number(metrics.average_precision), number(metrics.loss)
        return str(metrics.right), f"{low:.4f} to {high:.4f}", *found
    metrics, final, (low, high) = model.metrics, model.calibration.final, model.metrics.accuracy_interval
    others = map(number, (final.nll, metrics.roc_auc, final.error))
    return str(metrics.right), f"{metrics.accuracy:.4f}", f"{low:.4f} to {high:.4f}", *others


def _pairs(pairs: Sequence[Comparison | ErrorDifference], unit: str = "") -> Table:
    of_right = N_("only first correct"), N_("only second correct"), N_("p")
    of_errors = N_("difference of the errors"), N_("95 % interval")
    headings = of_right if isinstance(pairs[0], Comparison) else of_errors
    made = table(N_("models"), *headings, N_("difference"), right=tuple(range(1, 1 + len(headings))))
    for pair in pairs:
        names = f"{short(Path(pair.first))}, {short(Path(pair.second))}"
        if isinstance(pair, Comparison):
            p_value = "<0.001" if pair.p_value < 0.0005 else f"{pair.p_value:.3f}"
            numbers = str(pair.only_first), str(pair.only_second), p_value
        else:
            numbers = quantity(pair.difference, unit), _range(pair.interval, unit)
        difference = translated(N_("significant") if pair.is_significant else N_("not significant"))
        made.add_row(*map(styled, (names, *numbers, difference)))
    return made


def _range(ends: Sequence[float], unit: str) -> str:
    low, high = (quantity(end, unit) for end in ends)
    return translated(message("{low} to {high}", low=low, high=high))
