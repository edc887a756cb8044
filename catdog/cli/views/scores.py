"""How an evaluation, and a comparison of runs, look in the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from catdog.cli import console
from catdog.runs import Run
from catdog.text import message

if TYPE_CHECKING:
    from catdog.evaluation.compare import Comparison
    from catdog.evaluation.judge import Judged
    from catdog.evaluation.metrics import Evaluation

_MATRIX = 10  # classes whose confusion matrix still fits


def show(run: Run, judged: "Judged", worst: list[dict[str, Any]]) -> None:
    report, calibration = judged.evaluation, judged.calibration
    low, high = report.accuracy_interval
    console.say(Text(f"{run.folder} on {report.count} photos", style="bold"))
    console.say(message("loss: {loss:.4f} - acc: {accuracy:.4f}", loss=report.loss, accuracy=report.accuracy))
    console.say(
        message(
            "{right} of {count} right; with 95 % confidence between {low:.2%} and {high:.2%}",
            right=report.right,
            count=report.count,
            low=low,
            high=high,
        )
    )
    if report.roc_auc is not None:
        console.say(message("ROC AUC: {roc_auc:.4f}", roc_auc=report.roc_auc))
    scaled = ""
    if calibration.after:
        scaled = f", {calibration.after.error:.4f} at temperature {calibration.temperature:.3f}"
        scaled += " (fitted on the other folds of these photos)" if calibration.held_out else ""
    console.say(
        message(
            "calibration error: {error:.4f} as trained{scaled}", error=calibration.before.error, scaled=scaled
        )
    )
    if calibration.after:
        before, after = calibration.before.log_loss, calibration.after.log_loss
        console.say(
            message(
                "log loss: {before:.4f} as trained, {after:.4f} at that temperature",
                before=before,
                after=after,
            )
        )
    if judged.gain:
        gain = judged.gain
        console.say(
            message(
                "averaged with mirror images: {right_averaged} right instead of {right}, loss as trained "
                "{loss_averaged:.4f} instead of {loss:.4f}",
                right_averaged=gain.right_averaged,
                right=gain.right,
                loss_averaged=gain.loss_averaged,
                loss=gain.loss,
            )
        )
    console.say()

    scores = console.table("class", "photos", "precision", "recall", "F1", "ROC AUC")
    for score in report.per_class:
        shares = (score.precision, score.recall, score.f1, score.roc_auc)
        cells = ["-" if share is None else f"{share:.4f}" for share in shares]
        scores.add_row(Text(score.label), str(score.count), *cells)
    console.out.print(scores)
    console.say()

    if report.confused or len(report.classes) <= _MATRIX:
        console.out.print(_confusion(report))
        console.say()

    if worst:
        photos = console.table("photo", "true class", "answer", "probability", "loss", right=(3, 4))
        for one in worst:
            right = one["true"] == one["label"]
            photos.add_row(
                Text(console.short(Path(one["path"])), overflow="fold"),
                Text(one["true"]),
                Text(one["label"], style="green" if right else "red"),
                f"{one['probability']:.1%}",
                f"{one['loss']:.3f}",
            )
        scale = f", at temperature {calibration.temperature:.3f}" if calibration.after else ""
        console.say(message("Photos with the largest loss{scale}:", scale=scale))
        console.out.print(photos)


def _confusion(report: "Evaluation") -> Table:
    """The matrix; of many classes, what is most often taken for what."""
    if len(report.classes) > _MATRIX:
        pairs = console.table("true class", "said", "photos", right=(2,))
        for true, answer, count in report.confused[:_MATRIX]:
            pairs.add_row(Text(true), Text(answer, style="red"), str(count))
        return pairs
    matrix = console.table("true class", *(f"said {label}" for label in report.classes))
    for row, label in enumerate(report.classes):
        cells = [
            Text(str(cell), style="green" if row == column else "red" if cell else "dim")
            for column, cell in enumerate(report.confusion[row])
        ]
        matrix.add_row(Text(label), *cells)
    return matrix


def show_comparison(
    runs: Sequence[Run], judged: "Sequence[Judged]", compared: "Sequence[Comparison]"
) -> None:
    console.say(Text(f"{len(runs)} runs on the same {judged[0].evaluation.count} photos", style="bold"))
    table = console.table("run", "right", "acc", "95 % interval", "log loss", "ROC AUC", "calibration error")
    for run, one in zip(runs, judged, strict=True):
        report, calibration = one.evaluation, one.calibration
        low, high = report.accuracy_interval
        table.add_row(
            Text(console.short(run.folder)),
            str(report.right),
            f"{report.accuracy:.4f}",
            f"{low:.4f} to {high:.4f}",
            f"{(calibration.after or calibration.before).log_loss:.4f}",
            "-" if report.roc_auc is None else f"{report.roc_auc:.4f}",
            f"{(calibration.after or calibration.before).error:.4f}",
        )
    console.out.print(table)
    console.say()
    pairs = console.table("runs", "only the first right", "only the second right", "p", "", right=(1, 2, 3))
    for one in compared:
        verdict = "a difference" if one.p_value < 0.05 else "may be chance"
        pairs.add_row(
            Text(f"{console.short(Path(one.first))}, {console.short(Path(one.second))}"),
            str(one.only_first),
            str(one.only_second),
            "<0.001" if one.p_value < 0.0005 else f"{one.p_value:.3f}",
            verdict,
        )
    console.out.print(pairs)
    console.say(message("p: McNemar's exact test on the photos that only one of the two has right."))
