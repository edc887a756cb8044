"""The log of a training: Keras' lines, bars where they can move, and what to do next."""

import shlex
from contextlib import AbstractContextManager
from pathlib import Path

from catdog.cli import console
from catdog.cli.progress_bars import EpochBar, FeatureBar
from catdog.progress import Progress
from catdog.runs import EpochRecord
from catdog.text import N_, message, plural, relative_path
from catdog.training import events
from catdog.training.find_rate import RateCurve


class TrainingLog(AbstractContextManager["TrainingLog"]):
    """Shows each event of a training; its bars end with it."""

    def __init__(self) -> None:
        self.started: events.RunStarted | None = None  # the run, once its folder is there
        self._features, self._epochs = FeatureBar(), EpochBar()

    def __exit__(self, *_: object) -> None:
        self._features.clear()
        self._epochs.close()

    def __call__(self, event: events.Event) -> None:
        """Show it."""
        if not isinstance(event, Progress | events.Sums | EpochRecord):
            self._features.clear()
        match event:
            case Progress():
                self._features(event)
            case events.Sums(loss, score, photos):
                self._epochs.show(photos, loss / photos, score / photos)
            case EpochRecord():
                self._epochs.end(event)
            case events.PhotosFound(train, valid, classes, output):
                found = N_("Found {photos} images belonging to {classes} classes.")
                if output == "value":
                    found = N_("Found {photos} images with a value.")
                elif output == "labels":
                    found = N_("Found {photos} images with {classes} labels.")
                for photos in (train, valid) if valid else (train,):
                    console.say(message(found, photos=photos, classes=len(classes)))
                if not valid:
                    console.note(message(_IN_TURN, metric="val_mae" if output == "value" else "val_acc"))
            case events.Remark(sentence):
                console.note(sentence)
            case events.RunStarted():
                self.started = event
            case events.PhotosSkipped():
                _warn_of_skipped(event, self.started)
            case events.CacheRepaired(files):
                repaired = plural(
                    "{count:,} damaged file of the feature cache was replaced",
                    "{count:,} damaged files of the feature cache were replaced",
                    files,
                )
                console.warn(repaired)
            case events.RatesChosen(rates):
                listed = ", ".join(f"{stage} {rate:g}" for stage, rate in rates.items())
                console.note(message("learning rates: {rates}", rates=listed))
            case events.HeadFitted(record):
                console.note(message(_HEAD, **_validated(record)))
            case events.PenaltyChosen(found):
                console.note(message(_PENALTY if found.acc is not None else _RIDGE, **found.to_json()))
            case events.EpochStarted(epoch, epochs, photos, metric):
                heading = message("Epoch {epoch}/{epochs}", epoch=epoch, epochs=epochs)
                self._epochs.begin(heading, photos, metric)
            case events.Finished():
                self._epochs.close()
                _say_result(event)


class OtherProcessLog(TrainingLog):
    """Shows what a process computes that does not write the run: the features that are its own."""

    def __call__(self, event: events.Event) -> None:
        """Show it."""
        if isinstance(event, Progress):
            super().__call__(event)


_PENALTY = N_(
    "L2 penalty {l2:.2g}, chosen by {folds}-fold cross-validation of {photos:,} photos: loss {loss:.4f}, "
    "acc {acc:.4f}"
)
_RIDGE = N_(
    "L2 penalty {l2:.2g}, chosen by {folds}-fold cross-validation of {photos:,} photos: loss {loss:.4f}"
)
_IN_TURN = N_(
    "cross-validation: val_loss and {metric} are about all photos, each predicted by a head that was not "
    "fitted to it"
)
_BEST = N_(
    "The best checkpoint (epoch {epoch}, lowest validation loss) is kept in {file}: val_loss {val_loss:.4f}, "
    "{metric} {score:.4f}"
)
_LAST = N_("The head is kept in {file}: val_loss {val_loss:.4f}, {metric} {score:.4f}")
_HEAD = N_("fine-tuning starts from the head alone (epoch 0): val_loss {val_loss:.4f}, {metric} {score:.4f}")
_HEAD_KEPT = N_(
    "Fine-tuning did not lower the validation loss. The head alone is kept in {file}: "
    "val_loss {val_loss:.4f}, {metric} {score:.4f}"
)


def _validated(record: EpochRecord) -> dict[str, object]:
    return {"val_loss": record.val_loss, "metric": f"val_{record.metric}", "score": record.scores[1]}


def suggest_rate(curve: RateCurve, file: Path) -> None:
    """Draw the curve into a PNG file, and print the suggestion."""
    from catdog.reports.html import write_file
    from catdog.reports.rate_plot import rate_plot

    write_file(file, rate_plot(curve).png())
    suggested = N_("Suggested learning rate: --lr {rate:g}. The losses are drawn in {file}")
    console.say(message(suggested, rate=curve.suggested, file=file))


def _warn_of_skipped(event: events.PhotosSkipped, started: events.RunStarted | None) -> None:
    first = event.skipped[0]
    path = relative_path(first.path, Path(started.run.config.options.data)) if started else first.path
    fields = {"path": path, "reason": first.reason, "file": event.listed_in}
    skipped = plural(
        "{count:,} photo could not be read and was skipped: {path} ({reason}). It is listed in {file}",
        "{count:,} photos could not be read and were skipped, the first is {path} ({reason}). All are listed "
        "in {file}",
        len(event.skipped),
        **fields,
    )
    console.warn(skipped)


def _say_result(event: events.Finished) -> None:
    run = event.run
    best = event.best
    result = _LAST if event.is_last else _BEST if best.epoch else _HEAD_KEPT
    console.say(message(result, file=run.model_path, epoch=best.epoch, **_validated(best)))
    folder = str(run.folder)
    predict = shlex.join(["catdog", "predict", "PHOTO", "--model", folder])
    evaluate = shlex.join(["catdog", "evaluate", folder, "--report", "report.html"])
    words = N_("Classify photos:  {command}") if best.metric == "acc" else N_("Predict values:   {command}")
    console.say(message(words, command=predict))
    console.say(message("Evaluate the run: {command}", command=evaluate))
