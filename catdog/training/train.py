"""The one entry point of a training: from a folder of photos to a run folder, new or resumed."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from catdog.config import TrainOptions
from catdog.errors import CatdogError, RunError
from catdog.runs import Run, RunConfig, SkippedRecord, create_run, new_folder, open_run
from catdog.text import Message, message, relative
from catdog.training.events import (
    CacheRepaired,
    Finished,
    PenaltyChosen,
    PhotosSkipped,
    RatesChosen,
    Remark,
    Report,
    RunStarted,
    ignore,
)
from catdog.training.fit import Job, fit
from catdog.training.options import NewRun, Resume
from catdog.training.photos import Photos
from catdog.training.prepare import prepare, read, run_config
from catdog.weights.source import find_weights
from catdog.workspace import Workspace


def train(
    options: NewRun | Resume, workspace: Workspace, report: Report = ignore, *, command: str = ""
) -> Run:
    """Train, and return the run.

    Its folder holds the checkpoint with the lowest validation loss: in fine-tuning that of the head alone,
    if nothing surpasses it. If the optimizer fits the head to the end, the folder holds the last one.

    The run is locked meanwhile. An epoch is on disk after half a second at most: `Resume` continues from
    there after an interrupt or a kill, to the same bits. A new run that fails in its first epoch is deleted.

    Args:
        report: called with each event of `catdog.training.events`.
        command: the command line, for config.json.

    Raises:
        DataError: there is no data set to train on; or `strict`, and a photo cannot be read.
        OptionError: options do not go together, or not with the classes or the weights.
        WeightsError: the pretrained weights cannot be read, or lack a layer.
        RunError: the name is taken; the run to resume is in use, has finished, or was trained on other photos
            or weights; or the training diverged.
        CacheError: neither the disk nor the memory has room for the features.
    """
    began = time.monotonic()
    find = partial(find_weights, workspace=workspace, report=report)
    with ExitStack() as stack:
        if isinstance(options, NewRun):
            run = None
            if options.name:  # a name that is taken is refused before every photo is read
                new_folder(options.runs_dir, options.name)
            weights = find(options.weights, preprocessing=options.preprocessing)
            chosen = options.complete(weights)
        else:
            run = open_run(options.run)
            stack.enter_context(run.held())  # before anything is read that another training may change
            chosen = _resumed(run, options)
            weights = find(chosen.weights, preprocessing=run.config.preprocessing)
        # Before anything is written: options that do not fit these classes are refused here.
        limit = options.time_limit if isinstance(options, NewRun) else None
        chosen, photos, prefix, suffix = read(
            chosen, weights, workspace=workspace, report=report, deadline=limit and began + limit
        )
        config = run_config(chosen, photos, prefix, command=command)
        if run:
            _require_same(run, config, photos)
            typed = "\n".join(filter(None, (run.config.command, command)))
            run.write_config(replace(run.config, options=chosen, command=typed))
        else:
            assert isinstance(options, NewRun)
            for sentence in _not_used(options, photos):
                report(Remark(sentence))
            run = create_run(options.runs_dir, options.name, config)
            stack.enter_context(run.held())
        run.write_split(photos.digests_by_split())
        report(RunStarted(run, chosen.epochs))
        if chosen.stage_rates:
            report(RatesChosen(chosen.stage_rates))
        try:
            penalty = run.cross_validation()
            job = prepare(chosen, photos, prefix, suffix, workspace=workspace, report=report, penalty=penalty)
            _report_skipped(run, job, report)
            if job.penalty:
                run.write_cross_validation(job.penalty)
                report(PenaltyChosen(job.penalty))
            fit(run, job, epochs=chosen.epochs, report=report)
        except CatdogError:
            if isinstance(options, NewRun):
                run.discard_if_untrained()
            raise
        best = run.best_epoch()
        assert best  # at least one epoch has finished
        report(Finished(run, best, job.trainer.keeps_last))
        return run


def _not_used(options: NewRun, photos: Photos) -> Iterator[Message]:
    """Sentences about what does not count, since other options or the layout of the folder say otherwise."""
    if options.valid_fraction is not None and photos.folds:
        yield message("--valid-fraction is not used: --folds validates on all photos")
    elif options.valid_fraction is not None and photos.has_own_split:
        yield message("--valid-fraction is not used: there are validation photos already")
    if photos.folds and photos.has_own_split:
        yield message("--folds takes all photos together: those for training and those for validation")


def _resumed(run: Run, changes: Resume) -> TrainOptions:
    """The options of the run, with these changes."""
    options = run.config.options
    if changes.data:
        options = replace(options, data=str(changes.data.absolute()))
    if changes.epochs:
        options = replace(options, epochs=changes.epochs)
    done = run.epochs_done()
    if done >= options.epochs or (run.stopped_early() and not changes.epochs):
        raise RunError(
            "{folder} has finished: {done} epochs are done. Extend it with: catdog train "
            "--resume {folder} --epochs {more}",
            folder=run.folder,
            done=done,
            more=2 * done,
        )
    return options


def _require_same(run: Run, config: RunConfig, photos: Photos) -> None:
    """Refuse to resume a run with other photos, classes or weights."""
    old = run.config
    if (old.data_digest, old.classes) != (config.data_digest, config.classes):
        try:
            before = set().union(*run.split().values())
        except RunError:  # killed before it was written
            raise RunError(
                "the photos in {data} are not those that {folder} was trained on. Bring them back, or start "
                "a new run.",
                data=config.options.data,
                folder=run.folder,
            ) from None
        now = {*photos.train.digests, *photos.valid.digests}
        if now == before:
            raise RunError(
                "some photos in {data} have another split or label than when {folder} was trained. Bring "
                "them back, or start a new run.",
                data=config.options.data,
                folder=run.folder,
            )
        raise RunError(
            "the photos in {data} are not those that {folder} was trained on ({new} new, {missing} missing). "
            "Bring them back, or start a new run.",
            data=config.options.data,
            folder=run.folder,
            new=len(now - before),
            missing=len(before - now),
        )
    if old.prefix_digest != config.prefix_digest:
        raise RunError(
            "the weights {weights!r} are not those that {folder} was trained on: expected the digest "
            "{expected}, found {found}. Start a new run.",
            weights=config.options.weights,
            folder=run.folder,
            expected=old.prefix_digest[:12],
            found=config.prefix_digest[:12],
        )


def _report_skipped(run: Run, job: Job, report: Report) -> None:
    run.write_skipped([SkippedRecord(str(photo.path), str(photo.reason)) for photo in job.skipped])
    if job.skipped:
        report(PhotosSkipped(job.skipped, run.folder / "skipped.jsonl"))
    for sentence in job.remarks:
        report(Remark(relative(sentence, Path(run.config.options.data))))
    if job.damaged_shards:
        report(CacheRepaired(job.damaged_shards))
