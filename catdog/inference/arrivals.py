"""Inputs as they arrive: gathered by a thread into chunks; none waits for another that is late."""

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
from catdog.text import message

# Photos in a chunk: few at first, for an early first prediction, then so many that the device is busy for
# some seconds, and its idle time between two chunks does not matter. The limit keeps memory flat.
_FIRST, _GROWTH, _LARGEST = 8, 8, 2048
_SECONDS = 20.0
# Seconds that a chunk waits for its next input, and for all of them.
_PAUSE, _PATIENCE = 0.05, 0.2
_AHEAD = 256  # inputs that are listed, or downloaded, before their chunk
_DOWNLOADS = 8  # at a time
_GLANCE = 0.2  # seconds between two looks at whether a thread is still needed

_Queue = Queue[Future[Input] | None]  # None comes after the last input


def chunks(
    inputs: Iterable[Input], *, allow_private: bool = False, clock: Callable[[], float] = time.monotonic
) -> Generator[Sequence[Input], None, None]:
    """The inputs, in order, in groups that grow until one keeps the caller busy for some seconds.

    A group is closed early where the next input has not arrived: a program that writes a path into a pipe and
    waits for the prediction gets it. Photos from the web are downloaded into a temporary folder, which is
    deleted when the generator is closed; the caller may delete the files before. `inputs` are taken in a
    thread; what they raise is raised here.

    Args:
        allow_private: also download from this machine and from private networks.
        clock: gives seconds.
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
                following = arrivals.take(max(0.0, min(_PAUSE, patience - time.monotonic())))
                if following is None:
                    break
                chunk.append(following)
            began = clock()
            yield chunk
            if len(chunk) == size:  # a smaller chunk does not show how fast the caller is
                wanted = round(size * _SECONDS / max(clock() - began, 0.001))
                size = max(_FIRST, min(wanted, _GROWTH * size, _LARGEST))
    finally:
        stop.set()  # without waiting for the threads: a server may be slow
        downloads.delete()


class _Arrivals:
    """The inputs in the queue, for one reader."""

    def __init__(self, queue: _Queue):
        self._queue = queue
        self._next: Future[Input] | None = None  # taken from the queue, perhaps not downloaded yet
        self._ended = False

    def take(self, seconds: float | None) -> Input | None:
        """The next input; None where it does not arrive in time, or where there are no more.

        An error that ended the inputs is raised only when `seconds` is None: those before it come first.

        Args:
            seconds: to wait; None is without a limit.
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
        arrived, self._next = self._next.result(), None
        return arrived


def _feed(inputs: Iterable[Input], queue: _Queue, downloads: "_Downloads", stop: Event) -> None:
    """Put the inputs into the queue; start the downloads of those on the web."""

    def put(coming: Future[Input] | None) -> None:
        while not stop.is_set():
            try:
                return queue.put(coming, timeout=_GLANCE)
            except Full:
                pass

    try:
        for number, photo in enumerate(inputs):
            if stop.is_set():
                return
            put(downloads.start(number, photo, stop) if photo.is_address else _done(photo))
    except BaseException as error:  # raised in the thread that takes the inputs
        failed: Future[Input] = Future()
        if isinstance(error, OSError):
            error = CatdogError("the list of photos cannot be read: {reason}", reason=error.strerror or error)
        failed.set_exception(error)
        put(failed)
    finally:
        put(None)


class _Downloads:
    """Downloads photos, some at a time, into a temporary folder that is made when it is first needed."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._folder: TemporaryDirectory[str] | None = None
        self._deleted = False
        self._lock = Lock()
        self._slots = Semaphore(_DOWNLOADS)

    def start(self, number: int, photo: Input, stop: Event) -> Future[Input]:
        """Download a photo in a thread that nobody waits for at the end."""
        while not self._slots.acquire(timeout=_GLANCE):
            if stop.is_set():
                return _done(photo)
        coming: Future[Input] = Future()
        Thread(target=self._fetch, args=(number, photo, coming), daemon=True, name="catdog-download").start()
        return coming

    def delete(self) -> None:
        """Delete the folder."""
        with self._lock:
            self._deleted = True
            if self._folder:
                self._folder.cleanup()

    def _fetch(self, number: int, photo: Input, coming: Future[Input]) -> None:
        try:
            content = web.fetch_photo(photo.shown, allow_private=self._allow_private)
            coming.set_result(photo._replace(path=self._store(number, content)))
        except PhotoError as error:
            coming.set_result(photo._replace(error=error.message))
        except OSError as error:
            reason = message("the download cannot be stored: {reason}", reason=error.strerror or error)
            coming.set_result(photo._replace(error=reason))
        except BaseException as error:
            coming.set_exception(error)
        finally:
            self._slots.release()

    def _store(self, number: int, content: bytes) -> Path:
        with self._lock:
            if self._deleted:
                raise PhotoError("the command has ended")
            self._folder = self._folder or TemporaryDirectory(prefix="catdog-")
            path = Path(self._folder.name) / str(number)
            path.write_bytes(content)
        return path


def _done(photo: Input) -> Future[Input]:
    done: Future[Input] = Future()
    done.set_result(photo)
    return done
