"""catdog from Python: a model that answers for photo files."""

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from catdog import devices
from catdog.config import HeadKind, Output, PhotosAs, Resize
from catdog.errors import OptionError, RunError
from catdog.inference.classifier import Classifier
from catdog.runs import Run, open_run, shipped_run
from catdog.training.events import Report, ignore
from catdog.training.options import NewRun
from catdog.training.train import train as train_run
from catdog.workspace import Workspace, cache_dir_of_environment

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
            CacheError: the cache cannot be written.
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


def train(
    data: Photo,
    *,
    name: str | None = None,
    runs_dir: Photo = "runs",
    epochs: int = NewRun.epochs,
    batch_size: int = NewRun.batch_size,
    optimizer: str = NewRun.optimizer,
    lr: float | None = None,
    head: HeadKind | None = None,
    fc_units: tuple[int, ...] | None = None,
    dropout: float | None = None,
    output: Output = NewRun.output,
    unfreeze: str = NewRun.unfreeze,
    weights: str = NewRun.weights,
    preprocessing: PhotosAs | None = None,
    resize: Resize = NewRun.resize,
    valid_fraction: float | None = None,
    seed: int = NewRun.seed,
    strict: bool = False,
    cache_dir: Photo | None = None,
    workers: int | None = None,
    report: Report = ignore,
) -> Run:
    """Fine-tune VGG16 on a folder of photos, as `catdog train` does. Prints nothing.

        run = catdog.train("dogscats", epochs=5, optimizer="nadam")
        print(run.folder, run.history()[-1].val_acc)

    Args:
        data: one folder for each class, or train/ and valid/ with such folders, or files named after their
            class. Photos are only read.
        name: of the run folder below `runs_dir`; None is the name of `data`, numbered if it is taken.
        epochs: training epochs.
        batch_size: photos of one optimizer step.
        optimizer: gd, sgd, momentum, nag, adagrad, rmsprop, adadelta, adam, nadam, adamw, lamb or muon.
        lr: learning rate; None is the optimizer's own default, 0.001 for adam.
        head: new layers: concat, linear, fc or imagenet; None is imagenet for weights with fc1 and fc2, else
            concat.
        fc_units: units of each hidden layer of the head fc; None is (64,).
        dropout: rate of the heads fc and imagenet, from 0 to below 1; None is 0.5.
        output: category, a softmax over the classes; or binary, one sigmoid for two classes.
        unfreeze: the first stage that is trained: head, fc2, fc1, block5 ... block1, or all.
        weights: builtin, keras, timm (both downloaded once, 550 MB), or a file.
        preprocessing: caffe or torch, for a file that does not say what photos must look like.
        resize: squash, crop or pad: how a photo becomes a square of 224 pixels.
        valid_fraction: of the photos, between 0 and 1, where `data` has no valid/; None is 0.2.
        seed: for initialization, shuffling and dropout; 0 <= seed < 2**32. The same seed gives the same bits.
        strict: raise for an unreadable photo, instead of skipping it; `run.skipped()` lists those.
        cache_dir, workers: see `load`.
        report: called with each event of `catdog.training.events`, in this thread.

    Returns:
        The run: `run.folder`, `run.history()`, `run.config`; `catdog.load(run)` predicts with it.

    Raises:
        DataError: there is no data set to train on; or `strict`, and a photo cannot be read.
        OptionError: a value is not allowed, or options do not go together.
        WeightsError: the pretrained weights cannot be read, or lack a layer.
        RunError: the name is taken, the folder cannot be written, or the training diverged: lower `lr`.
        CacheError: the cache cannot be made, or neither the disk nor the memory has room for the features.
    """
    options = NewRun(
        data=Path(data),
        name=name,
        runs_dir=Path(runs_dir),
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        lr=lr,
        head=head,
        fc_units=fc_units,
        dropout=dropout,
        output=output,
        unfreeze=unfreeze,
        weights=weights,
        preprocessing=preprocessing,
        resize=resize,
        valid_fraction=valid_fraction,
        seed=seed,
        strict=strict,
    )
    folder = Path(cache_dir) if cache_dir else cache_dir_of_environment()
    workspace = Workspace.below(folder, workers=workers or devices.usable_cores())
    devices.configure(workspace.cache)
    return train_run(options, workspace, report)


def load(
    model: Photo | Run | None = None,
    *,
    calibrate: bool = True,
    cache_dir: Photo | None = None,
    workers: int | None = None,
) -> Model:
    """A model that is ready to predict; see `Model`.

    Args:
        model: a run, its folder, or a file that `catdog export RUN FILE.safetensors` wrote. None is the model
            in the package, cats against dogs.
        calibrate: scale the probabilities of a run by its temperature, if it has one.
        cache_dir: where features and compiled programs are cached. None is the folder that CATDOG_CACHE_DIR
            names, or the user's cache folder.
        workers: threads that read photos; None is the number of cores.

    Raises:
        RunError: there is no such run, it has no model yet, or its weights have changed.
        WeightsError: pretrained weights or an exported file cannot be read.
        CacheError: the cache cannot be made.
    """
    folder = Path(cache_dir) if cache_dir else cache_dir_of_environment()
    workspace = Workspace.below(folder, workers=workers or devices.usable_cores())
    devices.configure(workspace.cache)
    model = model.folder if isinstance(model, Run) else model
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
