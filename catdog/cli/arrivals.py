"""Inputs as they come: gathered by a thread, answered in chunks, none held back for others that are late."""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread

from catdog.cli.inputs import Input
from catdog.data import web
from catdog.errors import PhotoError

# Photos in a chunk: few at first, to see an answer soon, then as many as keep a device busy for so long that
# its being idle between two chunks does not count. The bound keeps memory flat.
_FIRST, _GROWTH, _LARGEST = 8, 8, 2048
_SECONDS = 20.0
# How long a chunk is kept open for one input more, and for all of them.
_PAUSE, _PATIENCE = 0.05, 0.2
_AHEAD = 256  # inputs that are known, or fetched, before their chunk
_DOWNLOADS = 8  # at a time

_Queue = Queue[Future[Input] | None]  # None stands behind the last one


def chunks(
    inputs: Iterable[Input],
    *,
    allow_private: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Sequence[Input], None, None]:
    """The inputs, in order, in groups that grow until one keeps the caller busy for some seconds.

    A group is closed early where the next input is not there yet: whoever writes a path into a pipe and waits
    for the answer gets it. What is on the web is brought into a temporary folder, which is there until the
    generator is closed; the caller may delete the files before. `inputs` are taken in a thread; what they
    raise is raised here.
    """
    queue: _Queue = Queue(_AHEAD)
    stop = Event()
    downloads = _Downloads()
    bring = partial(_bring, downloads=downloads, allow_private=allow_private)
    pool = ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="catdog-downloads")
    feed = Thread(target=_feed, args=(inputs, queue, pool, bring, stop), name="catdog-inputs", daemon=True)
    feed.start()
    arrivals, size = _Arrivals(queue), _FIRST
    try:
        while first := arrivals.take(None):
            chunk, patience = [first], time.monotonic() + _PATIENCE
            while len(chunk) < size:
                one = arrivals.take(max(0.0, min(_PAUSE, patience - time.monotonic())))
                if one is None:
                    break
                chunk.append(one)
            began = clock()
            yield chunk
            if len(chunk) == size:  # less says little of how fast the caller is
                wanted = round(size * _SECONDS / max(clock() - began, 0.001))
                size = max(_FIRST, min(wanted, _GROWTH * size, _LARGEST))
    finally:
        stop.set()
        while not queue.empty():  # the thread may be waiting for room
            queue.get_nowait()
        pool.shutdown(cancel_futures=True)
        downloads.delete()


class _Arrivals:
    """The reader's end of the queue."""

    def __init__(self, queue: _Queue):
        self._queue = queue
        self._next: Future[Input] | None = None  # seen, and not finished yet
        self._ended = False

    def take(self, seconds: float | None) -> Input | None:
        """The next input; None if it does not come in time (None is for ever), or there is none any more.

        What ended the inputs is raised when they are waited for without a limit: those before it come first.
        """
        try:
            if self._next is None and not self._ended:
                self._next = self._queue.get(timeout=seconds)
                self._ended = self._next is None
            if self._next is None:
                return None
            if self._next.exception(seconds) and seconds is not None:
                return None
        except (Empty, TimeoutError):
            return None
        one, self._next = self._next.result(), None
        return one


def _feed(
    inputs: Iterable[Input],
    queue: _Queue,
    pool: ThreadPoolExecutor,
    bring: Callable[[int, Input], Input],
    stop: Event,
) -> None:
    """Put the inputs into the queue; fetch those that are on the web meanwhile."""
    try:
        for number, one in enumerate(inputs):
            if stop.is_set():
                return
            queue.put(pool.submit(bring, number, one) if one.is_address else _done(one))
    except BaseException as error:  # raised in the thread that takes the inputs
        failed: Future[Input] = Future()
        failed.set_exception(error)
        queue.put(failed)
    finally:
        queue.put(None)


class _Downloads:
    """A temporary folder that is made when it is first needed: most inputs are files."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._lock = Lock()

    def place(self, number: int) -> Path:
        """Where download `number` is to go."""
        with self._lock:
            self._folder = self._folder or TemporaryDirectory(prefix="catdog-")
        return Path(self._folder.name) / str(number)

    def delete(self) -> None:
        """The folder and what is in it."""
        if self._folder:
            self._folder.cleanup()


def _bring(number: int, one: Input, *, downloads: _Downloads, allow_private: bool) -> Input:
    try:
        content = web.fetch_photo(one.name or "", allow_private=allow_private)
        path = downloads.place(number)
        path.write_bytes(content)
    except PhotoError as error:
        return one._replace(error=str(error))
    except OSError as error:
        return one._replace(error=f"what was fetched cannot be kept: {error.strerror or error}")
    return one._replace(path=path)


def _done(one: Input) -> Future[Input]:
    done: Future[Input] = Future()
    done.set_result(one)
    return done
