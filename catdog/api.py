"""catdog from Python: a model that predicts for photo files."""

from collections.abc import Iterable
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path

from catdog import devices
from catdog.config import ClassWeights, HeadKind, Loss, Output, PhotosAs, Quality, Resize, Schedule
from catdog.errors import OptionError
from catdog.inference.classifier import Classifier
from catdog.inference.inputs import Input
from catdog.inference.models import find_model, open_classifier
from catdog.inference.prediction import Prediction
from catdog.runs import Run, shipped_run
from catdog.training.events import Report, ignore
from catdog.training.options import NewRun
from catdog.training.train import train as train_run
from catdog.workspace import Workspace, cache_dir_of_environment, cache_limit_of_environment

__all__ = ["Model", "Prediction", "load", "train"]

Photo = str | PathLike[str]

_RUNS = Path("runs")  # where `load` looks for the name of a run


class Model:
    """A model that `catdog.load` has read. Keep it: from the second call on, the network is ready.

    Attributes:
        classes: the names of its classes, or of its labels; none of a model that predicts a value.
        calibrated: whether its probabilities are calibrated.
    """

    def __init__(self, classifier: Classifier):
        self._classifier = classifier
        self.calibrated: bool = classifier.calibrated
        self.classes: tuple[str, ...] = classifier.classes

    def predict(self, photos: Photo | Iterable[Photo]) -> list[Prediction]:
        """Predict for photo files; one that cannot be read gets a prediction with its `error`.

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


def train(
    data: Photo,
    *,
    name: str | None = None,
    runs_dir: Photo = "runs",
    epochs: int | None = None,
    batch_size: int | None = NewRun.batch_size,
    optimizer: str | None = None,
    lr: float | None = None,
    head: HeadKind | None = None,
    fc_units: tuple[int, ...] | None = None,
    dropout: float | None = None,
    output: Output = NewRun.output,
    labels: Photo | None = None,
    loss: Loss | None = None,
    unit: str = NewRun.unit,
    unfreeze: str = NewRun.unfreeze,
    weights: str = NewRun.weights,
    preprocessing: PhotosAs | None = None,
    quality: Quality = NewRun.quality,
    size: int | tuple[int, ...] | None = None,
    time_limit: float | None = None,
    resize: Resize = NewRun.resize,
    l2: float | None = None,
    folds: int | None = None,
    class_weights: ClassWeights = NewRun.class_weights,
    views: int = NewRun.views,
    schedule: Schedule | None = None,
    label_smoothing: float = NewRun.label_smoothing,
    mixup: float = NewRun.mixup,
    patience: int | None = None,
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
            class; or an archive of these. Photos are only read.
        name: of the run folder below `runs_dir`; None is the name of `data`, numbered if it is taken.
        epochs: training epochs; None is 20, of fine-tuning 6, of lbfgs 8: each has twice the steps of the one
            before.
        batch_size: photos of one optimizer step. None takes what fits on an accelerator, and 64 on a CPU.
        optimizer: gd, lbfgs, sgd, momentum, nag, adagrad, rmsprop, adadelta, adam, nadam, adamw, lamb, muon;
            None is lbfgs if only a last layer is trained and `lr` is not given, adamw in fine-tuning, else
            adam.
        lr: learning rate; None is the optimizer's own default, 0.001 for adam. In fine-tuning it is that of
            the head, and None is 0.03 of the optimizer's own.
        head: new layers: gem, concat, linear, fc or imagenet; None is imagenet for weights with fc1 and fc2,
            else gem.
        fc_units: units of each hidden layer of the head fc; None is (64,).
        dropout: rate of the heads fc and imagenet, from 0 to below 1; None is 0.5.
        output: category, a softmax over the classes; binary, one sigmoid for two classes; labels, several
            labels a photo, one sigmoid each; or value, a number such as an age.
        labels: CSV file with the column path and label, labels or value; None takes classes and values from
            the folder.
        loss: mse or huber, for value; None is mse.
        unit: of the values, such as cm; for people.
        unfreeze: the first stage that is trained: head, fc2, fc1, block5 ... block1, or all. With the heads
            gem, concat and linear, blocks are fine-tuned from a fitted head, with lower learning rates.
        weights: builtin, keras, timm (both downloaded once, 550 MB), or a file.
        preprocessing: caffe or torch, for a file that does not say what photos must look like.
        quality: fast, good or best: photos of 224 pixels, of 320, or of 448, 320 and 224. Features then take
            1, 2 and 7 times as long.
        size: pixels a side, from 96 to 768, a multiple of 32; None is that of `quality`, or 224 for the
            heads fc and imagenet and where more than the head is trained. Of several sizes, predictions are
            means over all; heat maps are about the first.
        time_limit: seconds; takes the best `quality` whose features are computed within them.
        resize: squash, crop or pad: how a photo becomes a square.
        l2: penalty of a fitted head, 0 or more; None is chosen by cross-validation.
        folds: cross-validation of lbfgs over all photos: each photo is predicted by a head that was not
            fitted to it, and the head in the run is fitted to all. 0 validates by a split; None is 5 for
            fewer than 1,000 photos without valid/, else 0.
        class_weights: none, or balanced: all classes have the same weight in the loss.
        views: of each training photo, beside it: its mirror image, then random crops. Features take as many
            times longer. Predictions are then means over views, see `load`. With `unfreeze` of `all` or
            `block1`, each epoch shows a new random crop of each photo instead, and they are for predictions
            alone.
        schedule: of the learning rate: constant, cosine or one-cycle; None is cosine in fine-tuning, else
            constant.
        label_smoothing: so much of each label goes to all classes alike, from 0 to below 1.
        mixup: alpha of the Beta distribution that mixes pairs of training photos; 0 mixes none.
        patience: epochs without a lower validation loss that end the training; None trains all.
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
    chosen = {name: value for name, value in locals().items() if name in NewRun.__dataclass_fields__}
    paths = {
        "data": Path(data),
        "runs_dir": Path(runs_dir),
        "labels": None if labels is None else Path(labels),
    }
    options = NewRun(**chosen | paths)
    return train_run(options, _opened(cache_dir, workers), report)


def load(
    model: Photo | Run | None = None,
    *,
    calibrate: bool = True,
    tta: bool | None = None,
    cache_dir: Photo | None = None,
    workers: int | None = None,
) -> Model:
    """A model that is ready to predict; see `Model`.

    Args:
        model: a run, its folder, its name below ./runs, or a file that `catdog export RUN FILE.safetensors`
            wrote. None is the model in the package, cats against dogs.
        calibrate: scale the probabilities of a run by its temperature, if it has one.
        tta: test-time augmentation: predict the mean over views of a photo; None does so if the run was
            trained with views.
        cache_dir: where features and compiled programs are cached. None is the folder that CATDOG_CACHE_DIR
            names, or the user's cache folder. Features take at most what CATDOG_CACHE_LIMIT allows, or a
            tenth of the disk. If nothing can be written there, a RuntimeWarning says so.
        workers: threads that read photos; None is the number of cores.

    Raises:
        RunError: there is no such run, it has no model yet, or its weights have changed.
        WeightsError: pretrained weights or an exported file cannot be read.
        OptionError: CATDOG_CACHE_LIMIT is not a size; or `calibrate` is False for an exported file.
    """
    if not isinstance(model, Run):
        model = shipped_run() if model is None else find_model(model, _RUNS)
    return Model(open_classifier(model, _opened(cache_dir, workers), calibrate=calibrate, tta=tta))


def _opened(cache_dir: Photo | None, workers: int | None) -> Workspace:
    """The workspace that the arguments and the environment name. JAX is configured for it."""
    folder = Path(cache_dir) if cache_dir else cache_dir_of_environment()
    limit, workers = cache_limit_of_environment(), workers or devices.usable_cores()
    return devices.opened(Workspace.below(folder, limit=limit, workers=workers))
