"""Inputs as they arrive: gathered by a thread into chunks; none waits for another that is late."""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from queue import Empty, Full, Queue
from tempfile import TemporaryDirectory
from threading import Event, Lock, Semaphore, Thread

from catdog.errors import CatdogError, PhotoError
from catdog.inference import web
from catdog.inference.connection import in_thread
from catdog.inference.inputs import Input
from catdog.text import message, reason

# Photos in a chunk: few at first, for an early first prediction, then so many that the device is busy for
# some seconds, and its idle time between two chunks does not matter. The limit keeps memory flat.
_FIRST, _GROWTH, _LARGEST = 8, 8, 2048
_SECONDS = 20.0
_PAUSE, _PATIENCE = 0.05, 0.2  # seconds that a chunk waits for its next input, and for all of them
_AHEAD = 256  # inputs that are listed, or downloaded, before their chunk
_DOWNLOADS = 8  # at a time
_GLANCE = 0.2  # seconds between two looks at whether a thread is still needed

_Coming = Future[Input | None]  # None comes after the last input


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
    feed, size = _Feed(inputs, allow_private=allow_private), _FIRST
    try:
        while first := feed.take(None):
            chunk, patience = [first], time.monotonic() + _PATIENCE
            while len(chunk) < size:
                following = feed.take(max(0.0, min(_PAUSE, patience - time.monotonic())))
                if following is None:
                    break
                chunk.append(following)
            began = clock()
            yield chunk
            if len(chunk) == size:  # a smaller chunk does not show how fast the caller is
                wanted = round(size * _SECONDS / max(clock() - began, 0.001))
                size = max(_FIRST, min(wanted, _GROWTH * size, _LARGEST))
    finally:
        feed.close()


class _Feed:
    """Inputs that a thread takes, for one reader. Those on the web are downloaded, some at a time."""

    def __init__(self, inputs: Iterable[Input], *, allow_private: bool):
        self._queue: Queue[_Coming] = Queue(_AHEAD)
        self._next: _Coming | None = None  # taken from the queue, perhaps not downloaded yet
        self._allow_private = allow_private
        self._folder: TemporaryDirectory[str] | None = None  # of downloads, made when it is first needed
        self._lock, self._slots, self._stop = Lock(), Semaphore(_DOWNLOADS), Event()
        Thread(target=self._run, args=(inputs,), name="catdog-inputs", daemon=True).start()

    def take(self, seconds: float | None) -> Input | None:
        """The next input; None where it does not arrive within `seconds`, or where there are no more.

        None waits without a limit. Only then is an error that ended the inputs raised: others come first.
        """
        try:
            self._next = self._next or self._queue.get(timeout=seconds)
            if self._next.exception(seconds) and seconds is not None:
                return None
        except (Empty, TimeoutError):
            return None
        arrived = self._next.result()
        if arrived:
            self._next = None
        return arrived

    def close(self) -> None:
        """Delete the downloads. The threads end by themselves: nobody waits for a slow server."""
        self._stop.set()
        with self._lock:
            if self._folder:
                self._folder.cleanup()

    def _run(self, inputs: Iterable[Input]) -> None:
        try:
            for number, photo in enumerate(inputs):
                if self._stop.is_set():
                    return
                self._put(self._download(number, photo) if photo.is_address else _done(photo))
        except BaseException as error:  # raised in the thread that takes the inputs
            failed: _Coming = Future()
            if isinstance(error, OSError):
                error = CatdogError("the list of photos cannot be read: {reason}", reason=error)
            failed.set_exception(error)
            self._put(failed)
        finally:
            self._put(_done(None))

    def _put(self, coming: _Coming) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put(coming, timeout=_GLANCE)
            except Full:
                pass

    def _download(self, number: int, photo: Input) -> _Coming:
        while not self._slots.acquire(timeout=_GLANCE):
            if self._stop.is_set():
                return _done(photo)
        return in_thread("catdog-download", partial(self._fetch, number, photo))

    def _fetch(self, number: int, photo: Input) -> Input | None:
        try:
            content = web.fetch_photo(photo.shown, allow_private=self._allow_private)
            with self._lock:
                if self._stop.is_set():
                    raise PhotoError("the command has ended")
                self._folder = self._folder or TemporaryDirectory(prefix="catdog-")
                path = Path(self._folder.name) / str(number)
                path.write_bytes(content)
            return photo._replace(path=path)
        except PhotoError as error:
            return photo._replace(error=error.message)
        except OSError as error:
            unstored = message("the download cannot be stored: {reason}", reason=reason(error))
            return photo._replace(error=unstored)
        finally:
            self._slots.release()


def _done(photo: Input | None) -> _Coming:
    done: _Coming = Future()
    done.set_result(photo)
    return done
