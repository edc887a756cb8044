"""Ctrl-C that is never lost.

Python raises KeyboardInterrupt wherever it happens to be. In a callback, of a weak reference, of the garbage
collector, of an object's end, it is printed and forgotten, and a library may catch it with everything else:
so it is raised again if it has gone before `seen` was called. In the middle of an import it leaves half a
module, or brings a C++ library down, and while a thread is started it leaves one that nobody ends: there it
is put off by a moment, again and again, until the program is elsewhere.
"""

import signal
import sys
import threading
import weakref
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_MOMENT = 0.02  # seconds
_PATIENCE = 0.2  # seconds between two looks at whether an interrupt is still under way


class _Interrupt(KeyboardInterrupt):
    """One whose end can be watched."""


_raised: weakref.ref[_Interrupt] | None = None  # the last one, until it is seen


def install() -> None:
    """From now on, SIGINT raises KeyboardInterrupt, but only where it is safe, and until it is seen."""
    if hasattr(signal, "setitimer"):  # not on Windows, which keeps Python's own handler
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGALRM, _interrupt)
        sys.unraisablehook = _ignored


def seen() -> None:
    """The interrupt has arrived where it is heeded, or the program is at its end.

    Timers that it has kept somebody from cancelling are cancelled: Python would wait for them. JAX sets one
    of a minute while it looks for a TPU.
    """
    global _raised
    _raised = None
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def _interrupt(signum: int, frame: FrameType | None) -> None:
    global _raised
    if signum == signal.SIGALRM and _raised is not None and _raised() is not None:
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)  # on its way: files are closed, features written
    elif _is_delicate(frame):
        signal.setitimer(signal.ITIMER_REAL, _MOMENT)
    else:
        error = _Interrupt()
        _raised = weakref.ref(error)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
        try:
            raise error
        finally:
            del error  # its traceback has this frame: it would never go


def _ignored(what: "UnraisableHookArgs") -> None:
    if not issubclass(what.exc_type, _Interrupt):  # that one is raised again
        sys.__unraisablehook__(what)


def _is_delicate(frame: FrameType | None) -> bool:
    while frame is not None:
        code = frame.f_code
        if "importlib" in code.co_filename or code is threading.Thread.start.__code__:
            return True
        frame = frame.f_back
    return False
