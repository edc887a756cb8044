"""The one entry point of a training: from a folder of photos to a run folder, new or resumed."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from catdog import devices, hosts
from catdog.config import TrainOptions
from catdog.errors import CatdogError, OptionError, RunError
from catdog.records import CrossValidation
from catdog.runs import Run, RunConfig, SkippedRecord, create_run, new_folder, open_run
from catdog.text import N_, Message, message, relative
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
from catdog.training.prepare import features_of, prepare, read, run_config
from catdog.weights.source import find_weights
from catdog.workspace import Workspace


def train(
    options: NewRun | Resume, workspace: Workspace, report: Report = ignore, *, command: str = ""
) -> Run:
    """Train, and return the run.

    Its folder holds the checkpoint with the lowest validation loss: in fine-tuning that of the head alone,
    if nothing surpasses it. If the optimizer fits the head to the end, the folder holds the last one.

    In several processes (`catdog.hosts`) all call it. Features are computed by all; a head is then trained by
    process 0 alone, and layers of the network by all devices together. Process 0 alone writes the run.

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
    began, group = time.monotonic(), hosts.group()
    run: Run | None = None  # where this process writes it
    find = partial(find_weights, workspace=workspace, report=report)
    with ExitStack() as stack:
        if isinstance(options, NewRun):
            if options.name and group.process == 0:  # refused before every photo is read
                new_folder(options.runs_dir, options.name)
            weights = find(options.weights, preprocessing=options.preprocessing)
            chosen = options.complete(weights)
        else:
            if group.process == 0:
                run = open_run(options.run)
                stack.enter_context(run.held())  # before anything is read that another training may change
            told = group.first(run and (_resumed(run, options).to_json(), run.config.preprocessing))
            chosen, preprocessing = TrainOptions.from_json(told[0]), told[1]
            if options.data:  # other hosts may have the photos elsewhere
                chosen = replace(chosen, data=str(options.data.absolute()))
            weights = find(chosen.weights, preprocessing=preprocessing)
        limit = options.time_limit if isinstance(options, NewRun) else None
        # A run may have been stopped before its batch size was found.
        if group.processes > 1 and (limit or not (chosen.batch_size or chosen.optimizer == "lbfgs")):
            raise OptionError("--time-limit and --batch-size auto measure one process: leave them out")
        # Before anything is written: options that do not fit these classes are refused here.
        chosen, photos, prefix, suffix = read(
            chosen, weights, workspace=workspace, report=report, deadline=limit and began + limit
        )
        config = run_config(chosen, photos, prefix, command=command)
        group.require_same(_shared(config))
        if run:
            _require_same(run, config, photos)
            typed = "\n".join(filter(None, (run.config.command, command)))
            run.write_config(replace(run.config, options=chosen, command=typed))
        elif isinstance(options, NewRun) and group.process == 0:
            for sentence in _not_used(options, photos):
                report(Remark(sentence))
            run = create_run(options.runs_dir, options.name, config)
            stack.enter_context(run.held())
        if run:
            run.write_split(photos.digests_by_split())
        spreads = group.processes > 1 and chosen.unfreeze != "head"
        with devices.spread() if spreads else nullcontext():
            folder, penalty = group.first(run and _begun(run))
            if spreads:
                devices.connect()
            run = run or Run(Path(folder))
            report(RunStarted(run, chosen.epochs))
            if chosen.stage_rates:
                report(RatesChosen(chosen.stage_rates))
            if group.process and not spreads:
                features_of(chosen, photos, prefix, workspace=workspace, report=report)
                return run
            try:
                job = prepare(
                    chosen,
                    photos,
                    prefix,
                    suffix,
                    workspace=workspace,
                    report=report,
                    penalty=penalty and CrossValidation.from_json(penalty),
                )
                if group.process == 0:
                    _report_skipped(run, job, report)
                    if job.batch_size != chosen.batch_size:
                        found = replace(chosen, batch_size=job.batch_size)
                        run.write_config(replace(run.config, options=found))
                        report(Remark(message("batch size {size}", size=job.batch_size)))
                    if job.penalty:
                        run.write_cross_validation(job.penalty)
                        report(PenaltyChosen(job.penalty))
                fit(run, job, epochs=chosen.epochs, report=report)
            except CatdogError:
                if isinstance(options, NewRun) and group.process == 0:
                    run.discard_if_untrained()
                raise
        if group.process == 0:
            best = run.best_epoch()
            assert best  # at least one epoch has finished
            report(Finished(run, best, job.trainer.keeps_last))
        return run


def _begun(run: Run) -> tuple[str, dict[str, object] | None]:
    """What the other processes need of the run: its folder, and the penalty that was chosen before."""
    found = run.cross_validation()
    return str(run.folder), found and found.to_json()


def _shared(config: RunConfig) -> dict[str, object]:
    """What has to be the same in all processes, by what it is called. Paths may differ."""
    options = config.options.to_json()
    paths = ("data", "weights", "labels")
    return {
        **{name.replace("_", " "): value for name, value in options.items() if name not in paths},
        **{f"version of {name}": version for name, version in config.versions.items()},
        "number of devices": devices.local_mesh().size,
        "classes": list(config.classes),
        "photos (digest)": config.data_digest,
        "weights (digest)": config.prefix_digest,
        "preprocessing": config.preprocessing,
    }


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
        now, before = {*photos.train.digests, *photos.valid.digests}, set[str]()
        others = N_(
            "the photos in {data} are not those that {folder} was trained on ({new} new, {missing} missing). "
            "Bring them back, or start a new run."
        )
        try:
            before = set().union(*run.split().values())
        except RunError:  # killed before it was written
            others = N_(
                "the photos in {data} are not those that {folder} was trained on. Bring them back, or start "
                "a new run."
            )
        if now == before:
            others = N_(
                "some photos in {data} have another split or label than when {folder} was trained. Bring "
                "them back, or start a new run."
            )
        counts = {"new": len(now - before), "missing": len(before - now)}
        raise RunError(others, data=config.options.data, folder=run.folder, **counts)
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
