"""`catdog inspect RUN`, `inspect FOLDER` of runs, and `inspect FILE` that `catdog export` wrote."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from catdog.cli.console import Parts, number, styled, table
from catdog.cli.views.pages import Page
from catdog.config import ModelSpec
from catdog.errors import RunError
from catdog.runs import Run
from catdog.text import N_, Message, message, plural

_METRICS = ("val_loss", "val_acc", "val_mae")
# Of an exported file.
_DESCRIBED = "preprocessing head decoding calibrated views other_sizes scale thresholds".split()


def run_page(run: Run) -> Page:
    """A run: its options, classes and epochs, and what can be done with it."""
    config, history, skipped = run.config, run.history(), len(run.skipped())
    best = run.read_model()[1].epoch if run.model_path.exists() else None
    finished = run.epochs_done() >= config.options.epochs or run.stopped_early()
    facts = config.to_json() | {"history": [record.to_json() for record in history], "skipped": skipped}
    facts |= {"has_model": best is not None, "finished": finished}
    settings = config.options.to_json() | config.versions
    settings |= {"device": config.device, "started": config.created}
    if chosen := run.cross_validation():
        settings["l2"] = f"{chosen.l2:.2g}"
    metric = history[0].metric if history else "acc"
    epochs = table(N_("epoch"), N_("seconds"), "loss", metric, "val_loss", f"val_{metric}")
    for record in history:
        score, val_score = record.scores
        numbers = map(number, (record.loss, score, record.val_loss, val_score))
        style = "bold green" if record.epoch == best else ""
        epochs.add_row(str(record.epoch), f"{record.seconds:.1f}", *numbers, style=style)
    done = _what_can_be_done(run, best, finished, skipped)
    return Page(facts, *_heading(str(run.folder), config.classes, settings), epochs, "", *done)


def runs_page(folder: Path, runs: Sequence[Run]) -> Page:
    """Runs below each other, the newest last."""
    facts: list[dict[str, Any]] = []
    damaged: list[Message] = []
    for run in runs:
        try:
            config, best = run.config, run.best_epoch()
            options = config.options
            about = {"run": str(run.folder), "started": config.created, "classes": list(config.classes)}
            chosen = {"head": options.head.kind, "unfreeze": options.unfreeze, "optimizer": options.optimizer}
            history = run.history()
            epochs = {"epochs": history[-1].epoch if history else 0, "of": options.epochs}
            metrics = {name: best and getattr(best, name) for name in _METRICS}
            facts.append(about | chosen | epochs | metrics)
        except RunError as error:
            damaged.append(error.message)
    facts.sort(key=lambda summary: summary["started"])
    headings = N_("run"), N_("started (UTC)"), N_("head"), N_("unfreeze"), N_("optimizer"), N_("epochs")
    shown = [name for name in _METRICS if any(summary[name] is not None for summary in facts)]
    made = table(*headings, *shown, right=(5, 6, 7, 8))
    for summary in facts:
        name, started = Path(summary["run"]).name, summary["started"][:16].replace("T", " ")
        choices = [summary[option] for option in ("head", "unfreeze", "optimizer")]
        done, total = summary["epochs"], summary["of"]
        finished = str(done) if done == total else message("{done} of {total}", done=done, total=total)
        numbers = (number(summary[name]) for name in shown)
        made.add_row(*map(styled, (name, started, *choices, finished, *numbers)))
    title = plural(
        "{count:,} run under {folder}, with the metrics of its checkpoint",
        "{count:,} runs under {folder}, with the metrics of the checkpoints",
        len(facts),
        folder=folder,
    )
    return Page(facts, styled(title, "bold"), made, *(styled(reason, "red") for reason in damaged))


def exported_page(file: Path, spec: ModelSpec, layers: Page) -> Page:
    """A file that `catdog export` wrote: what it says of itself, and its layers."""
    size = file.stat().st_size
    settings = {name: value for name, value in spec.to_json().items() if name in _DESCRIBED}
    facts = {"file": str(file), "bytes": size, "classes": list(spec.classes)} | settings | layers.facts
    title = message("{file}: exported model, {size}", file=file, size=decimal(size))
    use = message("Use it with: catdog predict PHOTO --model {file}", file=file)
    heading = _heading(title, spec.classes, settings)
    return Page(facts, *heading, *layers.parts[1:], "", use)  # without the title of the layers


def _what_can_be_done(run: Run, best: int | None, finished: bool, skipped: int) -> Iterator[Message]:
    folder = run.folder
    if best is None:
        yield message("It has no model yet: no epoch has finished.")
    else:
        if best:
            yield message("Checkpoint in model.safetensors: epoch {epoch}", epoch=best)
        else:
            yield message(
                "Checkpoint in model.safetensors: the head alone (epoch 0). Fine-tuning has not lowered the "
                "validation loss."
            )
        yield message("Use it with: catdog predict PHOTO --model {folder}", folder=folder)
        yield message(
            "It needs the weights {weights!r} too: a run holds only the layers that were trained.",
            weights=run.config.options.weights,
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


def _heading(title: str | Message, classes: Sequence[str], settings: dict[str, Any]) -> Parts:
    yield styled(title, "bold")
    if classes:
        yield message("classes: {classes}", classes=", ".join(classes))
    yield table(N_("option"), N_("value"), rows=_flat("", settings), right=())
    yield ""


def _flat(name: str, value: Any) -> Iterable[tuple[str, str]]:
    """Names with dots, such as `head.kind`, and their values."""
    if isinstance(value, dict):
        for inner, part in value.items():
            yield from _flat(f"{name}.{inner}".lstrip("."), part)
    elif isinstance(value, list | tuple):
        yield name, ", ".join(map(str, value)) or "-"
    elif value not in (None, ""):
        yield name, str(value)
