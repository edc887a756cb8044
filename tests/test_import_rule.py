"""The order of the rooms: imports go down. And what every module has to be like."""

import ast
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import catdog

PACKAGE = Path(catdog.__file__).parent

# A room may import the rooms behind it. The first part of a module's path below `catdog` is its room.
ROOMS: Sequence[str] = (
    "cli api reports export insight evaluation checks inference training features data archives weights "
    "model runs records devices hosts workspace progress config durable large memory errors text escapes "
    "interrupt"
).split()
ANYTHING = {"__main__", "__init__"}

# Third-party package → the only rooms that may import it.
ONLY = {
    "PIL": {"data"},
    "click": {"cli"},
    "rich": {"cli"},
    "textual_image": {"cli"},
    "platformdirs": {"workspace"},
    "flax": {"model"},
    "jax": {"model", "features", "training", "inference", "insight", "checks", "devices", "hosts"},
    "optax": {"model", "training", "insight", "checks"},
    "filelock": {"weights", "features", "runs"},
    "jinja2": {"reports"},
    "matplotlib": {"reports"},
    "scipy": {"evaluation", "checks", "training"},
    "psutil": {"memory"},
    "requests": {"weights"},
    "urllib3": set(),  # not for photos of the web: it has no deadline
}
SLOW_TO_IMPORT = {
    "filelock",
    "flax",
    "jax",
    "jinja2",
    "matplotlib",
    "optax",
    "psutil",
    "requests",
    "scipy",
    "urllib3",
}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Full names of all modules that the file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = _room(path)
    for name in _imports(path):
        top, _, rest = name.partition(".")
        if top == "catdog":
            target = rest.partition(".")[0]
            if target != "__version__" and room not in ANYTHING:
                assert target in ROOMS[ROOMS.index(room) :], f"{room} may not import {name}"
        elif top in ONLY:
            assert room in ONLY[top], f"{room} may not import {name}"


def test_help_is_there_at_once() -> None:
    """In turns with what any command of click costs: a busy machine slows down both."""
    seconds: dict[str, list[float]] = {"import click": [], "from catdog.cli import run; run(['--help'])": []}
    for _ in range(5):
        for program, taken in seconds.items():
            began = time.monotonic()
            subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
            taken.append(time.monotonic() - began)
    click, catdog_help = map(min, seconds.values())
    assert catdog_help < 3 * click


def test_every_room_is_known() -> None:
    assert {_room(path) for path in _modules()} == {*ROOMS, *ANYTHING}


def test_no_variable_is_called_one() -> None:
    found = []
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Name(id="one", ctx=ast.Store()) | ast.arg(arg="one") | ast.FunctionDef(name="one"):
                    found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert not found


def test_modules_are_short_and_have_a_docstring() -> None:
    for path in _modules():
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 400, f"{path} is two modules"
        assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is"
        assert path.stem not in {"utils", "helpers", "common", "manager"}


@pytest.mark.parametrize(
    "statement",
    [
        "import catdog",
        "from catdog.cli import run; run(['--help'])",
        "from catdog.cli import run; run(['train', '--help'])",
        "from catdog.cli import run; run(['inspect', '--optimizers'])",
        "from catdog.cli import run; run(['inspect', '--layers'])",
        "from catdog.cli import run; run(['inspect', '--architectures'])",
        "import catdog.runs",
    ],
)
def test_what_computes_nothing_imports_nothing_slow(statement: str) -> None:
    check = f"{statement}\nimport sys\nassert not {SLOW_TO_IMPORT} & sys.modules.keys()"
    subprocess.run([sys.executable, "-W", "error", "-c", check], check=True, capture_output=True)
