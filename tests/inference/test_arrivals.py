"""Inputs in chunks: growing with the caller's speed, and none waiting for another that is late."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event

import pytest

from catdog.errors import CatdogError, DataError
from catdog.inference.arrivals import chunks
from catdog.inference.inputs import Input


def _photos(count: int) -> list[Input]:
    return [Input(Path(str(number))) for number in range(count)]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not close a chunk early."""
    monkeypatch.setattr("catdog.inference.arrivals._PAUSE", 30.0)
    monkeypatch.setattr("catdog.inference.arrivals._PATIENCE", 30.0)


@pytest.mark.usefixtures("patient")
def test_they_grow_by_the_time_they_take() -> None:
    photos = _photos(20_000)
    quick = [len(chunk) for chunk in chunks(photos, clock=lambda: 0.0)]
    assert quick[:5] == [8, 64, 512, 2048, 2048]
    assert max(quick) == 2048
    sizes: list[int] = []

    def now() -> float:
        return sum(1 + size / 20 for size in sizes)  # a start, and 20 photos a second

    for chunk in chunks(photos, clock=now):
        sizes.append(len(chunk))
    assert sizes[0] == 8
    assert set(sizes[8:-1]) <= set(range(375, 386))  # twenty seconds each
    assert [photo for chunk in chunks(photos) for photo in chunk] == photos


def test_no_input_waits_for_the_next() -> None:
    predicted = Event()

    def inputs() -> Iterator[Input]:
        for photo in _photos(3):
            yield photo
            assert predicted.wait(30)  # like a program that waits for a prediction before it writes on
            predicted.clear()

    for number, chunk in enumerate(chunks(inputs())):
        assert chunk == [Input(Path(str(number)))]
        predicted.set()


def test_photos_before_a_slow_download_do_not_wait_for_it() -> None:
    seen = Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert seen.wait(30)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a photo")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/photo.jpg"
        first, last = _photos(2)
        given = [first, Input(Path(address), name=address, is_address=True), last]
        came = chunks(given, allow_private=True)
        assert list(next(came)) == [first]
        seen.set()
        rest = list(next(came))
        while len(rest) < 2:
            rest += next(came)
        assert [photo.name for photo in rest] == [address, None]
        assert rest[0].path.read_bytes() == b"a photo"
        assert rest[1] == last
        assert list(came) == []
        assert not rest[0].path.parent.exists()
        server.shutdown()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DataError("the folder is gone"), "the folder is gone"),
        (OSError(5, "Input/output error"), "the list of photos cannot be read: Input/output error"),
    ],
)
def test_what_the_inputs_raise_is_raised_after_them(error: Exception, text: str) -> None:
    def inputs() -> Iterator[Input]:
        yield from _photos(2)
        raise error

    seen: list[Input] = []
    with pytest.raises(CatdogError) as caught:
        for chunk in chunks(inputs()):
            seen += chunk
    assert str(caught.value) == text
    assert seen == _photos(2)


def test_a_download_that_cannot_be_stored_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("catdog.inference.web.fetch_photo", lambda address, *, allow_private: b"a photo")
    monkeypatch.setattr(Path, "write_bytes", full)
    address = "http://photo.invalid/photo.jpg"
    ((photo,),) = chunks([Input(Path(address), name=address, is_address=True)])
    assert str(photo.error) == "the download cannot be stored: No space left on device"


def test_closing_it_ends_its_thread() -> None:
    taken = 0

    def inputs() -> Iterator[Input]:
        nonlocal taken
        for photo in _photos(100_000):
            taken += 1
            yield photo

    came = chunks(inputs())
    assert len(next(came)) <= 8
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "catdog-inputs")
    came.close()
    thread.join(30)
    assert not thread.is_alive()
    assert taken < 1000
