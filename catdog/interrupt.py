"""Ctrl-C that is never lost, and the signals by which a scheduler asks a training to end.

Python raises KeyboardInterrupt at whatever line the program is. In a callback (of a weak reference, of the
garbage collector, in `__del__`) it is only printed, and a library may catch it with all other exceptions: so
it is raised again if it disappears before `seen` is called. During an import it leaves half a module or
crashes a C++ library, and during the start of a thread it leaves one that nobody joins: there it is delayed
by a moment, again and again, until the program is elsewhere.

SIGTERM and SIGUSR1 do the same once `end_on_preemption` has been called. Only within `deferred` do they wait
for a moment at which everything can be saved.
"""

import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_MOMENT = 0.02  # seconds
_PATIENCE = 0.2  # seconds between two checks whether an interrupt still exists


PREEMPTED = 75  # the exit status


class _Interrupt(KeyboardInterrupt):
    """A KeyboardInterrupt that can be weakly referenced."""


class Preempted(_Interrupt):
    """Somebody else needs the machine: SIGTERM or SIGUSR1."""


_raised: weakref.ref[_Interrupt] | None = None  # the last one, until `seen` is called
_preempted = False  # such a signal has come
_deferring = 0  # blocks, one within the other
_installed = False


def install() -> None:
    """From now on SIGINT raises KeyboardInterrupt where it is safe, and again until `seen` is called."""
    global _installed
    if hasattr(signal, "setitimer"):  # not on Windows: there Python's own handler stays
        _installed = True
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGALRM, _interrupt)
        sys.unraisablehook = _ignored


def end_on_preemption() -> None:
    """From now on SIGTERM and SIGUSR1 raise `Preempted`, once; where `install` was called before."""
    if _installed:
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, _interrupt)


def ignore_preemption() -> None:
    """From now on SIGTERM and SIGUSR1 are ignored: everything is done, and the program ends in a moment."""
    if _installed:
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Within the block `Preempted` is not raised, but at its end. The value is `requested`.

    Within another such block, at the end of that one.
    """
    global _deferring
    _deferring += 1
    try:
        yield requested
    finally:
        _deferring -= 1
    if _preempted and not _deferring:
        _raise(Preempted())


def requested() -> bool:
    """Whether such a signal has come."""
    return _preempted


def preempt() -> NoReturn:
    """Raise `Preempted`, for a signal that another process has got; one that comes here later is ignored."""
    global _preempted
    _preempted = True
    _raise(Preempted())


def raise_if_requested() -> None:
    """Raise `Preempted` if such a signal has come."""
    if _preempted:
        _raise(Preempted())


def seen() -> None:
    """The interrupt was handled, or the program ends.

    Timers that the interrupt has left are cancelled, because Python would wait for them: JAX sets one of a
    minute while it looks for a TPU.
    """
    global _raised
    _raised = None
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def _interrupt(signum: int, frame: FrameType | None) -> None:
    global _preempted
    if signum not in (signal.SIGINT, signal.SIGALRM):
        if _preempted:  # a scheduler may send it to the whole group of processes, and again
            return
        _preempted = True
    if _preempted and _deferring and signum != signal.SIGINT:
        return
    if signum == signal.SIGALRM and _raised is not None and _raised() is not None:
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)  # it still exists: files are being closed
    elif _is_delicate(frame):
        signal.setitimer(signal.ITIMER_REAL, _MOMENT)
    else:
        _raise(Preempted() if _preempted and signum != signal.SIGINT else _Interrupt())


def _raise(error: _Interrupt) -> NoReturn:
    global _raised
    _raised = weakref.ref(error)
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
    try:
        raise error
    finally:
        del error  # its traceback has this frame: it would never be freed


def _ignored(what: "UnraisableHookArgs") -> None:
    if not issubclass(what.exc_type, _Interrupt):  # an _Interrupt is raised again
        sys.__unraisablehook__(what)


def _is_delicate(frame: FrameType | None) -> bool:
    while frame is not None:
        code = frame.f_code
        if "importlib" in code.co_filename or code is threading.Thread.start.__code__:
            return True
        frame = frame.f_back
    return False
