"""From options, photos and pretrained layers to what `fit` needs: features, labels, suffix, trainer."""

import importlib.metadata
import platform
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from itertools import chain
from pathlib import Path

import numpy as np

from catdog import __version__, devices
from catdog.config import ModelSpec, TrainOptions
from catdog.data import Skipped, folds_by_content, strata
from catdog.features.forward import condense, make_suffix
from catdog.features.prefix import Prefix
from catdog.features.views import Views, extract_views
from catdog.model.scale import fit_scale, standardized
from catdog.model.suffix import Suffix
from catdog.progress import Progress
from catdog.records import CrossValidation
from catdog.runs import RunConfig
from catdog.text import relative
from catdog.training.batch_size import first_that_fits, sizes_to_try, trained_once
from catdog.training.drawn import DrawnViews
from catdog.training.events import PhotosFound, Remark, Report
from catdog.training.fit import Examples, Job, start_tensors
from catdog.training.logistic import LogisticTrainer, cross_validate, fit_head, samples_of
from catdog.training.optimizers import find_optimizer
from catdog.training.options import DEFAULT_FOLDS
from catdog.training.photos import Photos, find_photos, raise_if_skipped
from catdog.training.recipe import Recipe
from catdog.training.step import Trainer
from catdog.training.time_limit import within
from catdog.weights.source import WeightSource
from catdog.workspace import Workspace

_RECORDED = ("jax", "jaxlib", "flax", "optax", "numpy", "pillow")


def run_config(options: TrainOptions, photos: Photos, prefix: Prefix, *, command: str = "") -> RunConfig:
    """What config.json holds for this training, which `command` has started."""
    versions = {name: importlib.metadata.version(name) for name in _RECORDED}
    return RunConfig(
        options=options,
        classes=photos.classes,
        data_digest=photos.digest,
        prefix_digest=prefix.digest,
        preprocessing=prefix.preprocessing,
        versions={"catdog": __version__, "python": platform.python_version(), **versions},
        device=devices.describe(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
    )


def read(
    options: TrainOptions,
    weights: WeightSource,
    *,
    workspace: Workspace,
    report: Report,
    deadline: float | None = None,
) -> tuple[TrainOptions, Photos, Prefix, Suffix]:
    """The photos and the layers of a training; the folds of the options are decided.

    Args:
        deadline: decides the size of the photos too; see `within`.

    Raises:
        CatdogError: see `catdog.training.train.train`.
    """
    prefix = Prefix(weights, options.head, unfreeze=options.unfreeze, workspace=workspace)
    photos = find_photos(options, workspace=workspace, report=report)
    report(PhotosFound(len(photos.train), len(photos.valid), photos.classes, options.head.output))
    for sentence in photos.remarks:
        report(Remark(relative(sentence, Path(options.data))))
    if deadline is not None:
        options, sentence = within(options, deadline, photos.by_digest(), prefix, workspace)
        report(Remark(sentence))
    suffix = make_suffix(prefix, options.head, len(photos.classes), size=options.decoding.size)
    return replace(options, folds=photos.folds), photos, prefix, suffix


def features_of(
    options: TrainOptions,
    photos: Photos,
    prefix: Prefix,
    *,
    workspace: Workspace,
    report: Callable[[Progress], None],
) -> Views:
    """Compute or look up the features of both splits; of several processes, each does its part.

    Raises:
        CatdogError: see `prepare`.
    """
    paths = (*photos.train.paths, *photos.valid.paths)
    return extract_views(
        paths,
        prefix,
        options.decodings,
        workspace=workspace,
        digests=dict(zip(paths, (*photos.train.digests, *photos.valid.digests), strict=True)),
        report=report,
        before=partial(_readable, options, photos),
        further=photos.valid.paths if options.draws_views else None,
    )


def prepare(
    options: TrainOptions,
    photos: Photos,
    prefix: Prefix,
    suffix: Suffix,
    *,
    workspace: Workspace,
    report: Callable[[Progress], None],
    penalty: CrossValidation | None = None,
    recipe: Recipe | None = None,
) -> Job:
    """The features of both splits, see `features_of`, and everything else that `fit` takes.

    Args:
        penalty: the one that was chosen when this training was started; None chooses it.
        recipe: None is that of the options.

    Raises:
        DataError: without the photos that cannot be decoded, too few are left, of all or of a class; or there
            are such photos, and `options.strict`.
        CacheError: neither the disk nor the memory has room for the features.
        WeightsError: the weights lack a layer that is to be trained.
    """
    pretrained = prefix.thawed_tensors  # before hours of work: the file may lack some
    found = features_of(options, photos, prefix, workspace=workspace, report=report)
    left = _readable(options, photos, found.skipped)
    train, valid = left.train, left.valid
    features = [found.features(split.paths) if len(split) else [] for split in (train, valid)]
    condensed = condense(suffix, prefix.frozen_arrays, [*chain(*features)])
    rows, of_train = range(len(condensed)), len(train) * len(features[0])
    scale = fit_scale(train.labels, options.unit) if options.head.output == "value" else None
    labels, valid_labels = (
        standardized(split.labels, scale) if scale else split.labels for split in (train, valid)
    )
    train_examples = Examples(condensed.select(rows[:of_train]), labels)
    start = cache(
        partial(
            start_tensors,
            suffix,
            train_examples,
            seed=options.seed,
            pretrained=pretrained,
            frozen=prefix.frozen_arrays,
        )
    )
    balanced = options.class_weights == "balanced"
    weights = _class_weights(train.labels, len(photos.classes)) if balanced else None
    samples = cache(lambda: samples_of(suffix, *start(), train_examples.features, labels, weights))
    folds = cache(lambda: _folds(left, options.folds or DEFAULT_FOLDS))
    l2 = options.l2 or 0.0
    if options.l2 is None and (options.optimizer == "lbfgs" or options.stage_rates):
        penalty = penalty or cross_validate(samples(), folds(), report)
        l2 = penalty.l2
    batch_size = options.batch_size
    if options.optimizer == "lbfgs":
        trainer = LogisticTrainer(
            suffix, l2=l2, class_weights=weights, folds=folds() if photos.folds else None
        )
    else:

        def trainer_of(size: int) -> Trainer:
            return Trainer(
                suffix,
                find_optimizer(options.optimizer),
                learning_rate=options.learning_rate,
                batch_size=size,
                photos=len(train),
                seed=options.seed,
                class_weights=weights,
                recipe=recipe or Recipe.of(options),
                drawn=DrawnViews(options.seed, train.digests) if options.draws_views else None,
            )

        if batch_size:
            trainer = trainer_of(batch_size)
        else:
            batch_size, trainer = first_that_fits(
                sizes_to_try(len(train)),
                lambda size: trained_once(trainer_of(size), *start(), train_examples.features, labels),
            )
    return Job(
        suffix=suffix,
        trainer=trainer,
        train=train_examples,
        valid=None if photos.folds else Examples(condensed.select(rows[of_train:]), valid_labels),
        skipped=left.skipped,
        remarks=left.remarks,
        damaged_shards=found.damaged_shards,
        start=start,
        digests=train.digests,
        penalty=penalty,
        fit_head=(lambda: fit_head(samples(), start()[0], l2)) if options.stage_rates else None,
        patience=options.patience,
        batch_size=batch_size,
        frozen=prefix.frozen_arrays,
        spec=ModelSpec(
            classes=photos.classes,
            head=options.head,
            unfreeze=options.unfreeze,
            weights=options.weights,
            preprocessing=prefix.preprocessing,
            prefix_digest=prefix.digest,
            decoding=options.decoding,
            epoch=0,
            views=options.views,
            other_sizes=options.other_sizes,
            scale=scale,
        ),
    )


def _readable(options: TrainOptions, photos: Photos, skipped: tuple[Skipped, ...]) -> Photos:
    """The photos without those, if enough are left, and if `options.strict` allows it."""
    if options.strict:
        raise_if_skipped(skipped)
    return photos.without(skipped, Path(options.data))


def _folds(photos: Photos, count: int) -> np.ndarray:
    """The fold of each training photo, (n,); -1 if it is trained on in all of them, see `Photos.in_turn`."""
    train, in_turn = photos.train, photos.in_turn
    rows = np.flatnonzero(in_turn if in_turn.any() else ~in_turn)
    dealt = train.select(rows.tolist())
    folds = np.full(len(train), -1)
    count = min(count, len(set(dealt.digests)))
    folds[rows] = folds_by_content(strata(dealt.labels, photos.output), dealt.digests, count=count)
    return folds


def _class_weights(labels_n: np.ndarray, classes: int) -> np.ndarray:
    """(classes,): all classes have the same weight together, and the mean over the photos is 1."""
    return len(labels_n) / (classes * np.bincount(labels_n, minlength=classes))
