"""Ctrl-C that is never lost.

Python raises KeyboardInterrupt wherever it happens to be. In a callback, of a weak reference, of the garbage
collector, of an object's end, it is printed and forgotten: so it is raised again a moment later. In the
middle of an import it leaves half a module, or brings a C++ library down, and while a thread is started it
leaves one that nobody ends: there it is put off by a moment, again and again, until the program is elsewhere.
"""

import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_MOMENT = 0.02  # seconds


def install() -> None:
    """From now on, SIGINT raises KeyboardInterrupt, but only where it is safe, and until somebody sees it."""
    if hasattr(signal, "setitimer"):  # not on Windows, which keeps Python's own handler
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGALRM, _interrupt)
        sys.unraisablehook = _ignored


def cancel_timers() -> None:
    """Timers that an interrupt has kept somebody from cancelling; Python would wait for them at its end.

    JAX sets one of a minute while it looks for a TPU.
    """
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def _interrupt(signum: int, frame: FrameType | None) -> None:
    if _is_delicate(frame):
        _again()
    else:
        raise KeyboardInterrupt


def _ignored(what: "UnraisableHookArgs") -> None:
    if issubclass(what.exc_type, KeyboardInterrupt):
        _again()
    else:
        sys.__unraisablehook__(what)


def _again() -> None:
    signal.setitimer(signal.ITIMER_REAL, _MOMENT)


def _is_delicate(frame: FrameType | None) -> bool:
    while frame is not None:
        code = frame.f_code
        if "importlib" in code.co_filename or code is threading.Thread.start.__code__:
            return True
        frame = frame.f_back
    return False
