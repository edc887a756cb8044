"""What the parts of speed.py share: how much is measured, tables of figures, the machine, processes."""

import importlib.metadata
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catdog import __version__, devices

HERE = Path(__file__).parent
_PACKAGES = ("jax", "jaxlib", "keras", "torch", "onnxruntime", "pillow")


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    turns: int
    job_turns: int
    seconds: float  # that each extractor is measured for
    memory: int  # photos that are extracted from memory
    train: int  # photos of the job
    valid: int
    input: int  # photos of the input side
    size: int = 224  # of the photos that are extracted from memory


FULL = Plan(turns=3, job_turns=3, seconds=8, memory=64, train=160, valid=40, input=2000)
QUICK = Plan(turns=1, job_turns=1, seconds=2, memory=32, train=16, valid=8, input=500)


@dataclass
class Table:
    """Figures of one kind: name → one figure a turn."""

    title: str
    unit: str
    ratio: str  # what the ratio to the first row means
    figures: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    first_is_divided: bool = False  # by the others, for the ratio; else they are divided by it

    def add(self, name: str, figure: float) -> None:
        """One more turn's."""
        self.figures.setdefault(name, []).append(figure)
        print(f"  {self.title}: {name}: {figure:.3g} {self.unit}", file=sys.stderr, flush=True)

    def markdown(self) -> str:
        """The table; the first row is what the others are compared with."""
        first = next(iter(self.figures.values()))
        lines = [f"| {self.title} | {self.unit} | {self.ratio} |", "| --- | --- | --- |"]
        for name, figures in self.figures.items():
            ratios = [
                one / other if self.first_is_divided else other / one
                for one, other in zip(first, figures, strict=True)
            ]
            ratio = "" if figures is first else f"{statistics.median(ratios):.2f}"
            figure = statistics.median(figures)
            amount = f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
            lines.append(f"| {name} | {amount} | {ratio} |")
        lines += [f"| {name} | {why} | |" for name, why in self.absent.items()]
        return "\n".join(lines)


def describe() -> str:
    """The machine, its vector instructions and the versions, in one line."""
    processor = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        names = [line for line in facts.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in _PACKAGES
        if importlib.util.find_spec({"pillow": "PIL"}.get(name, name))
    ]
    probe = "from catdog import devices; devices.set_flags(); print(devices.describe())"
    found = python("-c", probe)
    return (
        f"{processor} ({instructions()}), {devices.usable_cores()} cores for everybody; {found}; "
        f"Python {platform.python_version()}, catdog {__version__}, {', '.join(versions)}"
    )


def instructions() -> str:
    """Which of the vector instructions that matter here the processor has."""
    facts = Path("/proc/cpuinfo")
    if not facts.is_file():
        return "instructions unknown"
    lines = [line.split() for line in facts.read_text().splitlines() if line.startswith("flags")]
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return ", ".join(name for name in known if name in lines[0]) if lines else "no x86"


def time_of(arguments: list[Any], **environment: str) -> float:
    """How long a Python process takes, from its start to its end."""
    began = time.monotonic()
    python(*arguments, **environment)
    return time.monotonic() - began


def python(*arguments: object, **environment: str) -> str:
    """What a Python process prints; it ends this one with its errors where it fails."""
    command = [sys.executable, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, cwd=HERE)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
    return result.stdout.strip()
