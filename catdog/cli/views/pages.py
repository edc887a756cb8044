"""What `catdog inspect` shows of a subject: facts for --json, and parts for the terminal."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import RenderableType
from rich.filesize import decimal
from rich.tree import Tree

from catdog.cli import console
from catdog.cli.console import styled, table
from catdog.cli.translate import translated
from catdog.escapes import json_text
from catdog.insight.architectures import COMPUTED, PUBLISHED
from catdog.model.architecture import LayerFacts
from catdog.text import N_, Message, message, quantity
from catdog.training.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    import numpy as np

    from catdog.data import PhotoHeader
    from catdog.features.upkeep import CacheEntry
    from catdog.inference.prediction import Prediction
    from catdog.insight.anatomy import Maps, Peak
    from catdog.insight.architectures import Architecture

_TOP = 5  # classes of each model that are shown for a photo
_SOURCE = ("name", "source", "tested")


class Page:
    """One subject: `facts`, a JSON value, and `parts` for the terminal, from top to bottom.

    `picture`, where there is one, is drawn below them; see `draw_photo`.
    """

    def __init__(
        self,
        facts: Any,
        *parts: RenderableType | Message,
        picture: "Callable[[int], np.ndarray] | None" = None,
    ):
        self.facts, self.parts, self.picture = facts, parts, picture

    def show(self, *, as_json: bool) -> None:
        """Print it on stdout."""
        if as_json:
            return click.echo(json_text(self.facts, indent=2))
        console.show(self.parts)
        if self.picture:
            from catdog.cli.views.pictures import draw_photo

            draw_photo(self.picture)


def layers_page(title: str | Message, layers: Sequence[LayerFacts], *, frozen: int, size: int) -> Page:
    """The layers for photos of `size` pixels per side; the first `frozen` of them do not train."""
    numbers = N_("output"), N_("parameters"), N_("MACs\n(M)"), N_("receptive\nfield")
    made = table(N_("layer"), N_("type"), *numbers, "", right=(2, 3, 4, 5))
    states = styled(message("trains"), "green"), styled(message("frozen"), "cyan")
    rows = []
    for position, facts in enumerate(layers):
        row = {"name": facts.layer.name, "stage": facts.layer.stage, "type": facts.kind}
        for name in ("output_shape", "parameters", "multiply_adds", "receptive_field"):
            row[name] = getattr(facts, name)
        rows.append(row | {"frozen": position < frozen})
        cells = styled(facts.layer.name), styled(facts.kind), "×".join(map(str, facts.output_shape))
        parameters = f"{facts.parameters:,}" if facts.parameters else ""
        work = f"{facts.multiply_adds / 1e6:,.1f}" if facts.multiply_adds else ""
        state = states[position < frozen] if facts.parameters else ""
        made.add_row(*cells, parameters, work, str(facts.receptive_field), state)
    total = sum(facts.parameters for facts in layers)
    trainable = sum(facts.parameters for facts in layers[frozen:])
    work = sum(facts.multiply_adds for facts in layers)
    counts = {"total": total, "trainable": trainable, "frozen": total - trainable}
    return Page(
        {"layers": rows, "parameters": total, "trainable": trainable, "multiply_adds": work},
        styled(message("{title}: photos of {size}×{size} pixels", title=title, size=size), "bold"),
        made,
        "",
        message("parameters: {total:,} ({trainable:,} train, {frozen:,} are frozen)", **counts),
        message("multiply-adds (MACs) per photo: {work:,}", work=work),
        message("receptive field: pixels per side that one output depends on"),
        message("A ReLU follows each convolution."),
    )


def optimizers_page() -> Page:
    """The optimizers as a family tree, each below the one that it improves."""
    nodes: dict[str | None, Tree] = {}
    for name, optimizer in OPTIMIZERS.items():
        line = styled(f"{name} ", "bold")
        more = f"({optimizer.year}, --lr {optimizer.learning_rate:g}): {translated(optimizer.sentence)}"
        line.append(more, "not bold")
        above = nodes.get(optimizer.parent)
        nodes[name] = above.add(line) if above else Tree(line, guide_style="dim")
    shown = ("name", "parent", "year", "learning_rate", "sentence")
    facts = [{name: getattr(optimizer, name) for name in shown} for optimizer in OPTIMIZERS.values()]
    return Page(facts, next(iter(nodes.values())))


def architectures_page(networks: "Sequence[Architecture]") -> Page:
    """The networks of the lecture side by side, with their sources."""
    numbers = N_("layers"), N_("parameters\n(M)"), N_("MACs\n(M)"), N_("top-1\nerror"), N_("top-5\nerror")
    made = table(N_("network"), N_("year"), *numbers, right=(1, 2, 3, 4, 5, 6))
    for network in networks:
        cost, top1 = network.cost, "" if network.top1 is None else f"{network.top1:g} %"
        counts = str(cost.depth), f"{cost.parameters / 1e6:.1f}", f"{cost.multiply_adds / 1e6:,.0f}"
        made.add_row(styled(network.name, "bold"), str(network.year), *counts, top1, f"{network.top5:g} %")
    return Page(
        [network.to_json() for network in networks],
        made,
        "",
        *(message("{name}: {idea}", name=network.name, idea=network.idea) for network in networks),
        "",
        COMPUTED,
        PUBLISHED,
        *(
            message("{name}: {source}; {tested}", **{name: getattr(network, name) for name in _SOURCE})
            for network in networks
        ),
    )


def cache_page(
    root: Path,
    entries: "Sequence[CacheEntry]",
    data_sets: Sequence[dict[str, int]],
    *,
    limit: int,
    programs: int,
    cleared: bool,
) -> Page:
    """The feature cache, its limit in bytes, and the bytes of compiled programs; or what was deleted.

    Args:
        data_sets: of each entry, data set → photos.
    """
    listed: list[dict[str, Any]] = []
    headings = N_("photos"), N_("size"), N_("features"), N_("weights"), N_("decoding"), N_("data sets")
    made = table(*headings, right=(0, 1))
    for entry, of_entry in zip(entries, data_sets, strict=True):
        key, row = entry.key, {"folder": entry.folder.name, "photos": entry.photos, "bytes": entry.bytes}
        row["data_sets"] = of_entry
        listed.append(row | {"key": key.to_json() if key else None})
        cells = str(entry.photos), decimal(entry.bytes)
        names = ", ".join(f"{Path(data).name} {count}" for data, count in of_entry.items())
        if key is None:
            made.add_row(*cells, translated(N_("unknown")), "", "", names)
            continue
        shape, side = f"{'×'.join(map(str, key.shape))} {key.dtype}", key.decoding.size
        before = message("before {stage}, {shape}", stage=key.unfreeze, shape=shape)
        behind = message("pooled by {layer}, {shape}", layer=key.pool, shape=shape)
        kind = translated(behind if key.pool else before)
        made.add_row(*cells, kind, key.prefix_digest[:12], f"{side}×{side} {key.decoding.resize}", names)
    size = sum(entry.bytes for entry in entries)
    facts: dict[str, Any] = {"root": str(root), "bytes": size, "limit": limit, "compiled_bytes": programs}
    facts |= {"cleared": cleared, "entries": listed}
    sizes = {"features": decimal(size), "programs": decimal(programs), "root": root}
    if cleared:
        deleted = message(
            "Deleted {features} of features and {programs} of compiled programs: {root}", **sizes
        )
        return Page(facts, deleted)
    return Page(
        facts,
        message("cache: {root}", root=root),
        message("features: {features}, at most {limit} (--cache-limit)", limit=decimal(limit), **sizes),
        message("compiled programs: {programs}", **sizes),
        *([made] if entries else []),
    )


def photo_page(
    photo: Path, header: "PhotoHeader", predictions: "Mapping[str, Prediction]", missing: Sequence[Message]
) -> Page:
    """A photo, and the most probable classes by the name of each model; `missing`: why one is not there."""
    facts = {"path": str(photo), "format": header.format, "width": header.width, "height": header.height}
    listed: dict[str, Any] = {name: found.top(_TOP) for name, found in predictions.items()}
    shown = {
        name: [(each["label"], f"{each['probability']:.1%}") for each in top] for name, top in listed.items()
    }
    for name, found in predictions.items():
        if found.value is not None:
            listed[name] = {"value": found.value, "unit": found.unit}
            shown[name] = [(quantity(found.value, found.unit), "")]
        if found.labels is not None:
            listed[name] = {"labels": list(found.labels), "probabilities": found.probabilities}
    made = table(*(cell for name in shown for cell in (name, "")), right=(1, 3))
    for row, pairs in enumerate(zip_longest(*shown.values())):
        style = "" if row else "bold"
        cells = [(styled(pair[0], style), pair[1]) if pair else ("", "") for pair in pairs]
        made.add_row(*chain.from_iterable(cells))
    title = styled(f"{photo}: {header.format}, {header.width}×{header.height}", "bold")
    return Page(
        facts | {"predictions": listed}, title, made, *(styled(reason, "yellow") for reason in missing)
    )


def peaks_page(photo: Path, maps: "Maps", peaks: "Sequence[Peak]", *, show: bool) -> Page:
    """Large values of a layer's units for a photo: where in the map, and which of the input's pixels.

    With `show` the maps of the first units are drawn.
    """
    layer = maps.facts
    made = table(N_("unit"), N_("value"), N_("y, x"), N_("pixels (y, x)"), right=(0, 1))
    listed: list[dict[str, Any]] = []
    for peak in peaks:
        top, left, edge = peak.field
        listed.append({"unit": peak.unit, "value": peak.value, "y": peak.y, "x": peak.x, "field": peak.field})
        pixels = f"{top}…{top + edge - 1}, {left}…{left + edge - 1}"
        made.add_row(str(peak.unit), f"{peak.value:.2f}", f"{peak.y}, {peak.x}", pixels)
    shape, edge = "×".join(map(str, layer.output_shape)), layer.receptive_field
    line = message(
        "{layer}: output {shape}, receptive field {edge}×{edge}",
        layer=layer.layer.name,
        shape=shape,
        edge=edge,
    )
    facts = {"path": str(photo), "layer": layer.layer.name, "output_shape": layer.output_shape}
    units = list(dict.fromkeys(peak.unit for peak in peaks))
    facts |= {"receptive_field": edge, "peaks": listed}
    picture = partial(maps.picture, units) if show and units else None
    return Page(facts, styled(str(photo), "bold"), line, made, picture=picture)
