"""Inputs as they come: gathered by a thread, answered in chunks, none held back for others that are late."""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, Full, Queue
from tempfile import TemporaryDirectory
from threading import Event, Lock, Semaphore, Thread

from catdog.errors import CatdogError, PhotoError
from catdog.inference import web
from catdog.inference.inputs import Input

# Photos in a chunk: few at first, to see an answer soon, then as many as keep a device busy for so long that
# its being idle between two chunks does not count. The bound keeps memory flat.
_FIRST, _GROWTH, _LARGEST = 8, 8, 2048
_SECONDS = 20.0
# How long a chunk is kept open for one input more, and for all of them.
_PAUSE, _PATIENCE = 0.05, 0.2
_AHEAD = 256  # inputs that are known, or fetched, before their chunk
_DOWNLOADS = 8  # at a time
_GLANCE = 0.2  # seconds after which a thread looks whether it is still wanted

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
    downloads = _Downloads(allow_private=allow_private)
    feed = Thread(target=_feed, args=(inputs, queue, downloads, stop), name="catdog-inputs", daemon=True)
    arrivals, size = _Arrivals(queue), _FIRST
    try:
        feed.start()
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
        stop.set()  # and nothing that the threads hold is waited for: a server may be slow
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


def _feed(inputs: Iterable[Input], queue: _Queue, downloads: "_Downloads", stop: Event) -> None:
    """Put the inputs into the queue; fetch those that are on the web meanwhile."""

    def put(one: Future[Input] | None) -> None:
        while not stop.is_set():
            try:
                return queue.put(one, timeout=_GLANCE)
            except Full:
                pass

    try:
        for number, one in enumerate(inputs):
            if stop.is_set():
                return
            put(downloads.start(number, one, stop) if one.is_address else _done(one))
    except BaseException as error:  # raised in the thread that takes the inputs
        failed: Future[Input] = Future()
        if isinstance(error, OSError):
            error = CatdogError("the list of photos cannot be read: {reason}", reason=error.strerror or error)
        failed.set_exception(error)
        put(failed)
    finally:
        put(None)


class _Downloads:
    """Photos from the web, some at a time, in a temporary folder that is made when it is first needed."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._folder: TemporaryDirectory[str] | None = None
        self._deleted = False
        self._lock = Lock()
        self._slots = Semaphore(_DOWNLOADS)

    def start(self, number: int, one: Input, stop: Event) -> Future[Input]:
        """Fetch it in a thread that nobody waits for at the end."""
        while not self._slots.acquire(timeout=_GLANCE):
            if stop.is_set():
                return _done(one)
        coming: Future[Input] = Future()
        Thread(target=self._fetch, args=(number, one, coming), daemon=True, name="catdog-download").start()
        return coming

    def delete(self) -> None:
        """The folder and what is in it."""
        with self._lock:
            self._deleted = True
            if self._folder:
                self._folder.cleanup()

    def _fetch(self, number: int, one: Input, coming: Future[Input]) -> None:
        try:
            content = web.fetch_photo(one.name or "", allow_private=self._allow_private)
            coming.set_result(one._replace(path=self._keep(number, content)))
        except PhotoError as error:
            coming.set_result(one._replace(error=error.message))
        except OSError as error:
            said = f"what was fetched cannot be kept: {error.strerror or error}"
            coming.set_result(one._replace(error=said))
        except BaseException as error:
            coming.set_exception(error)
        finally:
            self._slots.release()

    def _keep(self, number: int, content: bytes) -> Path:
        with self._lock:
            if self._deleted:
                raise PhotoError("nobody waits for it any more")
            self._folder = self._folder or TemporaryDirectory(prefix="catdog-")
            path = Path(self._folder.name) / str(number)
            path.write_bytes(content)
        return path


def _done(one: Input) -> Future[Input]:
    done: Future[Input] = Future()
    done.set_result(one)
    return done
