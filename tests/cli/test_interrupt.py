"""Ctrl-C where Python would forget it, or leave a thread behind; each in a process of its own."""

import subprocess
import sys

import pytest

START = """
import os, signal, sys, threading, time, weakref
from catdog import interrupt
interrupt.install()
class Thing: pass
def ctrl_c(*_):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass  # here it is raised
"""


def _run(body: str) -> subprocess.CompletedProcess[str]:
    code = START + body
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize(
    "forgetful",
    [
        "thing = Thing(); ref = weakref.ref(thing, ctrl_c); del thing",
        "Thing.__del__ = ctrl_c; thing = Thing(); del thing",
        "import gc; gc.callbacks.append(ctrl_c); gc.collect(); gc.callbacks.clear()",
        """try: ctrl_c()
    except: pass  # as libraries do""",
    ],
)
def test_what_python_forgets_is_raised_again(forgetful: str) -> None:
    result = _run(f"""
try:
    {forgetful}
    print("went on", flush=True)
    time.sleep(20)
except KeyboardInterrupt:
    interrupt.seen()
    print("interrupted")
    time.sleep(1)  # and not again
""")
    assert result.stdout.splitlines() == ["went on", "interrupted"]
    assert (result.returncode, result.stderr) == (0, "")


def test_no_thread_is_left_half_started() -> None:
    result = _run("""
class Slow(threading.Event):
    def wait(self, timeout=None):
        ctrl_c()
        return super().wait(timeout)
timer = threading.Timer(20, print)
timer._started = Slow()
started = False
try:
    timer.start()
    started = True
    time.sleep(20)
except KeyboardInterrupt:
    timer.cancel()
    print(started)
""")
    assert (result.returncode, result.stdout, result.stderr) == (0, "True\n", "")


def test_other_exceptions_that_are_ignored_are_told() -> None:
    result = _run("Thing.__del__ = lambda self: 1 / 0; Thing()")
    assert "Exception ignored in" in result.stderr
    assert "ZeroDivisionError" in result.stderr


def test_a_timer_that_nobody_cancelled_does_not_hold_up_the_end() -> None:
    result = _run("""
threading.Timer(60, print).start()  # longer than this process may take
interrupt.seen()
""")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_an_interrupt_on_its_way_is_left_alone() -> None:
    result = _run("""
try:
    try:
        ctrl_c()
    finally:
        time.sleep(1)  # features are written
        print("written", flush=True)
except KeyboardInterrupt:
    interrupt.seen()
    print("seen")
""")
    assert (result.returncode, result.stdout, result.stderr) == (0, "written\nseen\n", "")
