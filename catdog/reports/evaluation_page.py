"""`catdog evaluate --report`: an evaluation as one page of HTML, a model card at its end."""

import hashlib
import platform
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from catdog import __version__, devices
from catdog.data import PhotoHeader, probe
from catdog.data.overlay import Pixels, lay_over
from catdog.data.parallel import ordered_map
from catdog.errors import PhotoError
from catdog.evaluation.judge import Judged
from catdog.reports.html import picture, render, thumbnail
from catdog.reports.plots import Plot
from catdog.runs import Run
from catdog.text import Message

_PHOTOS = 12  # of each kind that is shown
_LINES = 50  # of a list that may be long


def report_page(
    judged: Judged, run: Run, *, data: Path, remarks: Sequence[Message], plots: Sequence[Plot], command: str
) -> str:
    """The page.

    Args:
        data: the folder that the photos are in.
        remarks: what a reader should know about the choice of photos.
        command: what made this page, as typed.

    Raises:
        PhotoError: a photo has become unreadable while its heat map was made.
        WeightsError: the pretrained weights cannot be read, for the heat maps.
    """
    worst = judged.worst(_PHOTOS)
    unsure = [row for row in judged.least_certain(2 * _PHOTOS) if row not in worst][:_PHOTOS]
    shown = _photos(judged, np.unique([*worst, *unsure]))
    skipped = [{"path": one.path, "reason": one.reason} for one in judged.skipped]
    return render(
        "evaluation.html",
        version=__version__,
        name=str(run.folder),
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        data=data,
        report=judged.evaluation,
        calibration=judged.calibration,
        gain=judged.gain,
        remarks=remarks,
        plots=plots,
        worst=[shown[row] for row in worst],
        least_certain=[shown[row] for row in unsure],
        counts=_counts(judged, run) | _pictures(judged.paths),
        skipped=skipped[:_LINES],
        skipped_more=max(0, len(skipped) - _LINES),
        about=_about(judged, run),
        commands=[
            *(f"{typed}  # made the model" for typed in run.config.command.splitlines()),
            f"{command}  # made this page",
        ],
        facts=_facts(run),
    )


def _photos(judged: Judged, rows: np.ndarray) -> dict[int, dict[str, Any]]:
    """What the page says and shows of each photo, its heat map beside it."""
    pixels = {row: _thumbnail(judged.paths[row]) for row in rows.tolist()}
    there = [row for row, found in pixels.items() if found is not None]
    paths = [judged.paths[row] for row in there]
    digests = {judged.paths[row]: judged.digests[row] for row in there}
    heats = judged.classifier.heat_maps(paths, judged.answers[there].tolist(), digests=digests)
    heat = dict(zip(there, heats, strict=True))
    shown = {}
    for row, photo in pixels.items():
        answer = int(judged.answers[row])
        warm = None
        if photo is not None and heat[row].any():
            warm = picture(lay_over(photo, heat[row], judged.classifier.decoding))
        shown[row] = {
            "path": judged.paths[row],
            "picture": None if photo is None else picture(photo),
            "heat": warm,
            "answer": judged.classes[answer],
            "truth": judged.classes[judged.labels[row]],
            "right": bool(judged.right[row]),
            "probability": float(judged.probabilities[row, answer]),
            "loss": float(judged.surprises[row]),
        }
    return shown


def _thumbnail(path: Path) -> Pixels | None:
    try:
        return thumbnail(path)
    except PhotoError:  # it has gone since it was judged
        return None


def _counts(judged: Judged, run: Run) -> dict[str, int]:
    sides = run.split()
    counts = {"evaluated here": len(judged.labels)}
    for index, label in enumerate(judged.classes):
        counts[f"of these, {label}"] = int((judged.labels == index).sum())
    counts["could not be read"] = len(judged.skipped)
    counts["trained on"] = len(sides["train"])
    counts["validated on, while it was trained"] = len(sides["valid"])
    copies = len(judged.digests) - len(set(judged.digests))
    return counts | {"with the content of another of these": copies}


def _pictures(paths: Sequence[Path]) -> dict[str, str]:
    """Sizes and formats of the photos, as their headers say."""
    headers = [header for header in ordered_map(_header, paths, workers=devices.usable_cores()) if header]
    sizes = sorted(((one.width, one.height) for one in headers), key=lambda size: (size[0] * size[1], size))
    formats = Counter(one.format for one in headers).most_common()
    if not sizes:
        return {}
    chosen = {"smallest": sizes[0], "median": sizes[(len(sizes) - 1) // 2], "largest": sizes[-1]}
    facts = {f"{name}, pixels": f"{width}×{height}" for name, (width, height) in chosen.items()}
    return facts | {"formats": ", ".join(f"{name} {number}" for name, number in formats)}


def _header(path: Path) -> PhotoHeader | None:
    try:
        return probe(path)
    except PhotoError:  # it has gone since it was judged
        return None


def _about(judged: Judged, run: Run) -> str:
    options = run.config.options
    layers = "all layers" if options.unfreeze == "all" else f"what comes from {options.unfreeze} on"
    return (
        f"A VGG16 (Simonyan and Zisserman, 2014), pretrained on ImageNet, of which {layers} was trained to "
        f"tell {', '.join(judged.classes)} apart; head {options.head.kind}."
    )


def _facts(run: Run) -> dict[str, str]:
    config, saved = run.config, run.read_model()[1]
    options = config.options
    installed = {"catdog": __version__, "python": platform.python_version()}
    installed |= {name: version(name) for name in config.versions if name not in installed}
    return {
        "epochs": f"{run.epochs_done() or options.epochs}, of which number {saved.epoch} is kept",
        "optimizer": f"{options.optimizer}, learning rate {options.learning_rate:g}, "
        f"batches of {options.batch_size}, seed {options.seed}",
        "photos as": f"{saved.decoding.size}×{saved.decoding.size}, {saved.decoding.resize}, "
        f"preprocessing {saved.preprocessing}",
        "pretrained weights": saved.weights,
        "SHA-256 of the frozen weights": config.prefix_digest,
        "SHA-256 of photos, classes and sides": config.data_digest,
        "SHA-256 of model.safetensors": hashlib.sha256(run.model_path.read_bytes()).hexdigest(),
        "trained": f"{config.created}, on {config.device}",
        "versions then": _listed(config.versions),
        "versions here": f"{_listed(installed)}, on {devices.describe()}",
    }


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
