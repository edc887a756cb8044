"""What `catdog inspect` shows: each page as facts for JSON and as parts that rich prints."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from catdog.cli import console
from catdog.errors import RunError
from catdog.model.architecture import LayerFacts, describe
from catdog.model.layers import Layer
from catdog.runs import Run
from catdog.text import bytes_for_people
from catdog.training.optimizers import Optimizer

if TYPE_CHECKING:
    from catdog.data import PhotoHeader
    from catdog.features.entries import CacheEntry


@dataclass(frozen=True)
class Page:
    """One thing looked at: `facts` for --json, `parts` for the terminal."""

    facts: Any
    parts: Sequence[RenderableType]


def layers_page(title: str, layers: Sequence[Layer], *, frozen: int, size: int) -> Page:
    """An architecture as a table; its first `frozen` layers do not train."""
    facts = describe(layers, input_shape=(size, size, 3))
    rows = [
        {
            "name": one.layer.name,
            "stage": one.layer.stage,
            "type": one.kind,
            "output_shape": list(one.output_shape),
            "parameters": one.parameters,
            "multiply_adds": one.multiply_adds,
            "receptive_field": one.receptive_field,
            "frozen": position < frozen,
        }
        for position, one in enumerate(facts)
    ]
    table = console.table(
        "name", "type", "output", "parameters", "mult-adds M", "sees", "", right=(2, 3, 4, 5)
    )
    for row in rows:
        state = Text("frozen", style="cyan") if row["frozen"] else Text("trains", style="green")
        table.add_row(
            Text(row["name"]),
            Text(row["type"]),
            "×".join(map(str, row["output_shape"])),
            f"{row['parameters']:,}" if row["parameters"] else "",
            f"{row['multiply_adds'] / 1e6:,.1f}" if row["multiply_adds"] else "",
            str(row["receptive_field"]),
            state if row["parameters"] else "",
        )
    trained, total = _parameters(facts[frozen:]), _parameters(facts)
    work = sum(one.multiply_adds for one in facts)
    return Page(
        {"layers": rows, "parameters": total, "trainable": trained, "multiply_adds": work},
        (
            Text(f"{title}: photos of {size}×{size}", style="bold"),
            table,
            "",
            f"parameters: {total:,}, of which {trained:,} train and {total - trained:,} are frozen",
            f"multiply-adds a photo: {work:,}",
            "sees: pixels a side that one output depends on; a ReLU follows each convolution",
        ),
    )


def optimizers_page(optimizers: Sequence[Optimizer]) -> Page:
    """The family tree, root first."""

    def line(one: Optimizer) -> Text:
        start = Text(f"{one.name} ", style="bold")
        return start.append(f"({one.year}, --lr {one.learning_rate:g}): {one.sentence}", style="not bold")

    nodes: dict[str, Tree] = {}
    for one in optimizers:
        above = nodes.get(one.parent or "")
        nodes[one.name] = above.add(line(one)) if above else Tree(line(one), guide_style="dim")
    facts = [
        {
            "name": one.name,
            "parent": one.parent,
            "year": one.year,
            "learning_rate": one.learning_rate,
            "sentence": one.sentence,
        }
        for one in optimizers
    ]
    return Page(facts, (nodes[optimizers[0].name],))


def run_page(run: Run) -> Page:
    """A run: its options, classes, history, and what it can and cannot do."""
    config, history, skipped = run.config, run.history(), run.skipped()
    options = config.options
    trained = run.model_path.exists()
    finished = run.epochs_done() >= options.epochs
    facts = config.to_json() | {
        "history": [record.to_json() for record in history],
        "skipped": len(skipped),
        "has_model": trained,
        "finished": finished,
    }
    settings = console.table("option", "value", right=())
    for name, value in options.to_json().items():
        for label, shown in _flat(name, value):
            settings.add_row(Text(label), Text(shown))
    for name, value in config.versions.items():
        settings.add_row(Text(name), Text(value))
    settings.add_row("device", Text(config.device))
    settings.add_row("started", Text(config.created))
    epochs = console.table("epoch", "seconds", "loss", "acc", "val_loss", "val_acc")
    best = run.read_model()[1].epoch if trained else 0
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
            Text(f"tells apart: {', '.join(config.classes)}"),
            settings,
            "",
            epochs,
            "",
            *(Text(line) for line in _abilities(run, trained, finished, best, len(skipped))),
        ),
    )


def runs_page(folder: Path, runs: Sequence[Run]) -> Page:
    """Runs beside each other, the newest last."""
    facts: list[dict[str, Any]] = []
    damaged: list[str] = []
    for run in runs:
        try:
            config, history = run.config, run.history()
        except RunError as error:
            damaged.append(str(error))
            continue
        best = min(history, key=lambda record: record.val_loss, default=None)
        facts.append(
            {
                "run": str(run.folder),
                "started": config.created,
                "classes": list(config.classes),
                "head": config.options.head.kind,
                "unfreeze": config.options.unfreeze,
                "optimizer": config.options.optimizer,
                "epochs": len(history),
                "of": config.options.epochs,
                "val_loss": best.val_loss if best else None,
                "val_acc": best.val_acc if best else None,
            }
        )
    facts.sort(key=lambda one: one["started"])
    headings = ("run", "started (UTC)", "head", "unfreeze", "optimizer", "epochs", "val_loss", "val_acc")
    table = console.table(*headings, right=(5, 6, 7))
    for one in facts:
        numbers = ["-" if one[name] is None else f"{one[name]:.4f}" for name in ("val_loss", "val_acc")]
        table.add_row(
            Text(Path(one["run"]).name, overflow="fold"),
            one["started"][:16].replace("T", " "),
            one["head"],
            one["unfreeze"],
            one["optimizer"],
            str(one["epochs"]) if one["epochs"] == one["of"] else f"{one['epochs']} of {one['of']}",
            *numbers,
        )
    title = Text(
        f"{len(facts)} runs under {folder}; of each the epoch with the lowest val_loss", style="bold"
    )
    return Page(facts, (title, table, *(Text(line, style="red") for line in damaged)))


def _abilities(run: Run, trained: bool, finished: bool, best: int, skipped: int) -> Iterable[str]:
    options = run.config.options
    if trained:
        yield f"It holds the model of epoch {best}: evaluate and predict work with --model {run.folder}"
        yield f"It needs the weights {options.weights!r} beside it: only what was trained is in the run."
    else:
        yield "It holds no model yet: evaluate and predict need at least one finished epoch."
    if finished:
        yield f"It has finished. Extend it: catdog train --resume {run.folder} --epochs N"
    else:
        yield f"It was stopped. Go on with: catdog train --resume {run.folder}"
    if skipped:
        yield f"unreadable photos: {skipped:,}, listed in {run.folder / 'skipped.jsonl'}"


def photo_page(
    photo: Path, header: "PhotoHeader", answers: dict[str, list[tuple[str, float]]], missing: list[str]
) -> Page:
    """A photo: what the file is, and each model's most probable answers; `missing` says what is not shown."""
    facts = {
        "path": str(photo),
        "format": header.format,
        "width": header.width,
        "height": header.height,
        "answers": {
            name: [{"label": label, "probability": share} for label, share in top]
            for name, top in answers.items()
        },
    }
    table = console.table(*(cell for name in answers for cell in (name, "")), right=(1, 3))
    for row in range(max(map(len, answers.values()))):
        cells = []
        for top in answers.values():
            label, share = (top[row][0], f"{top[row][1]:.1%}") if row < len(top) else ("", "")
            cells += [Text(label, style="bold" if row == 0 else ""), share]
        table.add_row(*cells)
    return Page(
        facts,
        (
            Text(f"{photo}: {header.format}, {header.width}×{header.height}", style="bold"),
            table,
            *(Text(reason, style="yellow") for reason in missing),
        ),
    )


def cache_page(
    root: Path, entries: "Sequence[CacheEntry]", *, limit: int, programs: int, cleared: bool
) -> Page:
    """The feature cache: where, how big, how big it may be, for what; and the bytes of compiled programs."""
    facts = {
        "root": str(root),
        "bytes": sum(entry.bytes for entry in entries),
        "limit": limit,
        "compiled_bytes": programs,
        "cleared": cleared,
        "entries": [
            {
                "folder": entry.folder.name,
                "photos": entry.photos,
                "bytes": entry.bytes,
                "key": entry.key.to_json() if entry.key else None,
            }
            for entry in entries
        ],
    }
    table = console.table("photos", "size", "features", "weights", "photos as", right=(0, 1))
    for entry in entries:
        key = entry.key
        if key is None:
            table.add_row(str(entry.photos), bytes_for_people(entry.bytes), "unknown", "", "")
            continue
        table.add_row(
            str(entry.photos),
            bytes_for_people(entry.bytes),
            f"before {key.unfreeze}, {'×'.join(map(str, key.shape))} {key.dtype}",
            key.prefix_digest[:12],
            f"{key.decoding.size}×{key.decoding.size} {key.decoding.resize}",
        )
    total = bytes_for_people(facts["bytes"])
    compiled = f"{bytes_for_people(programs)} of compiled programs"
    if cleared:
        return Page(facts, (f"Emptied {root}: {total} in {len(entries)} sets of features, and {compiled}.",))
    allowed = f"{total} of the {bytes_for_people(limit)} that it may take (--cache-limit)"
    return Page(facts, (f"{root}: {allowed}, and beside it {compiled}", *((table,) if entries else ())))


def _parameters(facts: Sequence[LayerFacts]) -> int:
    return sum(one.parameters for one in facts)


def _flat(name: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for inner, part in value.items():
            yield from _flat(f"{name}.{inner}", part)
    elif isinstance(value, list | tuple):
        yield name, ", ".join(map(str, value)) or "-"
    else:
        yield name, str(value)
