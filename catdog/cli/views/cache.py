"""`catdog inspect --cache`: where the cache is, how large, and what for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.filesize import decimal

from catdog.cli import console
from catdog.cli.translate import translated
from catdog.cli.views.pages import Page
from catdog.text import N_, message

if TYPE_CHECKING:
    from catdog.features.upkeep import CacheEntry


def cache_page(
    root: Path, entries: "Sequence[CacheEntry]", *, limit: int, programs: int, cleared: bool
) -> Page:
    """The feature cache, its limit in bytes, and the bytes of compiled programs; or what was deleted."""
    size = sum(entry.bytes for entry in entries)
    facts = {
        "root": str(root),
        "bytes": size,
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
    sizes = {"features": decimal(size), "programs": decimal(programs), "root": root}
    if cleared:
        deleted = message(
            "Deleted {features} of features and {programs} of compiled programs: {root}", **sizes
        )
        return Page(facts, (deleted,))
    table = console.table(
        N_("photos"), N_("size"), N_("features"), N_("weights"), N_("decoding"), right=(0, 1)
    )
    for entry in entries:
        key = entry.key
        if key is None:
            table.add_row(str(entry.photos), decimal(entry.bytes), translated(N_("unknown")), "", "")
            continue
        shape = f"{'×'.join(map(str, key.shape))} {key.dtype}"
        table.add_row(
            str(entry.photos),
            decimal(entry.bytes),
            translated(message("before {stage}, {shape}", stage=key.unfreeze, shape=shape)),
            key.prefix_digest[:12],
            f"{key.decoding.size}×{key.decoding.size} {key.decoding.resize}",
        )
    parts = (
        message("cache: {root}", root=root),
        message("features: {features}, at most {limit} (--cache-limit)", limit=decimal(limit), **sizes),
        message("compiled programs: {programs}", **sizes),
    )
    return Page(facts, (*parts, *((table,) if entries else ())))
