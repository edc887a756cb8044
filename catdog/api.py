"""catdog from Python: a model that answers for photo files."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path

from catdog import devices
from catdog.errors import CacheError, OptionError, RunError
from catdog.inference.classifier import Classifier
from catdog.runs import open_run, shipped_run
from catdog.workspace import Workspace, cache_dir_of_environment, cache_limit_of_environment

Photo = str | PathLike[str]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one photo.

    Attributes:
        path: the photo, as it was given.
        probabilities: class → probability, float, the most probable first; empty where there is an error.
        error: why the photo could not be read; None where it could.
    """

    path: str
    probabilities: dict[str, float]
    error: str | None = None

    @property
    def label(self) -> str | None:
        """The most probable class; None where there is an error."""
        return next(iter(self.probabilities), None)

    @property
    def probability(self) -> float | None:
        """Of that class."""
        return next(iter(self.probabilities.values()), None)


class Model:
    """A model that `catdog.load` has read. Keep it: from the second call on, the network is ready.

    Attributes:
        classes: the names of what it tells apart.
        calibrated: whether probabilities are scaled so that they can be taken at their word.
    """

    def __init__(self, classifier: Classifier):
        self._classifier = classifier
        self.calibrated: bool = classifier.calibrated
        self.classes: tuple[str, ...] = classifier.classes

    def predict(self, photos: Photo | Iterable[Photo]) -> list[Prediction]:
        """Classify photo files; one that cannot be read gets a prediction with its `error`.

        Args:
            photos: paths of files, or one path. What the frozen layers say of a photo is kept in the cache,
                so that the same photo is fast a second time, whatever the model.

        Returns:
            One prediction a photo, in the order of `photos`.

        Raises:
            OptionError: a path is empty.
            CacheError: the cache cannot be read.
        """
        several = [photos] if isinstance(photos, str | PathLike) else photos
        given = [fspath(photo) for photo in several]
        if "" in given:
            raise OptionError("expected paths of photos, found an empty one: leave it out")
        paths = [Path(photo) for photo in given]
        answers = self._classifier.answer(paths)
        found: dict[int, dict[str, float]] = {
            int(photo): self._ranked(row.tolist())
            for photo, row in zip(answers.photos, answers.probabilities, strict=True)
        }
        reasons = {one.path: one.reason for one in answers.skipped}
        return [
            Prediction(given[number], found.get(number, {}), None if number in found else str(reasons[path]))
            for number, path in enumerate(paths)
        ]

    def _ranked(self, shares: list[float]) -> dict[str, float]:
        pairs = zip(self.classes, shares, strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))


def load(
    model: Photo | None = None,
    *,
    calibrate: bool = True,
    cache_dir: Photo | None = None,
    workers: int | None = None,
) -> Model:
    """Read a model. Documented at `catdog.load`, which needs no JAX to be imported."""
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
    if model is not None and _is_exported(Path(model)):
        if not calibrate:
            raise OptionError("calibrate=False is about a run: an exported file is as it was exported")
        return Model(Classifier.of_file(Path(model), workspace=workspace))

    run = shipped_run() if model is None else open_run(Path(model))
    return Model(Classifier.of_run(run, workspace=workspace, calibrate=calibrate))


def _is_exported(path: Path) -> bool:
    """Whether it is a file that stands alone, and not one of a run folder."""
    if not path.exists():
        raise RunError("expected a run folder or an exported file, found nothing at {path}", path=path)
    return path.is_file() and not (path.parent / "config.json").is_file()
