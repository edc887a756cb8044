"""A command in several processes: the options, what each process shows, and that they end together."""

import os
import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from catdog import hosts, interrupt
from catdog.cli import console
from catdog.cli.command import option
from catdog.cli.translate import translated
from catdog.text import N_, Message, message

NAMES = ("coordinator", "processes", "process_id")

_COORDINATOR, _PROCESSES, _PROCESS_ID = hosts.VARIABLES
_OPTIONS = (
    option("--coordinator", "Processes", N_("HOST:PORT of process 0."), str, envvar=_COORDINATOR),
    option("--processes", "Processes", N_("Number of processes."), click.IntRange(1), envvar=_PROCESSES),
    option("--process-id", "Processes", N_("Number of this one."), click.IntRange(0), envvar=_PROCESS_ID),
)


def process_options(command: Callable[..., object]) -> Callable[..., object]:
    """--coordinator, --processes and --process-id. The command is called when all processes are connected.

    JAX must have looked for no device before. Each process waits for the end of the others.
    """

    @wraps(command)
    def made(
        *args: Any, coordinator: str | None, processes: int | None, process_id: int | None, **rest: Any
    ) -> object:
        options = {"coordinator": coordinator, "processes": processes, "process": process_id}
        group = _join(hosts.find_place(os.environ, **options))
        try:
            result = command(*args, **rest)
        except RuntimeError as error:
            if not group.is_broken(error):
                raise
            interrupt.raise_if_requested()
            raise hosts.lost() from error
        group.finish()
        return result

    for option_of in reversed(_OPTIONS):
        made = option_of(made)
    return made


def _join(place: hosts.Place | None) -> hosts.Group:
    """Connect with the other processes, if there are any; their lines begin with their number."""
    if place is None:
        return hosts.ALONE
    group = hosts.join(place)
    console.prefix = group.prefix
    _keep_stdout(group.prefix)

    def sentence(reason: Message) -> str:
        return group.prefix + translated(message("catdog: error: {sentence}", sentence=reason))

    group.listen(
        lambda line: click.echo(line, err=True),
        sentence(hosts.DIED),
        lambda process, reason: sentence(hosts.failed(process, reason)),
    )
    return group


def _keep_stdout(prefix: str) -> None:
    """Libraries report their connections on stdout, which belongs to the results: they get stderr instead."""
    sys.stdout.flush()
    kept = os.dup(1)
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(writing)
    threading.Thread(target=_forward, args=(reading, prefix.encode()), daemon=True).start()
    buffering = 1 if os.isatty(kept) else -1
    words = {"encoding": sys.stdout.encoding, "errors": "backslashreplace"}
    sys.stdout = open(kept, "w", buffering, closefd=False, **words)


def _forward(reading: int, prefix: bytes) -> None:
    """Whole lines: they come in pieces, between which this process writes lines of its own."""
    with open(reading, "rb") as lines:
        for line in lines:
            os.write(2, prefix + line)
