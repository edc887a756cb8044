"""The log of a training: Keras' lines, bars where they can move, and what to do next."""

import shlex
from contextlib import ExitStack
from typing import Self

from catdog.cli import console, progress_bars
from catdog.progress import Progress
from catdog.runs import EpochRecord, Run
from catdog.text import message, plural
from catdog.training.events import (
    CacheRepaired,
    EpochStarted,
    Event,
    Finished,
    PhotosFound,
    PhotosSkipped,
    Remark,
    RunStarted,
    Sums,
)


class TrainingLog:
    """Shows each event of a training; a context manager, so that its bars end with it.

    Attributes:
        started: the run, once its folder is there.
    """

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self._features = progress_bars.FeatureBar()
        self._epochs = progress_bars.EpochBar(0)
        self._photos = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self._features)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __call__(self, event: Event) -> None:
        """Show it."""
        match event:
            case Progress():
                self._features(event)
                return
            case Sums():
                self._epochs.show(event.photos, event.loss / event.photos, event.correct / event.photos)
                return
            case EpochRecord():
                self._epochs.print(progress_bars.epoch_line(event, self._photos))
                return
        self._features.clear()
        match event:
            case PhotosFound():
                for photos in (event.train, event.valid):
                    console.say(
                        message(
                            "Found {photos} images belonging to {classes} classes.",
                            photos=photos,
                            classes=len(event.classes),
                        )
                    )
            case Remark():
                console.note(event.sentence)
            case RunStarted():
                self.started = event
            case PhotosSkipped():
                _warn_of_skipped(event)
            case CacheRepaired():
                console.warn(
                    plural(
                        "{count:,} damaged file of the feature cache was replaced",
                        "{count:,} damaged files of the feature cache were replaced",
                        event.files,
                    )
                )
            case EpochStarted():
                if not self._photos:
                    self._photos = event.photos
                    self._epochs = self._open.enter_context(progress_bars.EpochBar(event.photos))
                self._epochs.begin(message("Epoch {epoch}/{epochs}", epoch=event.epoch, epochs=event.epochs))
            case Finished():
                self._open.close()
                _say_result(event.run, event.best)


def _warn_of_skipped(event: PhotosSkipped) -> None:
    console.warn(
        plural(
            "{count:,} photo could not be read and was skipped: {path} ({reason}). It is listed in {file}",
            "{count:,} photos could not be read and were skipped, the first is {path} ({reason}). All are "
            "listed in {file}",
            len(event.skipped),
            path=event.skipped[0].path,
            reason=event.skipped[0].reason,
            file=event.listed_in,
        )
    )


def _say_result(run: Run, best: EpochRecord) -> None:
    console.say(
        message(
            "The best checkpoint (epoch {epoch}, lowest validation loss) is kept in {file}: "
            "val_loss {val_loss:.4f}, val_acc {val_acc:.4f}",
            epoch=best.epoch,
            file=run.model_path,
            val_loss=best.val_loss,
            val_acc=best.val_acc,
        )
    )
    folder = str(run.folder)
    predict = shlex.join(["catdog", "predict", "PHOTO", "--model", folder])
    evaluate = shlex.join(["catdog", "evaluate", folder, "--report", "report.html"])
    console.say(message("Classify photos:  {command}", command=predict))
    console.say(message("Evaluate the run: {command}", command=evaluate))
