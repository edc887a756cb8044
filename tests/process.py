"""The command line in a process of its own, the places of several that work together, and their signals."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catdog import interrupt


def catdog(
    *arguments: object, cwd: Path | None = None, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "catdog", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | environment,
        check=False,
    )


def places_of(processes: int) -> list[dict[str, str]]:
    """The environment of each process of one training, with two devices each."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    common = {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "2",
        "CATDOG_COORDINATOR": f"localhost:{port}",
        "CATDOG_HEARTBEAT_SECONDS": "4",
        "CATDOG_PROCESSES": str(processes),
    }
    return [common | {"CATDOG_PROCESS_ID": str(number)} for number in range(processes)]


@contextmanager
def command_line_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The handlers of the command line within the block."""
    for name in ("_raised", "_preempted", "_deferring", "_installed"):
        monkeypatch.setattr(interrupt, name, getattr(interrupt, name))
    numbers = (signal.SIGINT, signal.SIGALRM, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    hook = interrupt.sys.unraisablehook
    interrupt.install()
    interrupt.end_on_preemption()
    yield
    interrupt.seen()
    interrupt.sys.unraisablehook = hook
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class Service(dict[str, str]):
    """As the client of JAX's distributed runtime, for processes that are threads."""

    key_value_set = dict.__setitem__

    def key_value_try_get(self, key: str) -> str:
        if key not in self:
            raise RuntimeError(f"NOT_FOUND: {key}")
        return self[key]

    key_value_delete = dict.pop

    def key_value_dir_get(self, folder: str) -> list[tuple[str, str]]:
        return [(key, value) for key, value in self.items() if key.startswith(folder)]
