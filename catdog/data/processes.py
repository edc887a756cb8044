"""Apply a function to many photos on many cores, in processes where threads would wait for each other.

Pillow frees the interpreter lock while it decodes, but the Python around it holds the lock: four threads
decode 3.3 times as many photos as one, sixteen threads fewer than four (docs/numbers.md).
"""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Any, TypeVar, cast

from catdog.data import budget
from catdog.data.parallel import AHEAD, ordered_map

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREADS = 4  # workers up to which threads are used
_MANY = 2000  # photos from which starting processes takes less time than they save
_CHUNK = 16  # photos that a process is given at once
_IDLE = 30  # seconds after which a process without work ends
_MOMENT = 1.0  # seconds between two looks at whether the main process still exists


def photo_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, count: int, workers: int, ahead: int = AHEAD
) -> Generator[Result, None, None]:
    """`ordered_map`, by processes if there are many items and workers.

    Args:
        function: of a module, or a `partial` of one, with a result that can be pickled. It may raise
            `NeedsMainProcess`: the item is then done here.
        count: of the items, about.
    """
    pool = _pool(workers) if workers > _THREADS and count >= _MANY else None
    if pool is None:
        return ordered_map(function, items, workers=workers, ahead=ahead)
    return _in_processes(pool, function, iter(items), chunks=max(2 * workers, ahead // _CHUNK))


def _in_processes(
    pool: Any, function: Callable[[Item], Result], items: Iterator[Item], *, chunks: int
) -> Generator[Result, None, None]:
    """At most so many chunks are in flight."""
    waiting: deque[tuple[list[Item], Future[list[tuple[Result | None, bool]]]]] = deque()
    try:
        while True:
            while len(waiting) < chunks and (chunk := list(islice(items, _CHUNK))):
                waiting.append((chunk, Future()))  # not lost if no process can take it
                waiting[-1] = chunk, pool.submit(_apply, function, chunk)
            if not waiting:
                return
            chunk, future = waiting[0]
            for item, (result, is_left) in zip(chunk, future.result(), strict=True):
                yield function(item) if is_left else cast(Result, result)
            waiting.popleft()
    except BrokenProcessPool:  # a process was killed, for example because the memory is full
        left = chain.from_iterable(chunk for chunk, _ in waiting)
        yield from ordered_map(function, chain(left, items), workers=_THREADS)
    finally:
        for _, future in waiting:
            future.cancel()


def _pool(workers: int) -> Any:
    """Processes that are kept for the next call; None where the system has none to give."""
    from loky import get_reusable_executor

    try:
        return get_reusable_executor(
            workers, timeout=_IDLE, initializer=_begin, initargs=(workers, os.getpid())
        )
    except (ImportError, NotImplementedError, OSError):  # no semaphores, or no permission to start processes
        return None


def _begin(processes: int, main: int) -> None:
    """Of each process: it ends when the main process has ended, however that was."""
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):  # they are for the main process; Windows lacks the last
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    budget.share(processes)
    threading.Thread(target=_end_with, args=(main,), daemon=True).start()


def _end_with(main: int) -> None:
    while os.getppid() == main:
        time.sleep(_MOMENT)
    os._exit(1)


def _apply(function: Callable[[Item], Result], items: Sequence[Item]) -> list[tuple[Result | None, bool]]:
    """(result, whether it is left to the main process) of each item."""
    results: list[tuple[Result | None, bool]] = []
    for item in items:
        try:
            results.append((function(item), False))
        except budget.NeedsMainProcess:
            results.append((None, True))
    return results
