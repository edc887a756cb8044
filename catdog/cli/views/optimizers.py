"""`catdog inspect --optimizers`: the family tree."""

from collections.abc import Sequence

from rich.text import Text
from rich.tree import Tree

from catdog.cli.translate import translated
from catdog.cli.views.pages import Page
from catdog.training.optimizers import Optimizer


def optimizers_page(optimizers: Sequence[Optimizer]) -> Page:
    """The optimizers, each below the one that it improves; the root comes first."""
    nodes: dict[str, Tree] = {}
    for optimizer in optimizers:
        line = Text(f"{optimizer.name} ", style="bold").append(
            f"({optimizer.year}, --lr {optimizer.learning_rate:g}): {translated(optimizer.sentence)}",
            style="not bold",
        )
        above = nodes.get(optimizer.parent or "")
        nodes[optimizer.name] = above.add(line) if above else Tree(line, guide_style="dim")
    facts = [
        {
            "name": optimizer.name,
            "parent": optimizer.parent,
            "year": optimizer.year,
            "learning_rate": optimizer.learning_rate,
            "sentence": optimizer.sentence,
        }
        for optimizer in optimizers
    ]
    return Page(facts, (nodes[optimizers[0].name],))
