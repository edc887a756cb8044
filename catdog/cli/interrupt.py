"""Ctrl-C that is never lost.

Python raises KeyboardInterrupt wherever it happens to be. In a callback of the garbage collector that JAX
installs it is printed and forgotten; in the middle of an import it leaves half a module, or brings a C++
library down. So a signal that comes there is put off by a moment, again and again, until the program is
somewhere else.
"""

import signal
from types import FrameType

_MOMENT = 0.02  # seconds


def install() -> None:
    """From now on, SIGINT raises KeyboardInterrupt, but only where it is safe."""
    if hasattr(signal, "setitimer"):  # not on Windows, which keeps Python's own handler
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGALRM, _interrupt)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    if _is_delicate(frame):
        signal.setitimer(signal.ITIMER_REAL, _MOMENT)
    else:
        raise KeyboardInterrupt


def _is_delicate(frame: FrameType | None) -> bool:
    while frame is not None:
        code = frame.f_code
        if code.co_name in ("_xla_gc_callback", "__del__") or "importlib" in code.co_filename:
            return True
        frame = frame.f_back
    return False
