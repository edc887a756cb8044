"""catdog from Python: a model that predicts for photo files."""

from collections.abc import Iterable
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path

from catdog import devices
from catdog.errors import CacheError, OptionError
from catdog.inference.classifier import Classifier
from catdog.inference.inputs import Input
from catdog.inference.models import find_model, open_classifier
from catdog.inference.prediction import Prediction
from catdog.runs import shipped_run
from catdog.workspace import Workspace, cache_dir_of_environment, cache_limit_of_environment

__all__ = ["Model", "Prediction", "load"]

Photo = str | PathLike[str]

_RUNS = Path("runs")  # where `load` looks for the name of a run


class Model:
    """A model that `catdog.load` has read. Keep it: from the second call on, the network is ready.

    Attributes:
        classes: the names of its classes.
        calibrated: whether its probabilities are calibrated.
    """

    def __init__(self, classifier: Classifier):
        self._classifier = classifier
        self.calibrated: bool = classifier.calibrated
        self.classes: tuple[str, ...] = classifier.classes

    def predict(self, photos: Photo | Iterable[Photo]) -> list[Prediction]:
        """Classify photo files; one that cannot be read gets a prediction with its `error`.

        Args:
            photos: paths of files, or one path. Features are cached: the same photo is fast a second time,
                whatever the model.

        Returns:
            One prediction for each photo, in the order of `photos`.

        Raises:
            OptionError: a path is empty.
            CacheError: the cache cannot be read.
        """
        several = [photos] if isinstance(photos, str | PathLike) else photos
        inputs = [Input(Path(photo), name=fspath(photo)) for photo in several]
        if any(photo.name == "" for photo in inputs):
            raise OptionError("expected paths of photos, found an empty one: leave it out")
        found = self._classifier.stream([photo.path for photo in inputs])
        return [replace(prediction, source=photo) for photo, prediction in zip(inputs, found, strict=True)]


def load(
    model: Photo | None = None,
    *,
    calibrate: bool = True,
    cache_dir: Photo | None = None,
    workers: int | None = None,
) -> Model:
    """Read a model. Documented at `catdog.load`, which needs no JAX to be imported."""
    found = shipped_run() if model is None else find_model(model, _RUNS)
    return Model(open_classifier(found, _opened(cache_dir, workers), calibrate=calibrate))


def _opened(cache_dir: Photo | None, workers: int | None) -> Workspace:
    """The workspace that the arguments and the environment name. JAX is configured for it."""
    workspace = Workspace.below(
        Path(cache_dir) if cache_dir else cache_dir_of_environment(),
        limit=cache_limit_of_environment(),
        workers=workers or devices.usable_cores(),
    )
    try:
        devices.configure(workspace.cache)
    except CacheError as error:  # as a command does it: without caching
        workspace.features.warn(error.message)
        devices.configure(None)
        workspace = replace(workspace, features=replace(workspace.features, writable=False))
    return workspace
