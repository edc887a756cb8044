"""`catdog inspect RUN`, `inspect FOLDER` of runs, and `inspect FILE` that `catdog export` wrote."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from catdog.cli import console
from catdog.cli.translate import translated
from catdog.cli.views.pages import Page
from catdog.config import ModelSpec
from catdog.errors import RunError
from catdog.runs import Run
from catdog.text import N_, Message, message, plural


def run_page(run: Run) -> Page:
    """A run: its options, classes and epochs, and what can be done with it."""
    config, history, skipped = run.config, run.history(), run.skipped()
    trained = run.model_path.exists()
    best = run.read_model()[1].epoch if trained else None
    finished = run.epochs_done() >= config.options.epochs
    facts = config.to_json() | {
        "history": [record.to_json() for record in history],
        "skipped": len(skipped),
        "has_model": trained,
        "finished": finished,
    }
    settings = config.options.to_json() | config.versions
    settings |= {"device": config.device, "started": config.created}
    epochs = console.table(N_("epoch"), N_("seconds"), "loss", "acc", "val_loss", "val_acc")
    for record in history:
        epochs.add_row(
            str(record.epoch),
            f"{record.seconds:.1f}",
            *(f"{value:.4f}" for value in (record.loss, record.acc, record.val_loss, record.val_acc)),
            style="bold green" if record.epoch == best else "",
        )
    return Page(
        facts,
        (
            Text(str(run.folder), style="bold"),
            message("classes: {classes}", classes=", ".join(config.classes)),
            _settings_table(settings),
            "",
            epochs,
            "",
            *_what_can_be_done(run, best, finished, len(skipped)),
        ),
    )


def runs_page(folder: Path, runs: Sequence[Run]) -> Page:
    """Runs below each other, the newest last."""
    facts: list[dict[str, Any]] = []
    damaged: list[Message] = []
    for run in runs:
        try:
            facts.append(_summary(run))
        except RunError as error:
            damaged.append(error.message)
    facts.sort(key=lambda summary: summary["started"])
    headings = N_("run"), N_("started (UTC)"), N_("head"), N_("unfreeze"), N_("optimizer"), N_("epochs")
    table = console.table(*headings, "val_loss", "val_acc", right=(5, 6, 7))
    for summary in facts:
        done, total = summary["epochs"], summary["of"]
        stopped = message("{done} of {total}", done=done, total=total)
        table.add_row(
            Text(Path(summary["run"]).name, overflow="fold"),
            summary["started"][:16].replace("T", " "),
            summary["head"],
            summary["unfreeze"],
            summary["optimizer"],
            str(done) if done == total else translated(stopped),
            *("-" if summary[name] is None else f"{summary[name]:.4f}" for name in ("val_loss", "val_acc")),
        )
    title = plural(
        "{count:,} run under {folder}, with the metrics of its best checkpoint",
        "{count:,} runs under {folder}, with the metrics of the best checkpoints",
        len(facts),
        folder=folder,
    )
    problems = (Text(translated(reason), style="red") for reason in damaged)
    return Page(facts, (Text(translated(title), style="bold"), table, *problems))


def exported_page(file: Path, spec: ModelSpec, layers: Page) -> Page:
    """A file that `catdog export` wrote: what it says of itself, and its layers."""
    size = file.stat().st_size
    described = ("preprocessing", "head", "decoding", "calibrated")  # the other fields are about runs
    settings = {name: value for name, value in spec.to_json().items() if name in described}
    facts = {"file": str(file), "bytes": size, "classes": list(spec.classes)} | settings | layers.facts
    title = message("{file}: exported model, {size}", file=file, size=decimal(size))
    return Page(
        facts,
        (
            Text(translated(title), style="bold"),
            message("classes: {classes}", classes=", ".join(spec.classes)),
            _settings_table(settings),
            "",
            *layers.parts[1:],  # without their title
            "",
            message("Use it with: catdog predict PHOTO --model {file}", file=file),
        ),
    )


def _summary(run: Run) -> dict[str, Any]:
    config, options, best = run.config, run.config.options, run.best_epoch()
    return {
        "run": str(run.folder),
        "started": config.created,
        "classes": list(config.classes),
        "head": options.head.kind,
        "unfreeze": options.unfreeze,
        "optimizer": options.optimizer,
        "epochs": len(run.history()),
        "of": options.epochs,
        "val_loss": best.val_loss if best else None,
        "val_acc": best.val_acc if best else None,
    }


def _what_can_be_done(run: Run, best: int | None, finished: bool, skipped: int) -> Iterator[Message]:
    folder, weights = run.folder, run.config.options.weights
    if best is None:
        yield message("It has no model yet: no epoch has finished.")
    else:
        yield message("Best checkpoint (lowest val_loss): epoch {epoch}", epoch=best)
        yield message("Use it with: catdog predict PHOTO --model {folder}", folder=folder)
        yield message(
            "It needs the weights {weights!r} too: a run holds only the layers that were trained.",
            weights=weights,
        )
    if finished:
        yield message("It has finished. Extend it: catdog train --resume {folder} --epochs N", folder=folder)
    else:
        yield message("It was stopped. Continue it: catdog train --resume {folder}", folder=folder)
    if skipped:
        yield plural(
            "{count:,} photo was unreadable and skipped: {file}",
            "{count:,} photos were unreadable and skipped: {file}",
            skipped,
            file=folder / "skipped.jsonl",
        )


def _settings_table(values: dict[str, Any]) -> Table:
    table = console.table(N_("option"), N_("value"), right=())
    for name, value in values.items():
        for label, shown in _flat(name, value):
            table.add_row(Text(label), Text(shown))
    return table


def _flat(name: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for inner, part in value.items():
            yield from _flat(f"{name}.{inner}", part)
    elif isinstance(value, list | tuple):
        yield name, ", ".join(map(str, value)) or "-"
    else:
        yield name, str(value)
