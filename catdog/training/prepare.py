"""From options to everything that `fit` needs: weights, features of both sides, suffix, trainer."""

import importlib.metadata
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from catdog import __version__, devices
from catdog.config import ModelSpec, TrainOptions
from catdog.data import Skipped
from catdog.features.extract import extract
from catdog.features.forward import condense
from catdog.features.prefix import Prefix
from catdog.model.suffix import Suffix
from catdog.progress import Progress
from catdog.runs import RunConfig
from catdog.text import Message
from catdog.training.fit import Examples, Job, start_tensors
from catdog.training.optimizers import find_optimizer
from catdog.training.photos import Photos, raise_if_skipped
from catdog.training.step import Trainer
from catdog.workspace import Workspace

_RECORDED = ("jax", "jaxlib", "flax", "optax", "numpy", "pillow")


def run_config(options: TrainOptions, photos: Photos, prefix: Prefix, *, command: str = "") -> RunConfig:
    """What config.json is to say of this training, which `command` has started."""
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


def prepare(
    options: TrainOptions,
    photos: Photos,
    prefix: Prefix,
    suffix: Suffix,
    *,
    workspace: Workspace,
    report: Callable[[Progress], None] = lambda _: None,
) -> Job:
    """Compute or look up the features of both sides, and make everything else that `fit` takes.

    Raises:
        DataError: without the photos that cannot be decoded, too few are left, of all or of a class; or there
            are such photos, and `options.strict`.
        CacheError: neither disk nor memory takes the features.
        WeightsError: the weights lack a layer that is to train.
    """
    optimizer = find_optimizer(options.optimizer)
    pretrained = prefix.thawed_tensors  # before hours of work: the file may lack some
    both = extract(
        [*photos.train.paths, *photos.valid.paths],
        prefix,
        options.decoding,
        workspace=workspace,
        digests=dict(
            zip(
                (*photos.train.paths, *photos.valid.paths),
                (*photos.train.digests, *photos.valid.digests),
                strict=True,
            )
        ),
        report=report,
        before=partial(_require_enough, options, photos),
    )
    if options.strict:
        raise_if_skipped(both.skipped)
    left = photos.without(both.skipped, Path(options.data))
    train, valid = left.train, left.valid
    assert both.features is not None  # there are photos: they have been counted
    condensed = condense(suffix, prefix.frozen_arrays, both.features)
    rows = range(len(both.photos))
    train_examples = Examples(condensed.select(rows[: len(train)]), train.labels)
    trainer = Trainer(
        suffix,
        optimizer,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
        photos=len(train),
        seed=options.seed,
    )
    return Job(
        suffix=suffix,
        trainer=trainer,
        train=train_examples,
        valid=Examples(condensed.select(rows[len(train) :]), valid.labels),
        skipped=left.skipped,
        remarks=left.remarks,
        damaged_shards=both.damaged_shards,
        start=partial(
            start_tensors,
            suffix,
            train_examples,
            seed=options.seed,
            pretrained=pretrained,
            frozen=prefix.frozen_arrays,
        ),
        frozen=prefix.frozen_arrays,
        saved=ModelSpec(
            classes=photos.classes,
            head=options.head,
            unfreeze=options.unfreeze,
            weights=options.weights,
            preprocessing=prefix.preprocessing,
            prefix_digest=prefix.digest,
            decoding=options.decoding,
            epoch=0,
        ),
    )


def _require_enough(options: TrainOptions, photos: Photos, unreadable: dict[Path, Message]) -> None:
    """Refuse, before hours of work, what too few good headers, or a bad one and `--strict`, make hopeless."""
    if options.strict:
        raise_if_skipped(tuple(Skipped(path, reason) for path, reason in unreadable.items()))
    photos.without([Skipped(path, reason) for path, reason in unreadable.items()], Path(options.data))
