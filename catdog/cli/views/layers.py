"""`catdog inspect --layers`: an architecture as a table of its layers."""

from collections.abc import Sequence

from rich.text import Text

from catdog.cli import console
from catdog.cli.translate import translated
from catdog.cli.views.pages import Page
from catdog.model.architecture import LayerFacts
from catdog.text import N_, Message, message


def layers_page(title: str | Message, layers: Sequence[LayerFacts], *, frozen: int, size: int) -> Page:
    """The layers for photos of `size` pixels per side; the first `frozen` of them do not train."""
    rows = [
        {
            "name": facts.layer.name,
            "stage": facts.layer.stage,
            "type": facts.kind,
            "output_shape": list(facts.output_shape),
            "parameters": facts.parameters,
            "multiply_adds": facts.multiply_adds,
            "receptive_field": facts.receptive_field,
            "frozen": position < frozen,
        }
        for position, facts in enumerate(layers)
    ]
    numbers = N_("output"), N_("parameters"), N_("MACs\n(M)"), N_("receptive\nfield")
    table = console.table(N_("layer"), N_("type"), *numbers, "", right=(2, 3, 4, 5))
    states = Text(translated(N_("trains")), style="green"), Text(translated(N_("frozen")), style="cyan")
    for row in rows:
        table.add_row(
            Text(row["name"]),
            Text(row["type"]),
            "×".join(map(str, row["output_shape"])),
            f"{row['parameters']:,}" if row["parameters"] else "",
            f"{row['multiply_adds'] / 1e6:,.1f}" if row["multiply_adds"] else "",
            str(row["receptive_field"]),
            states[row["frozen"]] if row["parameters"] else "",
        )
    total = sum(facts.parameters for facts in layers)
    trainable = sum(facts.parameters for facts in layers[frozen:])
    work = sum(facts.multiply_adds for facts in layers)
    heading = message("{title}: photos of {size}×{size} pixels", title=title, size=size)
    return Page(
        {"layers": rows, "parameters": total, "trainable": trainable, "multiply_adds": work},
        (
            Text(translated(heading), style="bold"),
            table,
            "",
            message(
                "parameters: {total:,} ({trainable:,} train, {frozen:,} are frozen)",
                total=total,
                trainable=trainable,
                frozen=total - trainable,
            ),
            message("multiply-adds (MACs) per photo: {work:,}", work=work),
            message("receptive field: pixels per side that one output depends on"),
            message("A ReLU follows each convolution."),
        ),
    )
