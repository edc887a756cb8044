"""What the processes of a training tell each other, with a dictionary in place of JAX's service."""

import json
import os
import signal
from collections.abc import Iterator
from threading import Thread

import pytest

from catdog import hosts, interrupt
from catdog.errors import OptionError
from catdog.hosts import Group
from catdog.runs import shipped_run
from catdog.training.train import _shared
from tests.process import Service, command_line_signals


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The handlers of the command line; a process that ends raises SystemExit."""

    def end(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", end)
    with command_line_signals(monkeypatch):
        yield


def test_a_process_that_stops_with_the_others_is_not_stopped_again(
    signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "_LISTEN", 0.01)
    monkeypatch.setattr(hosts, "_FAREWELL", 0.1)
    group = Group(0, 2, Service({"catdog/stop/1": ""}))
    with pytest.raises(interrupt.Preempted):
        interrupt.preempt()
    interrupt.seen()
    Thread(target=group._listen, args=(print, "{} {}".format), daemon=True).start()
    with pytest.raises(SystemExit, match="75"):
        group.end(interrupt.PREEMPTED, "")


def test_a_signal_that_comes_when_all_are_done_is_ignored(signals: None) -> None:
    Group(0, 2, Service({"catdog/1/1": "null"})).finish()
    os.kill(os.getpid(), signal.SIGTERM)
    assert not interrupt.requested()


def test_processes_with_different_numbers_of_devices_are_named() -> None:
    facts = _shared(shipped_run().config)  # as each process has them
    others = json.dumps(facts | {"number of devices": 9})
    with pytest.raises(OptionError, match="the same number of devices: process 0 has 1, process 1 has 9"):
        Group(0, 2, Service({"catdog/1/1": others})).require_same(facts)


def test_a_process_that_waits_for_a_stopped_one_ends_too(
    signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: None)  # as if Python did not come to its handler
    for name in ("_LISTEN", "_STUCK", "_FAREWELL"):
        monkeypatch.setattr(hosts, name, 0.01)
    service = Service({"catdog/stop/1": ""})
    with pytest.raises(SystemExit, match="75"):
        Group(0, 2, service)._listen(print, "{} {}".format)
    assert "catdog/stop/0" in service


def test_a_process_whose_stderr_is_closed_ends_with_the_others(
    signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(_: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(hosts, "_LISTEN", 0.01)
    with pytest.raises(SystemExit, match="1"):
        Group(0, 2, Service({"catdog/failed/1": "no photos"}))._listen(tell, "{} {}".format)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_change_the_status(
    signals: None, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(hosts.time, "sleep", lambda _: os.kill(os.getpid(), number))
    service = Service()
    with pytest.raises(SystemExit, match="130"):
        Group(1, 2, service).end(130, "stopped by Ctrl-C at caf\udce9.jpg")
    assert service == {"catdog/failed/1": "stopped by Ctrl-C at caf\\udce9.jpg"}  # JAX takes UTF-8 alone
